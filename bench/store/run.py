#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run.py - `make bench-store`: the store as a library beside others.

    bench/store/run.py [PART ...] [--quick] [--folder PATH] [--report]

Parts are the letters below; without any, all of them.  Each leaves its lines in
build/bench/store/PART.jsonl, so parts can be run one at a time, and again; the
tables (results.md) and figures (*.svg) are made of whatever parts are there.
Files are made in --folder (default: build/bench/store/files), which decides what
file system and disk are measured.  --report only makes tables and figures.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(ROOT)
sys.path.insert(0, os.path.join(ROOT, "bench/store"))

import corpus  # noqa: E402
import report  # noqa: E402

OUT = "build/bench/store"
PROGRAM = "build/store-bench"
MIB_PAGES = 256
MEMORY = "/dev/shm"

# Every contestant's memory in large pages, as the store's frames are.
ENVIRONMENT = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.hugetlb=1")

ALL = "store,raw,raw-8k,lmdb,lmdb-writemap,lmdb-4080,lmdb-4080-writemap,sqlite,sqlite-8192"
SOME = "store,raw,lmdb,lmdb-writemap,lmdb-4080,sqlite,sqlite-8192"


def commits(quick):
    mib = 64 if quick else 256
    rounds = 150 if quick else 1000
    yield dict(part="commit", engines=ALL, pages=mib * MIB_PAGES, cache_mib=2 * mib,
               sizes="1,4,16,64", rounds=rounds, warm=rounds // 5)
    # Where a flush waits for nothing: what is left is the contestants' own work.
    if os.access(MEMORY, os.W_OK):
        yield dict(part="commit", engines=ALL, pages=64 * MIB_PAGES, cache_mib=128,
                   sizes="1,4,16,64", rounds=rounds, warm=rounds // 5, kind="memory")


def updates(quick):
    mib = 64 if quick else 256
    rounds = 20 if quick else 100
    yield dict(part="commit", engines=SOME, pages=mib * MIB_PAGES, cache_mib=2 * mib,
               sizes="1000", rounds=rounds, warm=rounds // 4)


def loads(quick):
    mib = 64 if quick else 1024
    for kind in corpus.KINDS:
        path = corpus.make(kind, OUT, 16 if quick else 64)
        yield dict(part="load", engines=SOME, pages=mib * MIB_PAGES, cache_mib=256,
                   rounds=1 if quick else 3, kind=kind, **({"corpus": path} if path else {}))


def reads(quick):
    mib = 128 if quick else 1024
    for cold in (0, 1):
        for in_order in (0, 1):
            count = mib * MIB_PAGES if in_order else 4096 if quick else 16384
            yield dict(part="read", engines="store,raw,lmdb,lmdb-4080,sqlite,sqlite-8192",
                       pages=mib * MIB_PAGES, cache_mib=max(mib // 16, 32), cold=cold, sorted=in_order,
                       sizes=count, rounds=2 if quick else 3)


def openings(quick):
    for cold in (0, 1):
        yield dict(part="open", sizes="1024,16384,65536", cache_mib=64, cold=cold,
                   rounds=10 if quick else 50)


def snapshots(quick):
    yield dict(part="snapshot", sizes="1,64,1024,16384,65536", cache_mib=256,
               rounds=20 if quick else 100)
    yield dict(part="difference", pages=65536 * MIB_PAGES, cache_mib=256,
               sizes="1,10,100,1000,10000")


def written(quick):
    for mib, engines in (((64, "store,lmdb,lmdb-4080,sqlite"), (256, "store")) if quick else
                         ((64, "store,lmdb,lmdb-4080,sqlite"),
                          (1024, "store,lmdb,lmdb-4080,sqlite"), (8192, "store,lmdb,sqlite"))):
        yield dict(part="written", engines=engines, pages=mib * MIB_PAGES,
                   cache_mib=min(2 * mib, 2048), sizes="1,16,1000",
                   rounds=2500 if quick else 5000, warm=1000)


PARTS = {"a": commits, "b": updates, "c": loads, "d": reads, "e": openings, "f": snapshots,
         "g": written}


def machine():
    """What the figures were taken on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    system = subprocess.run(["stat", "-f", "-c", "%T", OUT], capture_output=True, text=True,
                            check=True).stdout.strip()
    return {"part": "machine", "kernel": platform.release(), "processors": len(models),
            "processor": models[0] if models else "?", "file_system": system,
            "load": os.getloadavg()[0], "time": int(time.time())}


def run_part(letter, quick, folder):
    lines = [json.dumps(dict(machine(), quick=quick))]
    for options in PARTS[letter](quick):
        kind = options.pop("kind", None)
        part = options.pop("part")
        # Nobody else may see or find the files in memory that others share.
        place = tempfile.mkdtemp(dir=MEMORY) if kind == "memory" else folder
        command = [PROGRAM, part] + [f"{name}={value}" for name, value in options.items()]
        print("  " + " ".join(command), flush=True)
        start = time.monotonic()
        try:
            done = subprocess.run(command + [f"folder={place}"], stdout=subprocess.PIPE,
                                  text=True, check=False, env=ENVIRONMENT)
        finally:
            if place != folder:
                shutil.rmtree(place)
        if done.returncode != 0:
            sys.exit(f"bench-store: part {letter} failed; what was measured before is kept")
        print(f"    {time.monotonic() - start:.1f} s", flush=True)
        for line in done.stdout.splitlines():
            lines.append(json.dumps(dict(json.loads(line), **({"kind": kind} if kind else {}))))
    path = f"{OUT}/{letter}.jsonl"
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(path + ".new", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="letters a to g")
    parser.add_argument("--quick", action="store_true", help="less of everything, 3 minutes")
    parser.add_argument("--folder", help="where the files that are measured lie")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}; parts are {' '.join(PARTS)}")
    os.makedirs(OUT, exist_ok=True)
    folder = arguments.folder or f"{OUT}/files"
    os.makedirs(folder, exist_ok=True)
    for letter in [] if arguments.report else arguments.parts or PARTS:
        print(f"part {letter}", flush=True)
        try:
            run_part(letter, arguments.quick, folder)
        finally:
            if not arguments.folder:
                shutil.rmtree(folder)
                os.makedirs(folder)
    report.make(OUT, list(PARTS))


if __name__ == "__main__":
    main()

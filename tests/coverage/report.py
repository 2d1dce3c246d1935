#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""report.py - runs what is instrumented and tells what of store/ was not reached.

    report.py FOLDER             runs everything, then reports
    report.py FOLDER --again     reports on what has been run

For each file: lines and branches, and how many of them were reached.  What was
not must stand in docs/coverage.md with a reason, as `file` `function`: `source
text`; line numbers play no part.  Something unreached that is not there is a
failure; an entry that is no longer needed is named.  The branch that a failing
ASSERT takes is left out: it is a bug of the program.  The full list is
written to FOLDER/unreached.md; the last line is `N passed, M failed`.
"""

import collections
import glob
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIST = "docs/coverage.md"
SIM_COUNTS = {
    "crash": 3000,
    "recovery": 800,
    "errors": 200,
    "outages": 1500,
    "flip": 1000,
    "lies": 500,
    "full": 300,
    "filling": 100,
    "memory": 60,
    "sequences": 200,
}
FUZZ_RUNS = {"store": 8000, "decode": 4000, "stream": 100_000}
ENTRY = re.compile(r"^\* `([^`]+)` `([^`]+)`: ``(.+)``$")


def execute(folder):
    for path in glob.glob(f"{folder}/**/*.gcda", recursive=True):
        os.remove(path)
    commands = [[path] for path in sorted(glob.glob(f"{folder}/tests/unit/*/test_*"))]
    for mode, count in SIM_COUNTS.items():
        commands.append([f"{folder}/sim", "--mode", mode, "--seed", "1", "--count", str(count)])
    subprocess.run([sys.executable, "tests/fuzz/seeds.py", *FUZZ_RUNS], check=True)
    for name, runs in FUZZ_RUNS.items():
        seeds = sorted(glob.glob(f"build/fuzz/seeds/{name}/*"))
        commands.append([f"{folder}/fuzz_{name}", str(runs), *seeds])
    failed = 0
    for command in commands:
        result = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        if result.returncode:
            failed += 1
            print(result.stdout[-2000:])
            print(f"coverage: {' '.join(command[:7])} ended with code {result.returncode}")
    return failed


def measure(folder):
    """What gcov knows of each file of store/."""
    notes = [os.path.abspath(path) for path in sorted(glob.glob(f"{folder}/store/**/*.gcda", recursive=True))]
    with tempfile.TemporaryDirectory() as place:
        command = ["gcov", "--json-format", "--branch-probabilities", *notes]
        subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)
        for path in sorted(glob.glob(f"{place}/*.gcov.json.gz")):
            with gzip.open(path) as file:
                for found in json.load(file)["files"]:
                    name = os.path.relpath(os.path.join(ROOT, found["file"]), ROOT)
                    if re.fullmatch(r"store/(\w+/)?\w+\.c", name):
                        yield name, found["lines"]


def is_check(source, number):
    """Does the statement on this line belong to a ASSERT?"""
    text = source[number - 1]
    while number > 1 and "ASSERT(" not in text and not re.search(r"[;{}]\s*$", source[number - 2]):
        number -= 1
        text = source[number - 1]
    return "ASSERT(" in text


def file_unreached(name, lines):
    """(function, text) of each line that was not executed or branch not taken, and
    the counts: lines, reached, branches, taken."""
    with open(name, encoding="utf-8") as file:
        source = file.read().splitlines()
    unreached = []
    counts = [0, 0, 0, 0]
    for line in lines:
        text = re.sub(r"\s+", " ", source[line["line_number"] - 1]).strip()
        function = line.get("function_name", "?")
        counts[0] += 1
        if not line["count"]:
            unreached.append((name, function, text))
            continue
        counts[1] += 1
        if is_check(source, line["line_number"]):
            continue
        taken = [branch["count"] > 0 for branch in line["branches"]]
        counts[2] += len(taken)
        counts[3] += sum(taken)
        if not all(taken):
            unreached.append((name, function, text))
    return unreached, counts


def entries():
    """What may be unreached, from the list."""
    if not os.path.exists(LIST):
        return collections.Counter()
    with open(LIST, encoding="utf-8") as file:
        found = (ENTRY.match(line.rstrip("\n")) for line in file)
        return collections.Counter(match.groups() for match in found if match)


def show(entry):
    return f"* `{entry[0]}` `{entry[1]}`: ``{entry[2]}``"


def per_cent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def main():
    folder = sys.argv[1]
    os.chdir(ROOT)
    failed = 0 if "--again" in sys.argv else execute(folder)
    unreached = collections.Counter()
    total = [0, 0, 0, 0]
    print(f"{'file':24} {'lines':>6} {'reached':>8} {'branches':>9} {'taken':>8}")
    for name, lines in measure(folder):
        found, counts = file_unreached(name, lines)
        unreached.update(set(found))
        total = [one + other for one, other in zip(total, counts)]
        lines_share, branches_share = per_cent(*counts[1::-1]), per_cent(*counts[:1:-1])
        print(f"{name:24} {counts[0]:6} {lines_share:7.1f}% {counts[2]:9} {branches_share:7.1f}%")
    lines_share, branches_share = per_cent(*total[1::-1]), per_cent(*total[:1:-1])
    print(f"{'all':24} {total[0]:6} {lines_share:7.1f}% {total[2]:9} {branches_share:7.1f}%")
    with open(f"{folder}/unreached.md", "w", encoding="utf-8") as file:
        file.write("".join(f"{show(entry)}\n" for entry in unreached))
    listed = entries()
    for entry in unreached:
        if entry not in listed:
            failed += 1
            print(f"not reached and not in {LIST}: {show(entry)}")
    for entry in listed:
        if entry not in unreached:
            print(f"no longer needed in {LIST}: {show(entry)}")
    print(f"{len([entry for entry in unreached if entry in listed])} places with a reason")
    print(f"{int(not failed)} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

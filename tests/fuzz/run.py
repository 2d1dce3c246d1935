#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run.py - runs one fuzzer.

    run.py NAME RUNS              from the seeds, always the same inputs
    run.py NAME --minutes M       from what was found before, each time others

The last line is `fuzz: NAME: N executions, M findings`.  An input that failed is
kept in build/fuzz/findings/; `build/fuzz/fuzz_NAME FILE` repeats it, with
PERDURE_FUZZ_VERBOSE=1 telling what the store and the verifier say.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Longest input: a list of changes, a page, a small file.
LONGEST = {"store": 385, "objects": 385, "decode": 4098, "loader": 8192, "stream": 8192}
DICTIONARIES = {"manifest", "command"}


def main():
    parser = argparse.ArgumentParser(description="Runs one fuzzer.")
    parser.add_argument("name")
    parser.add_argument("runs", type=int, nargs="?", default=-1)
    parser.add_argument("--minutes", type=float)
    arguments = parser.parse_args()
    name = arguments.name
    os.chdir(os.path.dirname(os.path.dirname(HERE)))

    subprocess.run([sys.executable, f"{HERE}/seeds.py", name], check=True)
    corpus = f"build/fuzz/{'corpus' if arguments.minutes else 'work'}/{name}"
    if not arguments.minutes:
        shutil.rmtree(corpus, ignore_errors=True)
    os.makedirs(corpus, exist_ok=True)
    os.makedirs("build/fuzz/findings", exist_ok=True)
    command = [f"build/fuzz/fuzz_{name}", f"-max_len={LONGEST.get(name, 1000)}", "-timeout=60"]
    # Messages to the user are of no use here and take time.
    command += ["-print_final_stats=1", "-close_fd_mask=2", "-entropic=0"]
    command += [f"-artifact_prefix=build/fuzz/findings/{name}-"]
    if name in DICTIONARIES:
        command += [f"-dict={HERE}/{name}.dict"]
    if arguments.minutes:
        command += [f"-max_total_time={int(arguments.minutes * 60)}"]
    else:
        # Tracing of comparisons sees addresses, which differ each time.
        command += [f"-runs={arguments.runs}", "-seed=1", "-use_cmp=0"]
    command += [corpus, f"build/fuzz/seeds/{name}"]
    before = set(glob.glob(f"build/fuzz/findings/{name}-*"))
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    found = sorted(set(glob.glob(f"build/fuzz/findings/{name}-*")) - before)
    executed = re.findall(r"^stat::number_of_executed_units: +(\d+)", result.stdout, re.M)
    failed = bool(result.returncode or found)
    if failed:
        lines = result.stdout.splitlines()
        print(*[line for line in lines if not re.match("#|INFO|.*NEW_FUNC", line)][:60], sep="\n")
        print(*(f"repeat it: PERDURE_FUZZ_VERBOSE=1 {command[0]} {path}" for path in found), sep="\n")
    print(f"fuzz: figures fuzz_executions={executed[-1] if executed else 0}")
    print(f"fuzz: {name}: {executed[-1] if executed else 0} executions, {int(failed)} findings")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run.py - runs the tests, two at a time, and adds up what they say.

    run.py                  everything that `make test` is
    run.py unit system ...  only jobs of these kinds
    run.py -k WORD          only jobs with WORD in their name
    run.py --long MINUTES   the simulation and the power cuts, for so long

A job is one process: a unit test's executable (cmocka), the simulator, the
seeded faults, or one file of tests/system (pytest).  Each tells how many tests
passed and failed.  One that dies, hangs or tells nothing is a failure.  What
failing jobs printed is shown and kept, with the times, in
build/test-report.txt.  The last line is `N passed, M failed`.
"""

import argparse
import concurrent.futures
import dataclasses
import glob
import os
import random
import re
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPORT = "build/test-report.txt"
JOBS = 2
LIMIT_S = 1500
# What each mode of the simulator gets in `make test`; in a long run, its share.
SIM_SECONDS = {"crash": 160, "recovery": 60, "errors": 40, "flip": 60, "full": 40}
MUTANTS = {"store": "tests/mutants/run.py", "objects": "tests/unit/objects/mutants.py"}
# Measures time, so nothing runs beside it.
ALONE = "system/test_speed"
PYTEST = ["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rfE", "--tb=short"]


@dataclasses.dataclass
class Job:
    kind: str
    name: str
    command: list
    environment: dict = dataclasses.field(default_factory=dict)
    limit_s: float = LIMIT_S


@dataclasses.dataclass
class Outcome:
    job: Job
    passed: int
    failed: int
    seconds: float
    output: str


def count_cmocka(output):
    passed = len(re.findall(r"^\[ +OK +\]", output, re.M))
    # The list of names at the end repeats what failed.
    failed = len(set(re.findall(r"^\[ +(?:FAILED|ERROR) +\] ([\w.]+)$", output, re.M)))
    return passed, failed


def count_pytest(output):
    lines = output.strip().splitlines()
    summary = lines[-1] if lines else ""

    def count(word):
        match = re.search(rf"(\d+) {word}", summary)
        return int(match[1]) if match else 0

    # A test that was skipped has shown nothing.
    return count("passed"), count("failed") + count("errors?") + count("skipped")


def count_mutants(output):
    """A seeded fault that is caught is a test passed."""
    found = re.findall(r"^(\d+) of (\d+) caught$", output, re.M)
    if found:
        return int(found[-1][0]), int(found[-1][1]) - int(found[-1][0])
    found = re.findall(r"^(\d+) killed, (\d+) survived", output, re.M)
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, 0)


def count_sim(output):
    """A mode of the simulator is one test; its totals are the last line."""
    totals = re.findall(r"^sim: .*, (\d+) failures$", output, re.M)
    return (1, 0) if totals and int(totals[-1]) == 0 else (0, 1)


COUNT = {"unit": count_cmocka, "system": count_pytest, "sim": count_sim, "mutants": count_mutants}


def run(job):
    start = time.monotonic()
    process = subprocess.Popen(
        job.command,
        cwd=ROOT,
        env={**os.environ, **job.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=job.limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output += f"\nkilled after {job.limit_s:.0f} s\n"
    passed, failed = COUNT[job.kind](output)
    if failed == 0 and (process.returncode != 0 or passed == 0):
        output += f"\nended with code {process.returncode} after {passed} passed tests\n"
        failed = 1
    return Outcome(job, passed, failed, time.monotonic() - start, output)


def unit_jobs():
    sources = glob.glob("tests/unit/**/*.c", recursive=True)
    names = (re.sub(r"^tests/|\.c$", "", source) for source in sources)
    return [
        Job("unit", name, [f"build/{name}"], limit_s=600)
        for name in sorted(names)
        if re.search(r"/test_[^/]*$|_test$", name)
    ]


def all_jobs(long_minutes):
    """Longest first, so that two at a time end together."""
    jobs = []
    environment = {}
    limit_s = LIMIT_S
    if long_minutes:
        environment["PERDURE_TEST_MINUTES"] = str(long_minutes)
        limit_s = long_minutes * 60 + LIMIT_S
    for mode, seconds in SIM_SECONDS.items():
        command = ["build/sim", "--mode", mode, "--seconds", str(seconds)]
        if long_minutes:
            seconds = int(long_minutes * 60 * seconds / sum(SIM_SECONDS.values()))
            seed = str(random.SystemRandom().randrange(1 << 40))
            command = ["build/sim", "--mode", mode, "--seconds", str(seconds), "--seed", seed]
        jobs.append(Job("sim", f"sim/{mode}", command, environment, limit_s))
    for path in sorted(glob.glob("tests/system/test_*.py")):
        name = os.path.splitext(os.path.relpath(path, "tests"))[0]
        jobs.append(Job("system", name, PYTEST + [path], environment, limit_s))
    if long_minutes:
        return [job for job in jobs if job.kind == "sim" or "power" in job.name]
    for name, script in MUTANTS.items():
        jobs.append(Job("mutants", f"mutants/{name}", ["/usr/bin/python3", script]))
    return jobs + unit_jobs()


def previous_seconds():
    """How long each job took last time, from the report."""
    try:
        with open(REPORT, encoding="utf-8") as report:
            found = re.findall(r"^(?:ok|FAILED) +(\S+) +([\d.]+) s", report.read(), re.M)
    except FileNotFoundError:
        return {}
    return {name: float(seconds) for name, seconds in found}


def tell(outcome, number, total):
    word = "FAILED" if outcome.failed else "ok"
    print(
        f"[{number:3}/{total}] {word:6} {outcome.job.name} "
        f"({outcome.passed} passed, {outcome.seconds:.1f} s)",
        flush=True,
    )
    if outcome.failed:
        print(outcome.output.rstrip()[-20000:], flush=True)


def main():
    parser = argparse.ArgumentParser(description="Runs the tests.")
    parser.add_argument("kinds", nargs="*", help="unit, sim, mutants, system (default: all)")
    parser.add_argument("-k", dest="word", default="", help="only jobs with this in their name")
    parser.add_argument("--long", dest="minutes", type=float, nargs="?", const=60, default=0)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    os.makedirs("build", exist_ok=True)

    jobs = [
        job
        for job in all_jobs(arguments.minutes)
        if arguments.word in job.name and (not arguments.kinds or job.kind in arguments.kinds)
    ]
    seconds = previous_seconds()
    jobs.sort(key=lambda job: -seconds.get(job.name, 0 if job.kind == "unit" else LIMIT_S))
    start = time.monotonic()
    outcomes = []
    for parallel, some in (
        (JOBS, [job for job in jobs if job.name != ALONE]),
        (1, [job for job in jobs if job.name == ALONE]),
    ):
        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            for future in concurrent.futures.as_completed(pool.submit(run, job) for job in some):
                outcomes.append(future.result())
                tell(outcomes[-1], len(outcomes), len(jobs))

    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    if not jobs:
        print("run: there is no such test")
        failed = 1
    outcomes.sort(key=lambda outcome: outcome.job.name)
    summary = f"{passed} passed, {failed} failed"
    with open(REPORT, "w", encoding="utf-8") as report:
        for outcome in outcomes:
            word = "FAILED" if outcome.failed else "ok"
            counts = f"{outcome.passed} passed, {outcome.failed} failed"
            report.write(f"{word:6} {outcome.job.name:40} {outcome.seconds:8.1f} s  {counts}\n")
        for outcome in outcomes:
            if outcome.failed or outcome.job.kind == "sim":
                report.write(f"\n==== {outcome.job.name}\n{outcome.output}")
        report.write(f"\n{summary}\n")
    print(f"took {time.monotonic() - start:.0f} s; details in {REPORT}")
    print(summary)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

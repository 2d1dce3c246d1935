#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run.py - runs the tests, two at a time, and adds up what they say.

    run.py                  everything that `make test` is
    run.py unit system ...  only jobs of these kinds
    run.py -k WORD          only jobs with WORD in their name
    run.py --long MINUTES   the simulation and the power cuts, for so long, and
                            the history of streams at its full size, once
    run.py fuzz --long MINUTES   the fuzzers, from what they have found before

A job is one process: a unit test's executable (cmocka), the simulator, a
fuzzer, the seeded faults, or one file of tests/system (pytest).  Each tells how many tests
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
# Of what a failing job printed, these lines are said again at the end; so many of them.
FAILURE = r"^(?:FAILED|ERROR|E  ) .*$|^\[ +(?:FAILED|ERROR).*$"
FAILURE_LINES = 6
# Against what hangs; no promise of how long anything takes.
LIMIT_S = 3600

# The simulator in `make test`: mode, first seed, and the count at which it ends.
SIM = [
    ("crash", 1, 850_000),
    ("crash", 1_000_001, 850_000),
    ("crash", 2_000_001, 850_000),
    ("crash", 3_000_001, 850_000),
    ("recovery", 1, 120_000),
    ("errors", 1, 8_000),
    ("outages", 1, 10_000),
    ("flip", 1, 200_000),
    ("lies", 1, 50_000),
    ("full", 1, 15_000),
    ("filling", 1, 4_000),
    ("memory", 1, 5_000),
    ("sequences", 1, 29_160),
    ("sequences", 1_621, 29_160),
    ("deltas", 1, 1_000),
    ("snapshots", 1, 1_000),
]
# What all of these together must have done.
FIGURES = {
    "crash_states": 5_000_000,
    "recovery_crashes": 500_000,
    "io_failures": 8_000,
    "outages": 10_000,
    "flips": 200_000,
    "lies": 50_000,
    "fillings": 4_000,
    "memories": 5_000,
    "sequences": 58_320,
    "deltas": 1_000,
    "snapshots": 1_000,
    "fuzz_executions": 2_000_000,
}
# A long run takes turns, so many seconds each.
SIM_TURNS = {
    "crash": 240,
    "recovery": 90,
    "errors": 60,
    "outages": 90,
    "flip": 60,
    "lies": 60,
    "full": 60,
    "filling": 60,
    "memory": 30,
    "sequences": 30,
    "deltas": 60,
    "snapshots": 120,
}
# Executions of each fuzzer in `make test`: the fast ones make up the number.
FUZZ_RUNS = {
    "store": 120000,
    "objects": 30000,
    "decode": 600000,
    "stream": 300000,
    "manifest": 450000,
    "loader": 500000,
    "command": 250000,
}
FUZZ_SLOW = ("store", "objects", "decode")
MUTANTS = {"store": "tests/mutants/run.py", "objects": "tests/unit/objects/mutants.py"}
# The promise at its full size: a store of 1 GiB and twenty increments as streams.
STREAMS = "system/test_mkstore_streams"
STREAMS_LONG = {"test": "test_increments", "mebibytes": 1024, "seconds": 300}
# Real machines that go on for as long as asked.
REAL_LONG = ["system/test_power", "system/test_outages", "system/test_faults"]
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
    """A run of the simulator is one test; its failures are the last line."""
    totals = re.findall(r"^sim: (\d+) failures$", output, re.M)
    return (1, 0) if totals and int(totals[-1]) == 0 else (0, 1)


def figures_add(sum_of, output):
    """What a run of the simulator or of a fuzzer says it has done."""
    for line in re.findall(r"^(?:sim|fuzz): figures (.*)$", output, re.M)[-1:]:
        for name, value in re.findall(r"(\w+)=(\d+)", line):
            sum_of[name] = sum_of.get(name, 0) + int(value)


def count_fuzz(output):
    """A fuzzer is one test: it ended by itself and found nothing."""
    found = re.findall(r"^fuzz: \w+: (\d+) executions, (\d+) findings$", output, re.M)
    return (1, 0) if found and int(found[-1][0]) and int(found[-1][1]) == 0 else (0, 1)


COUNT = {
    "unit": count_cmocka,
    "system": count_pytest,
    "sim": count_sim,
    "fuzz": count_fuzz,
    "mutants": count_mutants,
}
# Their figures are added up and some are demanded.
FIGURED = ("sim", "fuzz")


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


def sim_jobs():
    seen = []
    for mode, seed, count in SIM:
        seen.append(mode)
        command = ["build/sim", "--mode", mode, "--seed", str(seed), "--count", str(count)]
        yield Job("sim", f"sim/{mode}-{seen.count(mode)}", command)
    # The same program under the sanitizers, a little of everything.
    yield Job("sim", "sim/sanitized", ["build/sim-asan", "--cases", "12", "--seed", "77"])


def fuzz_jobs():
    for name, runs in FUZZ_RUNS.items():
        command = ["/usr/bin/python3", "tests/fuzz/run.py", name, str(runs)]
        yield Job("fuzz", f"fuzz/{name}", command)


def fuzz_long_jobs(minutes):
    """The slow fuzzers, which have most to find, have most of the time."""
    shares = {name: 4 if name in FUZZ_SLOW else 1 for name in FUZZ_RUNS}
    for name, share in shares.items():
        own = minutes * JOBS * share / sum(shares.values())
        command = ["/usr/bin/python3", "tests/fuzz/run.py", name, "--minutes", f"{own:.2f}"]
        yield Job("fuzz", f"fuzz/{name}", command, limit_s=own * 60 + LIMIT_S)


def long_jobs(minutes):
    """All modes of the simulator in turn, each time with seeds never used before,
    with the power cuts and, once, the large streams beside them."""
    command = PYTEST + [f"tests/{STREAMS}.py", "-k", STREAMS_LONG["test"]]
    size = {"PERDURE_STREAM_MIB": str(STREAMS_LONG["mebibytes"])}
    yield Job("system", STREAMS, command, size)
    # Real machines have one processor of the host among them, the simulator the other.
    for name in REAL_LONG:
        own = minutes / len(REAL_LONG)
        command = PYTEST + [f"tests/{name}.py"]
        yield Job("system", name, command, {"PERDURE_TEST_MINUTES": str(own)}, own * 60 + LIMIT_S)
    left_s = minutes * 60 * (JOBS - 1)
    left_s = max(left_s - STREAMS_LONG["seconds"], 0)
    turn = 0
    while left_s > 0:
        turn += 1
        for mode, seconds in SIM_TURNS.items():
            seconds = int(min(seconds, left_s))
            left_s -= seconds
            if seconds > 0:
                seed = str(random.SystemRandom().randrange(1 << 40))
                command = ["build/sim", "--mode", mode, "--seconds", str(seconds), "--seed", seed]
                yield Job("sim", f"sim/{mode}-{turn}", command)


def all_jobs():
    jobs = [*sim_jobs(), *fuzz_jobs()]
    for path in sorted(glob.glob("tests/system/test_*.py")):
        name = os.path.splitext(os.path.relpath(path, "tests"))[0]
        jobs.append(Job("system", name, PYTEST + [path]))
    for name, script in MUTANTS.items():
        jobs.append(Job("mutants", f"mutants/{name}", ["/usr/bin/python3", script]))
    return jobs + unit_jobs()


def expected_seconds(job, previous):
    """What it took last time.  Where nobody knows, the seeded faults begin: they are one
    process each and would be the last to end; the unit tests fill what is left."""
    unknown = {"mutants": LIMIT_S + 1, "unit": 0}
    return previous.get(job.name, unknown.get(job.kind, LIMIT_S))


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


def failures(outcomes):
    """What failed, a few lines each, for whoever sees only the end of the output."""
    for outcome in outcomes:
        if outcome.failed:
            said = re.findall(FAILURE, outcome.output, re.M)
            said = said or outcome.output.strip().splitlines()
            yield f"FAILED {outcome.job.name}"
            yield from (f"  {line[:200]}" for line in said[-FAILURE_LINES:])


def figures_table(outcomes, demanded):
    """What simulator and fuzzers have done, a line for each figure; and the figures that
    are demanded and were not reached."""
    figures = {}
    runs = [outcome for outcome in outcomes if outcome.job.kind in FIGURED]
    for outcome in runs:
        figures_add(figures, outcome.output)
    lines = [f"simulator and fuzzers, {len(runs)} runs, {sum(run.seconds for run in runs):.0f} s:"]
    lines += [f"  {name:18} {value:14,}" for name, value in sorted(figures.items())]
    missed = [
        f"{name}: {figures.get(name, 0):,} of {least:,}"
        for name, least in demanded.items()
        if figures.get(name, 0) < least
    ]
    return lines, missed


def report_write(outcomes, lines, summary):
    outcomes.sort(key=lambda outcome: outcome.job.name)
    with open(REPORT, "w", encoding="utf-8") as report:
        for outcome in outcomes:
            word = "FAILED" if outcome.failed else "ok"
            counts = f"{outcome.passed} passed, {outcome.failed} failed"
            report.write(f"{word:6} {outcome.job.name:40} {outcome.seconds:8.1f} s  {counts}\n")
        report.write("".join(f"{line}\n" for line in ["", *lines]))
        for outcome in outcomes:
            if outcome.failed or outcome.job.kind in FIGURED:
                report.write(f"\n==== {outcome.job.name}\n{outcome.output}")
        report.write(f"\n{summary}\n")


def run_all(jobs):
    outcomes = []
    for parallel, some in (
        (JOBS, [job for job in jobs if job.name != ALONE]),
        (1, [job for job in jobs if job.name == ALONE]),
    ):
        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            for future in concurrent.futures.as_completed(pool.submit(run, job) for job in some):
                outcomes.append(future.result())
                tell(outcomes[-1], len(outcomes), len(jobs))
    return outcomes


def main():
    parser = argparse.ArgumentParser(description="Runs the tests.")
    parser.add_argument("kinds", nargs="*", help="unit, sim, fuzz, mutants, system (default: all)")
    parser.add_argument("-k", dest="word", default="", help="only jobs with this in their name")
    parser.add_argument("--long", dest="minutes", type=float, nargs="?", const=60, default=0)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    os.makedirs("build", exist_ok=True)

    every = all_jobs()
    if arguments.minutes:
        longer = fuzz_long_jobs if arguments.kinds == ["fuzz"] else long_jobs
        every = list(longer(arguments.minutes))
    jobs = [
        job
        for job in every
        if arguments.word in job.name and (not arguments.kinds or job.kind in arguments.kinds)
    ]
    if not arguments.minutes:
        # Longest first, so that two at a time end together.
        seconds = previous_seconds()
        jobs.sort(key=lambda job: -expected_seconds(job, seconds))
    start = time.monotonic()
    outcomes = run_all(jobs)

    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    if not jobs:
        print("run: there is no such test")
        failed = 1
    lines = []
    if any(job.kind in FIGURED for job in jobs):
        whole = not arguments.minutes and all(job in jobs for job in every if job.kind in FIGURED)
        lines, missed = figures_table(outcomes, FIGURES if whole else {})
        print("\n".join(lines))
        for figure in missed:
            print(f"FAILED figure not reached: {figure}")
        passed += len(FIGURES) - len(missed) if whole else 0
        failed += len(missed)
    summary = f"{passed} passed, {failed} failed"
    report_write(outcomes, lines, summary)
    for line in failures(outcomes):
        print(line)
    print(f"took {time.monotonic() - start:.0f} s; details in {REPORT}")
    print(summary)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

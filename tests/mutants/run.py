#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Seeded faults: every one must be caught by a short run of the simulator, or by
the unit test that is there for it.

Each *.mutant file in this folder names a file of the store, of mkstore or of the kernel,
a text that occurs in it exactly once, and what to put in its place.  The changed file is compiled
into a simulator or a unit test of its own below build/mutants/, which must then
fail.  A unit test that does not end has failed, too.

    tests/mutants/run.py [NAME ...]

Ends with `N of N caught` and exit code 0 when none survives.

A mutant file:

    what: one line, the fault
    file: store/....c      (or tools/mkstore/....c, kernel/....c, drivers/....c, user/shell/....c; of
                           a list, kernel/....def, whatever is made of it in the kernel is made anew)
    mode: crash            (optional: the simulator's mode, default crash)
    test: store/keeping    (instead: the unit test tests/unit/store/test_keeping.c; of those
                           named kernel/fake_* each is linked with what the kernel does for
                           machines, over the fake store)
    ----
    the text as it is
    ----
    the text as it shall be
"""
import argparse
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "mutants"
CC = os.environ.get("CC", "gcc")
# How many cases of a mode a fault may survive: a number, not a time, so that the
# outcome does not depend on the machine.
CASES = {"crash": 40, "recovery": 20, "errors": 10, "outages": 160, "flip": 20, "full": 2, "lies": 10,
         "deltas": 3, "filling": 2, "memory": 3, "sequences": 100, "snapshots": 1}
TEST_SECONDS = 30  # of processor time; a unit test takes at most ten
DRIVER = "drivers/virtio/"
FAKES = [f"tests/unit/{name}.c" for name in ("objects/fake_store", "kernel/fake_devices", "kernel/fake_kernel")]
NAMED = re.search(r"^CALLS +:= (.*)", (ROOT / "Makefile").read_text(), re.M)[1].split()
SERVICES = {f"kernel/{path.name}" for path in ROOT.glob("kernel/service*.c")}
CALLS = sorted({f"kernel/{name}.c" for name in NAMED} | SERVICES)
COMPILED = set()  # objects of unit tests
# Tests that bring all along that lies below the file they test, by its names.
ALONE = {"kernel/checkpoint": ["kernel/checkpoint.c", "kernel/request.c"],
         "kernel/mapping": ["kernel/mapping.c", "kernel/x86_64/root.c"], "kernel/root": ["kernel/x86_64/root.c"],
         "kernel/console": ["kernel/console.c"], "kernel/service_past": ["kernel/service_past.c"]}
TESTED = {name for names in ALONE.values() for name in names}
BELOW = ("tools/mkstore/failure.c", "kernel/console_line.c", "base/text.c")
FLAGS = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Wno-unused", "-I.", '-DPERDURE_VERSION="0"']


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (TEST_SECONDS, 2 * TEST_SECONDS))


def sources():
    """What a simulator or a unit test is made of, as paths from the root."""
    found = [ROOT / "base/quantity.c", ROOT / "base/text.c",
             *ROOT.glob("store/**/*.c"), *ROOT.glob("objects/*.c"), *ROOT.glob("tests/sim/*.c"),
             *ROOT.glob("tools/mkstore/*.c"), *ROOT.glob("tools/verify/*.c"), *ROOT.glob("drivers/gpt*.c"),
             *ROOT.glob(DRIVER + "blk*.c"), ROOT / DRIVER / "queue.c",
             ROOT / "kernel/console_line.c", ROOT / "kernel/loader.c",
             ROOT / "user/shell/columns.c", ROOT / "user/shell/width.c",
             *(ROOT / name for name in {*CALLS, *FAKES, *TESTED})]
    return [path.relative_to(ROOT) for path in sorted(found)
            if path != ROOT / "tools/mkstore/main.c"]


def simulated(name):
    """Is this source part of the simulator?"""
    return (name.startswith(("base/", "store/", "tests/sim/", "tools/verify/"))
            and not name.startswith("tools/verify/objects"))


def compile_file(source, output, flags=()):
    subprocess.run([CC, *flags, *FLAGS, "-c", str(source), "-o", str(output)],
                   cwd=ROOT, check=True)


def compile_all():
    """The objects of the unchanged tree, by source path; each only when it is
    older than anything it could depend on."""
    newest = max(path.stat().st_mtime
                 for folder in ("base", "store", "disk", "drivers", DRIVER, "objects", "tests/sim",
                                "tools/mkstore", "tools/verify", "kernel", "user/shell",
                                "tests/unit/kernel", "tests/unit/objects")
                 for path in (ROOT / folder).rglob("*.*") if path.suffix in (".c", ".h", ".def"))
    objects = {}
    for source in sources():
        output = BUILD / "objects" / (str(source).replace("/", "_") + ".o")
        output.parent.mkdir(parents=True, exist_ok=True)
        if not output.exists() or output.stat().st_mtime < newest:
            compile_file(source, output)
        objects[str(source)] = output
    return objects


def compile_test(name):
    """The object of a unit test, compiled once a run."""
    output = BUILD / "objects" / f"{name.replace('/', '_')}.o"
    if output not in COMPILED:
        folder, test = name.split("/")
        compile_file(f"tests/unit/{folder}/test_{test}.c", output)
        COMPILED.add(output)
    return str(output)


class Mutant:
    def __init__(self, path):
        self.name = path.stem
        head, self.before, self.after = path.read_text().split("\n----\n")
        self.after = self.after.rstrip("\n")
        fields = dict(line.split(": ", 1) for line in head.splitlines())
        self.what = fields["what"]
        self.file = fields["file"]
        self.mode = fields.get("mode", "crash")
        self.test = fields.get("test")

    def changed(self):
        """The sources that are compiled anew."""
        if not self.file.endswith(".def"):
            return [self.file]
        return [name for name in CALLS if f'"{self.file}"' in (ROOT / name).read_text()]

    def program(self, objects):
        """What is linked with the changed file, without it."""
        others = {name: str(path) for name, path in objects.items() if name not in self.changed()}
        if not self.test:
            return [path for name, path in others.items() if simulated(name)], ["-llz4"]
        libraries = ["-fsanitize=address", "-lcmocka", "-llz4"]
        if self.test in ALONE:
            linked = [*ALONE[self.test], *BELOW]
            return [compile_test(self.test), *(others[name] for name in linked if name in others)], libraries
        if self.test.startswith("kernel/fake"):
            tested = [path for name, path in others.items()
                      if name in CALLS + FAKES or name.startswith(("base/", "objects/"))]
            return [*tested, compile_test(self.test)], libraries
        # The driver needs a bus below it, which only its own tests have.
        driver = self.test.startswith("drivers/blk")
        tested = [path for name, path in others.items()
                  if not name.startswith("tests/") and name not in [*CALLS, *TESTED]
                  and (name.startswith(DRIVER) == driver or name == BELOW[0])]
        return [*tested, compile_test(self.test)], libraries

    def build(self, objects):
        text = (ROOT / self.file).read_text()
        if text.count(self.before) != 1:
            raise LookupError(f"its text occurs {text.count(self.before)} times in {self.file}")
        folder = BUILD / self.name
        changed = folder / self.file
        changed.parent.mkdir(parents=True, exist_ok=True)
        changed.write_text(text.replace(self.before, self.after))
        linked, libraries = self.program(objects)
        for name in self.changed():
            linked.append(str(folder / f"{pathlib.Path(name).stem}.o"))
            source = changed if name == self.file else name
            compile_file(source, linked[-1], () if source == changed else (f"-I{folder}",))
        subprocess.run([CC, *linked, *libraries,
                        "-o", str(folder / "program")], check=True)
        return str(folder / "program")

    def caught_by_test(self, objects):
        """The first test of the unit's that fails, or None.  What comes after it says no more."""
        with subprocess.Popen([self.build(objects)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, errors="replace", preexec_fn=limit) as process:
            for line in process.stderr:
                if failed := re.match(r"\[  FAILED  \] (\w+)$", line):
                    process.kill()
                    return f"{self.test}: {failed[1]}"
        if process.returncode == -signal.SIGXCPU:
            return f"{self.test} does not end"
        return f"{self.test}: stopped" if process.returncode else None

    def caught(self, objects):
        """The line with which the simulator fails, or None."""
        if self.test:
            return self.caught_by_test(objects)
        result = subprocess.run([self.build(objects), "--mode", self.mode, "--shrink", "0",
                                 "--cases", str(CASES[self.mode])],
                                capture_output=True, text=True, timeout=900, check=False)
        for line in result.stdout.splitlines():
            if "FAILURE" in line and result.returncode == 1:
                return line.split(": ", 2)[-1]
        return None


def main():
    parser = argparse.ArgumentParser(description="runs the seeded faults")
    parser.add_argument("names", nargs="*", help="only these")
    options = parser.parse_args()
    mutants = [Mutant(path) for path in sorted(HERE.glob("*.mutant"))
               if not options.names or path.stem in options.names]
    objects = compile_all()
    caught = 0
    for mutant in mutants:
        try:
            how = mutant.caught(objects)
        except LookupError as reason:
            print(f"DOES NOT APPLY: {mutant.name}: {reason}", flush=True)
            continue
        caught += how is not None
        print(f"{'caught' if how else 'SURVIVES'}: {mutant.name}: {mutant.what}"
              + (f" [{how}]" if how else ""), flush=True)
    print(f"{caught} of {len(mutants)} caught")
    return 0 if mutants and caught == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())

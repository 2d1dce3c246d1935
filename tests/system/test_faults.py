# SPDX-License-Identifier: MIT
"""test_faults.py - whatever the system does, the disk fails at it: each operation with each kind
of error, at its first request, in its middle and at its last one, once, some times, and until
the disk is well again.

What must hold is always the same.  While it lasts it is said what is waited for, and what was
said to be durable can be read in the image, which is sound; when the disk is well, what was asked
for is done without a restart, all is saved, and that is said, too.

With PERDURE_TEST_MINUTES all other combinations have their turn, in any order, as many as that
allows.
"""

import contextlib
import itertools
import os
import random
import re
import signal

import pytest
from conftest import STORE_OFFSET, cat, copy_sparse, demos_are_exact, mkstore, verify

from console import until
from faults import FAILING, blkdebug, failing, heal, requests, rules
from machine import Machine, without_asides
from test_snapshots import names

BIG = 6 << 20
FIRST = STORE_OFFSET // 512 + 64  # what lies before it GRUB reads as well
TROUBLE = r"perdure: (?:unsaved since|machine \d+ waits for the page|cannot resume yet)"
REFUSED = r"the disk reported an error|cannot be read|not read"
# What is typed while the disk fails; N is the round's number.  `with-N` holds a file of that
# size; `without-N`, which is newer and has been restored, does not.
OPERATIONS = {
    "boot": ["checkpoint"],
    "commit": ["cp /notes/big /notes/copy", "checkpoint"],
    "copy": ["interval 50ms", "cp /notes/big /notes/copy", "checkpoint"],
    "snapshot": ["cp /notes/big /notes/copy", "snapshot new-N"],
    "delete": ["delete with-N", "checkpoint", "checkpoint"],
    "restore": ["restore with-N"],
}
MACHINES = ["counter", "exchange", "guard", "peer", "primes", "shell", "traffic"]
KINDS = ("read", "write", "flush")
TIMES = {"once": 1, "some times": 3, "until well": 0}
PLACES = ("first", "middle", "last")
# Each operation and each phase of a large commit, each kind of error, each number of them.
QUICK = [
    ("boot", "read", "until well", "first"),
    ("boot", "flush", "once", "first"),
    ("commit", "write", "once", "middle"),
    ("commit", "write", "until well", "last"),
    ("commit", "flush", "until well", "last"),
    ("copy", "read", "until well", "middle"),
    ("copy", "write", "some times", "first"),
    ("snapshot", "write", "until well", "first"),
    ("snapshot", "flush", "some times", "first"),
    ("delete", "read", "until well", "first"),
    ("delete", "flush", "until well", "middle"),
    ("restore", "read", "until well", "middle"),
    ("restore", "read", "some times", "first"),
    ("restore", "write", "once", "last"),
]
ROUNDS_A_MINUTE = 8
LONG = list(itertools.product(OPERATIONS, KINDS, TIMES, PLACES))
random.Random(os.environ.get("PERDURE_SEED")).shuffle(LONG)
del LONG[int(float(os.environ.get("PERDURE_TEST_MINUTES", 0)) * ROUNDS_A_MINUTE) :]


class System:
    """One that goes on from test to test, as long as none fails."""

    def __init__(self, base, folder):
        self.base = base
        self.folder = folder
        self.image = str(folder / "image")
        self.big = random.Random(6).randbytes(BIG)
        (folder / "big").write_bytes(self.big)
        self.machine = None
        self.well = False
        self.number = 0
        self.asked = {}  # of an operation: how many requests of each kind
        self.reads = [FIRST]  # of a boot: which sectors

    def begin(self):
        if self.machine:
            self.machine.__exit__()
        copy_sparse(self.base, self.image)
        os.chmod(self.image, 0o644)
        mkstore("put", self.image, self.folder / "big", "/notes/big")
        self.start()
        self.machine.wait_prompt()
        self.machine.command("interval 1h")

    def start(self, faults=None, arguments=()):
        if self.machine:
            self.machine.__exit__()
        self.machine = Machine(self.image, memory=64, drive=False, disk=FAILING,
                               arguments=[*blkdebug(self.image, faults), *arguments])

    def prepare(self):
        """All memory is empty after it."""
        self.number += 1
        for line in (f"echo {self.number} > /notes/number", "cp /notes/big /notes/copy",
                     f"snapshot with-{self.number}", "rm /notes/copy",
                     f"snapshot without-{self.number}"):
            self.machine.command(line)
        self.enter(f"restore without-{self.number}", True)

    def enter(self, line, patient):
        """Types it and waits until it is done: whether it is, or refused, or waits for the disk."""
        self.said = len(self.machine.text)
        if line:
            self.machine.type(f"\x15{line}\r")
        return self.outcome("^perdure> " if patient else f"^perdure> |{TROUBLE}")

    def outcome(self, pattern):
        if self.machine.wait(pattern)[0] != "perdure> ":
            return "waits"
        said = without_asides(self.machine.text[self.said :])
        return "refused" if re.search(REFUSED, said) else "done"

    def perform(self, operation, faults, patient):
        """Does all of it while the disk fails; what is not patient, until something is said."""
        lines = [line.replace("N", str(self.number)) for line in OPERATIONS[operation]]
        with faults:
            if operation == "boot":
                lines.insert(0, None)  # nothing is typed before the first prompt
            outcome = "done"
            while lines and (patient or outcome == "done"):
                outcome = self.enter(lines[0], patient)
                if outcome == "done":
                    lines.pop(0)
            if not patient:
                self.look()
                assert self.live() == self.big
        if outcome == "waits" and self.outcome("^perdure> ") == "done":
            lines.pop(0)
        for line in lines:
            assert self.enter(line, True) == "done"

    @contextlib.contextmanager
    def booting(self, *which):
        self.machine.cut()
        if which[0] == "read":
            _, first, last = which
            rule = {"event": "none", "iotype": "read", "sector": self.reads[first - 1], "once": last > 0}
            self.start({"inject-error": [rule] * max(1, last - first + 1)})
        else:
            self.start(rules(*which))
        yield
        heal(self.machine)

    def trace(self):
        """What the kernel reads of the store from its start to the prompt, and GRUB does not."""
        path = self.folder / "trace"
        self.machine.cut()
        self.start(arguments=["-trace", "virtio_blk_handle_read", "-D", str(path)])
        self.machine.wait_prompt()
        sectors = re.findall(r" sector (\d+) ", path.read_text())
        self.reads = [sector for sector in map(int, dict.fromkeys(sectors)) if sector >= FIRST]

    def measure(self, operation):
        """How many requests it makes on a disk that is well."""
        self.prepare()
        before = requests(self.machine)
        self.perform(operation, contextlib.nullcontext(), True)
        after = requests(self.machine)
        self.asked[operation] = {kind: after[kind][0] - before[kind][0] for kind in KINDS}

    def which(self, operation, kind, times, place):
        """The requests that are to fail, as rules() is told."""
        flushes = 0
        if place == "first":
            asked = 1
        elif operation == "boot":
            # Of a boot nothing else is known before.
            asked = len(self.reads) if kind == "read" else 2
        else:
            asked = self.asked[operation][kind]
        first = {"first": 1, "middle": (asked + 1) // 2, "last": asked - asked // 10}[place]
        if (kind, place) == ("write", "last") and operation != "boot":
            # The record of a commit comes behind a flush; how many writes it has varies.
            first, flushes = 1, self.asked[operation]["flush"] - 1
        return kind, first, first + TIMES[times] - 1 if TIMES[times] else 0, *([flushes] if flushes else [])

    def look(self):
        """What the image would be if the power went now."""
        copy = self.image + ".copy"
        self.machine.process.send_signal(signal.SIGSTOP)
        copy_sparse(self.image, copy)
        self.machine.process.send_signal(signal.SIGCONT)
        verify(copy)
        assert cat(copy, "/notes/number") == f"{self.number}\n"
        return copy

    def live(self):
        """Who reads in the image beside the system is not disturbed."""
        target = self.folder / "target"
        mkstore("get", "--live", "--force", self.image, "/notes/big", target,
                "--snapshot", f"without-{self.number}")
        return target.read_bytes()

    def saved_again(self, start):
        """It has said that something is not saved, and then that all is: a commit of its own
        may come after the one that was asked for, and before the disk is well."""
        said = self.machine.text[start:]
        return said.rfind("perdure: saved again: ") > said.rfind("perdure: unsaved since") > 0

    def check(self, operation, said):
        assert not re.search("faulted|stopped|given up|panic|read-only", said), said
        self.machine.command("interval 1h")
        assert "is durable" in self.machine.command("checkpoint")
        assert "unsaved" not in self.machine.command("store")
        machines = self.machine.command("ps")
        there = sorted(re.findall(r"^ +\d+ +(\w+)", machines, re.M))
        assert there == MACHINES and not re.search("faulted|stopped", machines), machines
        demos_are_exact(self.machine)
        copy = self.look()
        snapshots = names(copy)
        assert (f"with-{self.number}" in snapshots) == (operation != "delete")
        if operation not in ("boot", "delete"):
            mkstore("get", "--force", copy, "/notes/copy", self.folder / "target")
            assert (self.folder / "target").read_bytes() == self.big
        if operation == "snapshot":
            number = mkstore("cat", copy, "/notes/number", "--snapshot", f"new-{self.number}").stdout
            assert number == f"{self.number}\n"
        for name in snapshots:
            self.machine.command(f"delete {name}")

    def round(self, operation, kind, times, place):
        if not self.well:
            self.begin()
        self.well = False
        if operation not in ("boot", *self.asked) and place != "first":
            self.measure(operation)
        self.prepare()
        if operation == "boot" and kind == "read" and place != "first":
            self.trace()
        which = self.which(operation, kind, times, place)
        if operation == "boot":
            start, failed, faults = 0, 0, self.booting(*which)
        else:
            start, failed = len(self.machine.text), requests(self.machine)[kind][1]
            faults = failing(self.machine, *which)
        self.perform(operation, faults, TIMES[times] > 0)
        failed = requests(self.machine)[kind][1] - failed
        if failed and kind != "read":
            until(lambda: self.saved_again(start))
        said = self.machine.text[start:]
        print(which, failed, "failed", said)
        self.check(operation, said)
        self.well = True
        return failed


@pytest.fixture(scope="module")
def system(base_image, tmp_path_factory):
    system = System(base_image, tmp_path_factory.mktemp("faults"))
    yield system
    system.machine.__exit__()


@pytest.mark.parametrize("operation,kind,times,place", QUICK + LONG)
def test_fault(system, operation, kind, times, place):
    failed = system.round(operation, kind, times, place)
    assert failed or place != "first"

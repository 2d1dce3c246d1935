# SPDX-License-Identifier: MIT
"""test_outages.py - a system under load whose disk stalls, fails, goes away and comes back, in
any order, with power cuts between: it is never without a prompt, never needs a reboot, and
loses nothing.

For PERDURE_TEST_MINUTES, if that is set.
"""

import os
import random
import signal
import time

from away import FAULTS, Away
from conftest import cat, verify

ROUNDS = 2
NAMES = [f"/notes/outage{number}" for number in range(6)]
TROUBLE = r"perdure: (unsaved since|the disk has not answered|machine \d+ waits for the page)"


class Written:
    """What was written, and what of it was said to be durable."""

    def __init__(self):
        self.serial = self.marks = 0
        self.durable = dict.fromkeys(NAMES, 0)
        self.newest = dict.fromkeys(NAMES, 0)

    def write(self, machine, random_source):
        name = random_source.choice(NAMES)
        self.serial += 1
        machine.command(f"echo {self.serial} > {name}")
        self.newest[name] = self.serial

    def save(self, machine):
        assert "is durable" in machine.command("checkpoint")
        self.durable.update(self.newest)

    def check(self, name, text):
        number = int(text) if text.strip().isdigit() else 0  # not there yet, or empty
        assert self.durable[name] <= number <= self.newest[name], (name, text)
        return number

    def check_system(self, machine):
        for name in NAMES:
            if self.newest[name]:
                self.newest[name] = self.check(name, machine.command(f"cat {name}"))

    def check_disk(self, image):
        """What was typed and not yet done is done in the next life: the newest stays so."""
        verify(image)
        for name in NAMES:
            if self.durable[name]:
                self.durable[name] = self.check(name, cat(image, name))


def outage(away, machine, written, random_source):
    """One outage under load, until it is noticed or for a moment, and what comes after it."""
    kind = random_source.choice(["stall", "gone", *FAULTS])
    if kind == "stall":
        away.signal(signal.SIGSTOP)
    elif kind == "gone":
        away.server.end()
    else:
        away.serve(FAULTS[kind])
    # Typed, not waited for: it may need the disk.
    machine.type(f"cp /bin/shell {random_source.choice(NAMES)}-copy\r")
    if kind != "read" and random_source.random() < 0.7:
        machine.wait(TROUBLE)
    else:
        time.sleep(random_source.uniform(0, 2))
    return kind


def recover(kind, away, machine, written):
    if kind == "stall":
        away.signal(signal.SIGCONT)
    elif kind == "gone":
        away.server.start()
    else:
        away.serve()
    # When this is answered, so is what was typed in the outage.
    written.marks += 1
    machine.type(f"echo mark {written.marks}\r")
    machine.wait(rf"^mark {written.marks}$")
    machine.wait("^perdure> ")
    written.save(machine)
    written.check_system(machine)


def test_outages(image):
    minutes = float(os.environ.get("PERDURE_TEST_MINUTES", 0))
    seed = int(os.environ.get("PERDURE_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"PERDURE_SEED={seed}")
    random_source = random.Random(seed)
    end = time.monotonic() + minutes * 60
    written = Written()
    rounds = outages = 0
    while rounds < ROUNDS or time.monotonic() < end:
        with Away(image) as away, away.machine() as machine:
            machine.wait_prompt()
            written.check_system(machine)
            for _ in range(random_source.randrange(2, 6)):
                for _ in range(random_source.randrange(1, 4)):
                    written.write(machine, random_source)
                recover(outage(away, machine, written, random_source), away, machine, written)
                outages += 1
            written.write(machine, random_source)
            # The power goes in an outage as well.
            if random_source.random() < 0.5:
                outage(away, machine, written, random_source)
            machine.cut()
        written.check_disk(image)
        rounds += 1
    print(f"{outages} outages, {rounds} power cuts")

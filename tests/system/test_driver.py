# SPDX-License-Identifier: MIT
"""test_driver.py - what drives the machines reads the same, whatever the kernel says meanwhile."""

import re
import threading

import pytest

from machine import Machine, without_asides

ASIDES = [
    "unsaved since 12:00:00 UTC, generation 7: the disk does not answer; all runs on in memory, and "
    "saving is tried again",
    "saved again: generation 8 is durable, nothing was lost",
    "the disk has not answered a flush for 5 s (PCI 00:01.0); it is waited for, nothing is lost",
    "the disk has been away for 5 s (PCI 00:1f.2): the disk asks to be reset; it is waited for, "
    "nothing is lost",
    "the disk answers again (PCI 00:01.0); everything goes on",
    "the disk asks to be reset (PCI 00:01.0); it is reset and asked again",
    "machine 30 waits for the page at address 0x10fc: the disk reported an error; it is tried again",
]
# What is never passed over.
SAID = [
    "the disk does not come back (PCI 00:01.0); it is reset and asked again",
    "machine 30 (shell) stopped: the page at address 0x1000 cannot be read; it is reset and asked again",
    "saved again: generation 8 is durable, something was lost",
    "machine 30, which was to go, cannot be destroyed: the disk reported an error",
    "generation 7 resumed in 80 ms (power cut)",
]
SHOWN = "\nperdure> cat /demo/count\n42\nperdure> "


def played(text):
    """A machine that has shown this and shows nothing more."""
    machine = Machine.__new__(Machine)
    machine.text, machine.position, machine.unsure = text, 0, False
    machine.changed = threading.Condition()
    machine.reader = threading.Thread()  # has ended
    machine.running = lambda: True
    machine.type = lambda typed: None
    return machine


@pytest.mark.parametrize("aside", ASIDES)
def test_asides(aside):
    """On a slow host they come in the middle of an echo, an answer, a prompt."""
    aside = f"perdure: {aside}\n"
    for at in range(SHOWN.index("cat"), len(SHOWN) + 1):
        machine = played(SHOWN[:at] + aside + SHOWN[at:])
        machine.wait(r"^perdure> ")
        assert machine.command("cat /demo/count") == "42\n", at
        assert machine.seen() == (aside if at == len(SHOWN) else "")
        # Whoever waits for it sees it.
        machine = played(SHOWN[:at] + aside + SHOWN[at:])
        assert machine.wait(re.escape(aside[:-1]))


@pytest.mark.parametrize("line", SAID)
def test_no_asides(line):
    line = f"perdure: {line}\n"
    assert without_asides(f"before\n{line}after\n") == f"before\n{line}after\n"

# SPDX-License-Identifier: MIT
"""test_driver.py - what drives the machines reads the same, whatever the kernel says meanwhile."""

import re
import threading

import pytest

from machine import Machine

ASIDES = [
    "perdure: unsaved since 12:00:00 UTC, generation 7: the disk does not answer; all runs on\n",
    "perdure: saved again: generation 8 is durable, nothing was lost\n",
    "perdure: the disk has not answered a flush for 5 s at PCI 00:01.0; it is waited for\n",
    "perdure: machine 30 waits for the page at address 0x1000: the disk; it is tried again\n",
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
    for at in range(SHOWN.index("cat"), len(SHOWN) + 1):
        machine = played(SHOWN[:at] + aside + SHOWN[at:])
        machine.wait(r"^perdure> ")
        assert machine.command("cat /demo/count") == "42\n", at
        assert machine.seen() == (aside if at == len(SHOWN) else "")
        # Whoever waits for it sees it.
        machine = played(SHOWN[:at] + aside + SHOWN[at:])
        assert machine.wait(re.escape(aside[:-1]))

# SPDX-License-Identifier: MIT
"""test_boot.py - every way to boot ends at the prompt; panics are readable."""

import os
import re
import subprocess

import pytest
from conftest import mkstore_json, set_menu, verify

from machine import Machine

MACHINES = ["shell", "counter", "primes", "exchange", "traffic"]


@pytest.mark.parametrize(
    "firmware, memory",
    [("bios", 32), ("bios", 512), ("bios", 8192), ("uefi", 64), ("uefi", 512), ("uefi", 8192)],
)
def test_boots_and_goes_on(image, firmware, memory):
    """With the menu as it is shipped, which waits for a second."""
    uefi = firmware == "uefi"
    set_menu(image, timeout=1)
    with Machine(image, memory=memory, uefi=uefi) as machine:
        first = machine.wait_prompt()
        assert first.reason == "fresh"
        listed = machine.command("ps")
        for name in MACHINES:
            assert name in listed
        # Nothing is wrong, and nobody says so; nor that there is no screen.
        assert "error" not in machine.text
        assert "hello world" in machine.command("echo hello world")
        machine.command("checkpoint")
    with Machine(image, memory=memory, uefi=uefi) as machine:
        second = machine.wait_prompt()
        assert second.reason == "power cut"
        assert second.generation > first.generation
        machine.command("checkpoint")
    verify(image)


def test_clean_stop_is_told(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.type("poweroff\r")
        machine.wait_off()
    assert mkstore_json("info", image)["stop"] == "clean"
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "clean"


def test_verbose_log(image):
    """The second entry of GRUB's menu says more on its way to the same prompt."""
    with Machine(image) as machine:
        machine.wait_prompt()
        quiet = machine.text
    # Time enough to choose on any host.  Ctrl-N goes down as the arrow does, in one byte.
    set_menu(image, timeout=60)
    with Machine(image) as machine:
        machine.wait("Resume with verbose log")
        machine.type("\x0e\r")
        machine.wait_prompt()
        verbose = machine.text
    # Where the disk was found is for those who ask.
    assert "PCI 00:" in verbose and "PCI 00:" not in quiet


def test_panic_is_readable(image):
    """A non-maskable interrupt stands for any fault in the kernel."""
    set_menu(image, "panic=halt")
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("checkpoint")
        machine.qmp("inject-nmi")
        machine.wait(r"panic")
        report = machine.wait(r"(?s).*?(halted|stopped)")[0]
        assert "rip" in report.lower()
        assert "rsp" in report.lower()
        # The call chain has names of functions.
        assert any(name in report for name in ("arch_", "kernel_", "loop_", "trap_")), report
        assert machine.running()
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "power cut"


def test_panic_reboots_when_told(image):
    set_menu(image, "panic=reboot")
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("checkpoint")
        machine.qmp("inject-nmi")
        machine.wait(r"panic")
        assert machine.wait_prompt().reason == "power cut"
    verify(image)

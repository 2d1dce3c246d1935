# SPDX-License-Identifier: MIT
"""test_stop.py - poweroff, reboot, restore and checkpoint happen once.

A command that stops the system is in the middle of being executed in the state
it leaves behind.  When that state is resumed it returns, and says that the
system is on again; it does not stop the system once more.
"""

import json
import random
import time

import pytest
from conftest import cat, live_generation, mkstore, mkstore_json, verify
from console import KERNEL, give_up, send_break, stall, until

from machine import Machine


def settled(machine):
    """The prompt stays: two more commands work and a second passes in the guest."""
    first = machine.command("uptime")
    machine.command("echo settled")
    assert machine.running()
    return first


def test_poweroff_returns_after_resume(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("echo kept > /notes/kept")
        machine.type("poweroff\r")
        machine.wait_off()
    assert mkstore_json("info", image)["stop"] == "clean"
    assert cat(image, "/notes/kept").strip() == "kept"
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "clean"
        settled(machine)
        machine.type("poweroff\r")
        machine.wait_off()
    verify(image)


def test_reboot_happens_once(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("echo kept > /notes/kept")
        machine.type("reboot\r")
        assert machine.wait_prompt().reason == "clean"
        settled(machine)
        assert "kept" in machine.command("cat /notes/kept")
        assert machine.text.count("resumed in") == 2
    verify(image)


def test_restore_happens_once(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("snapshot here")
        machine.command("echo gone > /notes/gone")
        machine.type("restore here\r")
        machine.wait_prompt()
        settled(machine)
        assert machine.text.count("resumed in") == 2
        machine.command("checkpoint")
    with Machine(image) as machine:
        machine.wait_prompt()
        settled(machine)
        assert machine.text.count("resumed in") == 1
        assert "gone" not in machine.command("ls /notes")
    verify(image)


def test_checkpoint_returns_once_live_and_after_resume(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("checkpoint")
        machine.command("checkpoint")
    with Machine(image) as machine:
        machine.wait_prompt()
        settled(machine)


@pytest.mark.parametrize("command", ["poweroff", "reboot", "checkpoint"])
def test_cut_inside(image, command):
    """Cut at moments inside the command: one of the two sound states, and no more stops."""
    random_source = random.Random(command)
    for attempt in range(6):
        with Machine(image) as machine:
            machine.wait_prompt()
            machine.command(f"echo attempt {attempt} > /notes/attempt")
            machine.command("checkpoint")
            start = time.monotonic()
            machine.type(command + "\r")
            until = start + random_source.uniform(0, 0.4)
            while time.monotonic() < until and machine.running():
                time.sleep(0.0005)
            machine.cut()
        verify(image)
        assert cat(image, "/notes/attempt").strip() == f"attempt {attempt}"
        assert mkstore_json("info", image)["stop"] in ("clean", "power cut")
    with Machine(image) as machine:
        machine.wait_prompt()
        settled(machine)
        assert machine.text.count("resumed in") == 1


def test_button_is_a_power_cut_like_any_other(image):
    """A reset by the host's button: nothing is lost but the last interval."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("echo before reset > /notes/reset")
        machine.command("checkpoint")
        machine.qmp("system_reset")
        assert machine.wait_prompt().reason == "power cut"
        assert "before reset" in machine.command("cat /notes/reset")
    verify(image)


def test_poweroff_given_up(image):
    """What becomes durable all the same does not say for long that the system was stopped."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("interval 1h")
        machine.command("checkpoint")
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        said = ""
        # It may be that something else had to be waited for first: then it is not begun.
        while "may still be done" not in said:
            before = live_generation(image)
            stall(machine)
            said = give_up(machine, "poweroff")
            stall(machine, False)

        def goes_on_by_itself():
            result = mkstore("info", "--json", "--live", image, code=None)
            said = json.loads(result.stdout) if result.returncode == 0 else {}
            return said.get("generation", 0) > before and said["stop"] == "power cut"

        until(goes_on_by_itself)
        assert machine.running()
    verify(image)
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "power cut"

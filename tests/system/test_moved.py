# SPDX-License-Identifier: MIT
"""test_moved.py - the host stops the machine, sets it back, or starts a copy: the date is
right again, and programs are told."""

import calendar
import re
import subprocess
import time

import pytest
from conftest import verify

from machine import LIMIT_S, Machine

MOVED = "stood still or set back by the host"
COPY = "a copy or an earlier state by the host"
GENERATION = ["-device", "vmgenid,guid=auto"]
BEHIND_S = 4  # more than the kernel takes for two clocks that differ


@pytest.fixture
def snapshots(image):
    """A disk whose states the host can keep: arguments for a machine without one."""
    path = image + ".qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", image, path], check=True)
    yield ["-drive", f"if=none,id=disk,format=qcow2,file={path}",
           "-device", "virtio-blk-pci,drive=disk,disable-legacy=on"]
    subprocess.run(["qemu-img", "convert", "-O", "raw", path, image], check=True)
    verify(image)
    subprocess.run(["rm", path], check=True)


def date(machine):
    """Seconds since 1970, as the system has them."""
    # The shell may have begun anew meanwhile: what a busy host delays is told later.
    for _ in range(3):
        said = machine.command("date")
        parts = re.search(r"(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)", said)
        if parts:
            break
    assert parts, said
    return calendar.timegm(tuple(map(int, parts.groups())) + (0, 0, 0))


def date_is_right(machine):
    """The command was executed between these two."""
    before = time.time()
    inside = date(machine)
    return before - 2 <= inside <= time.time() + 2


def wait_behind(machine, since):
    """Until the host's clock is far enough ahead of what the machine will remember."""
    while date(machine) < since + BEHIND_S:
        pass


def wait_told(machine, reason):
    machine.wait(rf"\[resumed: generation \d+, {reason}\]", LIMIT_S)
    machine.wait("^perdure> ")
    assert reason in machine.command("uptime")
    assert "wall time ran on by" in machine.command("log -k")
    # A look at the clock for which a busy host leaves no time is had again within a second.
    deadline = time.monotonic() + LIMIT_S
    while not date_is_right(machine):
        assert time.monotonic() < deadline


def monitor(machine, line):
    answer = machine.qmp("human-monitor-command", **{"command-line": line})
    assert not answer, answer


def test_set_back(snapshots, image):
    """An earlier state in the same QEMU: no generation is told, the clock tells."""
    with Machine(image, drive=False, disk=snapshots, arguments=GENERATION) as machine:
        machine.wait_prompt()
        monitor(machine, "savevm early")
        wait_behind(machine, time.time())
        machine.command("echo late > /notes/late")
        monitor(machine, "loadvm early")
        wait_told(machine, MOVED)
        assert "late" not in machine.command("ls /notes")
        # Once: the clocks agree from then on.
        uptime = machine.command("uptime")
        wait_behind(machine, time.time())
        assert machine.command("uptime").split("(")[1] == uptime.split("(")[1]
        assert machine.command("log -k").count("wall time ran on by") == 1


@pytest.mark.parametrize("generation", [True, False])
def test_copy(snapshots, image, generation):
    """A state goes on in another QEMU: its host says so, or only the clock does."""
    arguments = GENERATION if generation else []
    with Machine(image, drive=False, disk=snapshots, arguments=arguments) as machine:
        machine.wait_prompt()
        monitor(machine, "savevm early")
        wait_behind(machine, time.time())
    with Machine(image, drive=False, disk=snapshots, arguments=[*arguments, "-loadvm", "early"]) as machine:
        wait_told(machine, COPY if generation else MOVED)
        machine.command("checkpoint")


def test_stopped_for_a_while(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.qmp("stop")
        stopped = time.time()
        while time.time() < stopped + BEHIND_S:
            time.sleep(0.1)
        machine.qmp("cont")
        wait_told(machine, MOVED)
        machine.command("checkpoint")
    verify(image)

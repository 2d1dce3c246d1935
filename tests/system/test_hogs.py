# SPDX-License-Identifier: MIT
"""test_hogs.py - programs that use up what others need: nobody stands still for them."""

import re
import struct
import subprocess
import time

import pytest

from console import page_of, power_off
from conftest import mkstore, program_command, verify, wait_for
from machine import Machine

MEMORY_MIB = 32  # so much has 128 tasks
MACHINES = 140
LIMIT_S = 900
SYSTEM_PAGE = 0x100000


@pytest.fixture
def hog(image, tmp_path):
    """An image with the program on it."""
    subprocess.run(program_command("tests/system/hog.c", tmp_path / "hog"), check=True)
    mkstore("put", image, tmp_path / "hog", "/bin/hog")
    return image


def runs(machine, name, priority):
    """A program of this priority, started now, runs and goes on running."""
    machine.command(f"run -n {name} -p {priority} hog turn")
    for _ in range(2):
        before = len(re.findall(f"{name}: it runs", machine.command("log 200")))
        deadline = time.monotonic() + LIMIT_S
        while len(re.findall(f"{name}: it runs", machine.command("log 200"))) == before:
            assert time.monotonic() < deadline, machine.command("ps")
            time.sleep(0.2)
    machine.command(f"kill {name}")


@pytest.mark.parametrize("what, priority", [("spin", 0), ("call", 6), ("spin", 4)])
def test_tasks(hog, what, priority):
    """More machines than tasks, that never end: others run beside them, also after a power
    cut, and those of their own priority take turns with them (at 0 it is never their turn,
    for a demo program computes at 2)."""
    def others_run(machine):
        runs(machine, "above", 7)
        if priority:
            runs(machine, "beside", priority)
        if what == "call":
            runs(machine, "below", 3)

    with Machine(hog, memory=MEMORY_MIB) as machine:
        machine.wait_prompt()
        machine.command(f"run -m 64M -n farm -p 7 hog {what} {MACHINES} {priority}")
        wait_for(machine, "log 50", "farm: made", LIMIT_S)
        others_run(machine)
        machine.command("checkpoint")
    with Machine(hog, memory=MEMORY_MIB) as machine:
        machine.wait_prompt()
        others_run(machine)
        power_off(machine)
    verify(hog)


def test_who_waits_costs_others_nothing(hog):
    """A message costs the same, however many wait for room in another port, and so does the first
    write of a page, however many machines there are."""
    pattern = r".* wait (\d+) ns, a first write (\d+) ns, .* read (\d+) ns, .* table (\d+) ns"
    with Machine(hog, arguments=["-icount", "shift=0,sleep=off"]) as machine:
        machine.wait_prompt()
        machine.command("interval 0")
        machine.command("run -m 128M -n few -p 7 hog measure 3")
        few = wait_for(machine, "log 50", f"few: {pattern}", LIMIT_S)
        machine.command("run -m 128M -n many -p 7 hog measure 300")
        many = wait_for(machine, "log 50", f"many: {pattern}", LIMIT_S)
        print(f"beside 3: {few.groups()}, beside 300: {many.groups()} instructions")
        for i in 1, 2, 3:
            assert int(many[i]) < 2 * int(few[i])


def arenas(image):
    """Up to where addresses were ever handed out."""
    return struct.unpack_from("<QQ", page_of(image, SYSTEM_PAGE), 32)


def test_lives(hog):
    """However many objects there were, and of what size: when they are gone there is room for
    any other, and addresses are used again."""
    def lives(count):
        with Machine(hog) as machine:
            machine.wait_prompt()
            machine.command(f"run -a 125T -n farm{count} hog lives {count}")
            found = wait_for(machine, "log 50", rf"(?s)(farm{count}: \d+ segments.*)farm{count}: they lived", LIMIT_S)
            runs(machine, "next", 5)
            power_off(machine)
        verify(hog)
        return re.findall(r"(\d+) segments of 2\^(\d+)", found[1])

    few = lives(1)
    assert few == [("62", "41"), ("30", "42"), ("14", "43"), ("6", "44"), ("2", "45")]
    before = arenas(hog)
    assert lives(2000) == few
    kernel, user = arenas(hog)
    assert user == before[1]
    assert kernel - before[0] < 2000  # of 64 pages each; a few lived at a time


def test_what_holds_much_ends_at_once(hog):
    """Who destroys something pays the same, however much it holds."""
    with Machine(hog, arguments=["-icount", "shift=0,sleep=off"]) as machine:
        machine.wait_prompt()
        machine.command("interval 0")
        machine.command("run -m 128M -n ends -p 7 hog measure 3")
        wait_for(machine, "log 50", r"ends: a message beside", LIMIT_S)
        said = machine.command("log 50")
    ends = re.findall(r"the end of a (\w+) \D*\d+\D* (\d+) ns, \D*\d+ (\d+) ns", said)
    print(ends)
    assert [what for what, _, _ in ends] == ["machine", "queue"]
    assert all(int(many) < 2 * int(few) for _, few, many in ends)


def test_told(hog):
    """However many want to be told of a resume, each is, once."""
    with Machine(hog) as machine:
        machine.wait_prompt()
        machine.command("run -n crowd hog told 200")
        wait_for(machine, "log 50", "crowd: made", LIMIT_S)
        machine.command("checkpoint")
    for _ in range(2):
        with Machine(hog) as machine:
            machine.wait_prompt()
            generation = re.search(r"generation (\d+) resumed", machine.text)[1]
            wait_for(machine, "log 50", f"crowd: told 200 times of {generation}", LIMIT_S)
            machine.command("checkpoint")
            assert "told 201 times" not in machine.command("log 50")
    verify(hog)

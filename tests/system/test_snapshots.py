# SPDX-License-Identifier: MIT
"""test_snapshots.py - snapshot, work, restore, delete; with a power cut in every gap.

A cut can be right after an operation was answered or at a moment inside it.
Afterwards the store is whole and the state is one of the two: before the
operation or after it.
"""

import random
import re
import time

import pytest
from conftest import cat, demo, demos_are_exact, mkstore, mkstore_json, named_numbers, verify

from machine import Machine


def names(image):
    """Of the snapshots in the image that are not being deleted."""
    snapshots = mkstore_json("snapshots", image)["snapshots"]
    return [entry["name"] for entry in snapshots if entry["name"] and not entry["dying"]]


def used_sectors(image):
    return mkstore_json("info", image)["used_sectors"]


def restore(machine, name):
    """Types restore; the whole system goes on from the snapshot, the shell included."""
    machine.type(f"restore {name}\r")
    return machine.wait_prompt()


def text(machine, path="/notes/text"):
    return machine.command(f"cat {path}").strip()


def test_work_restore_work_restore_delete(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("echo first > /notes/text")
        count = demo(machine, "count")
        machine.command("snapshot one")
        machine.command("echo second > /notes/text")
        machine.command("echo more > /notes/more")
        assert text(machine) == "second"
        restore(machine, "one")
        assert text(machine) == "first"
        assert "more" not in machine.command("ls /notes")
        # The counter goes on from what it was then.
        assert demo(machine, "count") >= count
        machine.command("echo third > /notes/text")
        machine.command("snapshot two")
        restore(machine, "one")
        assert text(machine) == "first"
        restore(machine, "two")
        assert text(machine) == "third"
        listed = machine.command("snapshots")
        assert "one" in listed and "two" in listed
        demos_are_exact(machine)
        machine.command("checkpoint")
    verify(image)
    for name in names(image):
        mkstore("delete", image, name)
    verify(image)
    assert names(image) == []
    with Machine(image) as machine:
        machine.wait_prompt()
        assert text(machine) == "third"


def test_deleting_all_gives_everything_back(image):
    """What was in use before the snapshots is in use after them, to the sector."""
    mkstore("verify", image)
    before = used_sectors(image)
    for name in ("a", "b", "c"):
        mkstore("snapshot", image, name)
        mkstore("put", image, "LICENSE", f"/notes/{name}")
    mkstore("restore", image, "b")
    mkstore("rm", image, "/notes/a")
    for name in names(image):
        mkstore("delete", image, name)
    verify(image)
    assert names(image) == []
    # The live state is snapshot b's, which had /notes/a: removed above.
    assert abs(used_sectors(image) - before) <= 64


OPERATIONS = {
    "snapshot": "snapshot extra",
    "restore": "restore base",
    "delete": "delete old",
}


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_cut_inside(image, operation):
    """Cuts spread over the time that the operation takes, and one right after it."""
    with Machine(image) as machine:
        machine.wait_prompt()
        demos_are_exact(machine)
        machine.command("echo at base > /notes/text")
        machine.command("snapshot base")
        machine.command("cp /bin/shell /notes/shell")
        machine.command("snapshot old")
        machine.command("echo later > /notes/text")
        machine.command("checkpoint")
    random_source = random.Random(operation)
    seen = set()
    for attempt in range(8):
        with Machine(image) as machine:
            machine.wait_prompt()
            if operation == "snapshot" and "extra" in machine.command("snapshots"):
                machine.command("delete extra")
            if operation == "delete" and "old" not in machine.command("snapshots"):
                machine.command("snapshot old")
            if operation == "restore":
                machine.command("echo later > /notes/text")
                machine.command("checkpoint")
            until = time.monotonic() + random_source.uniform(0, 0.25)
            machine.type(OPERATIONS[operation] + "\r")
            if attempt == 7:
                machine.wait(r"^perdure> ")
            while time.monotonic() < until:
                time.sleep(0.0005)
            machine.cut()
        verify(image)
        found = names(image)
        value = cat(image, "/notes/text").strip()
        if operation == "snapshot":
            state = "extra" in found
            assert value == "later"
        elif operation == "delete":
            state = "old" not in found
            assert value == "later"
        else:
            state = value == "at base"
            assert value in ("at base", "later")
            assert "base" in found
        seen.add(state)
        assert named_numbers(cat(image, "/demo/exchange"))["lost"] == 0
    # The last one was answered before the power went.
    assert state is True
    with Machine(image) as machine:
        machine.wait_prompt()
        demos_are_exact(machine)


def test_restore_keeps_what_it_replaces(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("snapshot base")
        machine.command("echo precious > /notes/precious")
        restore(machine, "base")
        assert "precious" not in machine.command("ls /notes")
        listed = machine.command("snapshots")
        kept = [word for word in re.findall(r"\S+", listed) if "restore" in word or "before" in word]
        assert kept, listed
        restore(machine, kept[0])
        assert text(machine, "/notes/precious") == "precious"


def test_snapshots_wrongly_asked_for(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("snapshot one")
        assert "there is one with this name" in machine.command("snapshot one")
        for command in ("restore", "delete"):
            assert "Did you mean `one`" in machine.command(f"{command} onne")
            assert f"usage: {command} SNAPSHOT" in machine.command(command)

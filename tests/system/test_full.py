# SPDX-License-Identifier: MIT
"""test_full.py - a store that is full, a bank that is used up: a person gets out of it."""

import os
import re
import time

import pytest

from console import damaged_file
from conftest import cat, copy_sparse, make_image, mkstore, mkstore_json, verify
from machine import Machine

LOOK = ("ps", "log", "log -k", "snapshots", "store")
LIMIT_S = 900  # what takes so long never ends


@pytest.fixture(name="manifest", scope="module")
def fixture_manifest(tmp_path_factory):
    """The system with a program in it that uses up everything."""
    path = tmp_path_factory.mktemp("full") / "manifest"
    with open("disk/system.manifest", encoding="utf-8") as file:
        path.write_text(file.read() + "\nprogram /bin/fill fill.elf\n", encoding="utf-8")
    return str(path)


def machine_numbers(machine, name):
    rows = [row.split() for row in machine.command("ps").splitlines()]
    return [row[0] for row in rows if len(row) > 1 and row[1] == name]


def look(machine, commands=LOOK):
    """All that shows something does."""
    for command in commands:
        said = machine.command(command)
        assert said.strip() or command == "log", command
        # A program that found no room may have said so in the log.
        assert "given up" not in said and (command == "log" or "cannot" not in said), (command, said)


def rounds(machine):
    """How often the program has written all its memory, by the log."""
    return [int(n) for n in re.findall(r"filled (\d+) times", machine.command("log 1000"))]


def generation(machine):
    return int(re.search(r"generation\s+(\d+) durable", machine.command("store"))[1])


def until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def use_up(machine):
    """Snapshots keep what a program writes again and again, until nothing new finds room,
    and longer; whoever looks on can, all the time."""
    names = []
    assert "started" in machine.command("run -m 13M fill 12")
    machine.command("retention off")
    until(lambda: rounds(machine))

    def refused():
        if machine.command("echo hi > /notes/x").strip():
            return True
        said = machine.command(f"snapshot s{len(names)}")
        assert "given up" not in said
        if "the store is full" not in said:
            names.append(f"s{len(names)}")
        look(machine)
        return False

    until(refused)
    assert names
    # Soon nobody but the shell goes on: what it dirties is all that is committed.
    for i in range(15):
        before = generation(machine)
        assert "given up" not in (said := machine.command(f"snapshot more{i}"))
        if "the store is full" not in said:
            names.append(f"more{i}")
        look(machine)
        until(lambda: generation(machine) > before)  # pylint: disable=cell-var-from-loop
    return names


def get_out(machine, names, commands=LOOK):
    """Ends the program, deletes the snapshots, and then there is room again."""
    for number in machine_numbers(machine, "fill"):
        assert "destroyed" in machine.command(f"kill {number}")
    look(machine, commands)
    for name in names:
        assert "given up" not in machine.command(f"delete {name}")
        look(machine, commands)

    def writes():
        machine.command("echo room > /notes/x")
        return machine.command("cat /notes/x").strip() == "room"

    until(writes)


@pytest.mark.parametrize("how", ("on", "cut", "poweroff"))
def test_a_full_store(tmp_path, manifest, how):
    """Every command that gives room back works, also after a power cut and a clean stop."""
    image = tmp_path / "disk.img"
    make_image(image, "64M", manifest=manifest)
    with Machine(image) as machine:
        machine.wait_prompt()
        names = use_up(machine)
        if how == "on":
            get_out(machine, names)
        if how != "cut":
            machine.type("poweroff\r")
            machine.wait_off(LIMIT_S)
    verify(image)
    with Machine(image) as machine:
        machine.wait_prompt()
        look(machine)
        if how != "on":
            get_out(machine, names)
        machine.type("poweroff\r")
        machine.wait_off(LIMIT_S)
    verify(image)
    assert cat(image, "/notes/x") == "room\n"


def test_a_fault_on_a_full_store(tmp_path, manifest):
    """In the system's first life: the shell's guard runs when others do not, and finds room for
    what it writes."""
    image = tmp_path / "disk.img"
    make_image(image, "64M", manifest=manifest)
    damaged_file(image, tmp_path, "/notes/damaged")
    with Machine(image) as machine:
        machine.wait_prompt()
        names = use_up(machine)
        for _ in range(20):
            assert "given up" in machine.command("cat /notes/damaged")
        get_out(machine, names, ("ps", "snapshots", "store"))


def test_a_bank_that_is_used_up(tmp_path, manifest):
    """One program has taken all: the others log, look and kill all the same."""
    image = tmp_path / "disk.img"
    make_image(image, "64M", manifest=manifest)
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("stop primes")
        machine.command("banks")  # the shell has grown to what it needs
        own = machine.command("banks").splitlines()[1].split()
        # All but the page of the bank itself.
        left = (int(own[2]) - int(own[1]) - 1) * 4
        assert "started" in machine.command(f"run -m {left}K fill")
        until(lambda: rounds(machine))
        assert "allowance" in machine.command("run hello")
        assert "allowance" in machine.command("echo more > /notes/x")
        look(machine)
        get_out(machine, [])


def noise(path, count):
    with open(path, "wb") as file:
        file.write(os.urandom(count))
    return path


def nearly_fill(image, tmp_path, left):
    """An object of noise leaves room for so many pages, or a few less."""
    mkstore("retention", image, "off")
    info = mkstore_json("info", image)
    pages = min(info["free_blocks"] - info["reserve_blocks"],
                info["objects"]["limit_pages"] - info["objects"]["charged_pages"]) - left
    # What maps and commits take is not known beforehand: as much of it as fits.
    while mkstore("put", image, noise(tmp_path / "noise", pages * 4096), "/noise", code=None).returncode:
        mkstore("rm", image, "/noise", code=None)
        pages -= 64
    return pages


# Each leaves a store that is booted; the last one is what it was made for.
OFFLINE = {
    "restore": ("restore", "first"),
    "snapshot": ("snapshot", "second"),
    "delete": ("delete", "first"),
    "rename": ("rename", "first", "other"),
    "retention": ("retention", "10s,5m,10%"),
    "rm": ("rm", "/noise"),
    "grow": ("grow", "96M"),
    "identity": ("identity",),
}


@pytest.mark.parametrize("operation, size, left", (
    ("restore", "64M", 0), ("restore", "64M", 100), ("restore", "64M", 600), ("restore", "1G", 12800),
    ("snapshot", "64M", 0), ("delete", "64M", 0), ("rename", "64M", 0), ("retention", "64M", 0),
    ("rm", "64M", 0), ("grow", "64M", 0), ("identity", "64M", 0)))
def test_offline_on_a_nearly_full_store(tmp_path, operation, size, left):
    """A resume needs no more than what came before it has set aside."""
    image = tmp_path / "disk.img"
    make_image(image, size)
    mkstore("snapshot", image, "first")
    nearly_fill(image, tmp_path, left)
    name, *words = OFFLINE[operation]
    done = mkstore(name, image, *words, code=None)
    assert done.returncode == 0 or "the store is full" in done.stderr
    with Machine(image) as machine:
        machine.wait_prompt()
        look(machine)
        machine.type("poweroff\r")
        machine.wait_off(LIMIT_S)
    verify(image)


def fill(image, tmp_path, left):
    """A store that is full, not only its bank: half of it is held by a snapshot, objects of
    noise fill the rest, but for `left` pages."""
    pages = tmp_path / "pages"
    pages.mkdir()
    for number in range(24):
        noise(pages / str(number), 4000)
    mkstore("put", image, pages, "/pages")
    mkstore("retention", image, "off")
    info = mkstore_json("info", image)
    size = (info["free_blocks"] - info["reserve_blocks"]) * 9 // 20
    mkstore("put", image, noise(tmp_path / "noise", size * 4096), "/noise")
    mkstore("snapshot", image, "hold")
    mkstore("rm", image, "/noise")
    mkstore("put", image, pages, "/room")  # pages that no snapshot holds
    number = 0
    while size:
        done = mkstore("put", image, noise(tmp_path / "noise", size * 4096), f"/noise{number}", code=None)
        if done.returncode:
            assert "the store is full" in done.stderr
            mkstore("rm", image, f"/noise{number}", code=None)
            size //= 2
        number += 1
    for number in range(left):
        mkstore("rm", image, f"/pages/{number}")


# What puts new pages, or other ones, into a full store.
INTO = {
    "put": ("put", "PAGE", "/new"),
    "again": ("put", "--force", "PAGE", "/pages/23"),
    "folder": ("put", "FOLDER", "/folder"),
    "mkdir": ("mkdir", "/directory"),
    "mv": ("mv", "/pages/22", "/moved"),
    "receive": ("receive", "STREAM"),
    "restore": ("restore", "first"),
    "snapshot": ("snapshot", "third"),
}


def test_into_a_full_store(tmp_path):
    """Done, or refused with nothing changed; the system starts for the first time and shows
    everything, whatever was done to it."""
    image, copy = tmp_path / "full.img", tmp_path / "copy.img"
    make_image(image, "64M")
    mkstore("snapshot", image, "first")
    copy_sparse(image, copy)
    mkstore("put", copy, noise(tmp_path / "more", 300000), "/more")
    mkstore("snapshot", copy, "second")
    words = {"STREAM": tmp_path / "stream", "PAGE": noise(tmp_path / "page", 4000), "FOLDER": tmp_path / "folder"}
    mkstore("send", copy, "-i", "first", "second", words["STREAM"])
    words["FOLDER"].mkdir()
    for number in range(20):
        noise(words["FOLDER"] / str(number), 3000)
    fill(image, tmp_path, 0)
    done = []
    for left, name in enumerate(INTO):
        if left:
            mkstore("rm", image, f"/room/{left}")
        for other in INTO:
            copy_sparse(image, copy)
            command = [words.get(word, word) for word in INTO[other]]
            result = mkstore(command[0], copy, *command[1:], code=None)
            if result.returncode:
                assert "is full" in result.stderr or "is free" in result.stderr, result.stderr
                assert mkstore_json("info", copy)["generation"] >= mkstore_json("info", image)["generation"]
            else:
                done.append(other)
            verify(copy)
            # Each once, at another count: the rest differs in this only.
            if other == name:
                with Machine(copy) as machine:
                    machine.wait_prompt()
                    look(machine)
                    machine.type("poweroff\r")
                    machine.wait_off(LIMIT_S)
                verify(copy)
    assert {"put", "again", "mkdir", "mv"} <= set(done)

# SPDX-License-Identifier: MIT
"""test_weights.py - among machines of one priority each bank has a part of the processor as large
as its weight, however many machines it has."""

import os
import pathlib
import re
import struct
import subprocess
import time

import pytest

from console import page_of, power_off
from conftest import MKSTORE, WORK, compiled, make_image, mkstore_json, program_command, verify, wait_for
from machine import Machine

LIMIT_S = 900
ENOUGH_S = 8  # of the processor: hundreds of turns
TOLERANCE = 0.15  # of a part: each turn is counted, but some begin and end between two samples
SYSTEM_PAGE = 0x100000
FOLDERS = ("base", "tools/mkstore", "tools/verify", "store", "objects", "drivers", "kernel")


def put_hog(image, tmp_path, tool=MKSTORE):
    subprocess.run(program_command("tests/system/hog.c", tmp_path / "hog"), check=True)
    subprocess.run([tool, "put", image, tmp_path / "hog", "/bin/hog"], check=True)
    return image


@pytest.fixture(name="hog")
def hog_image(image, tmp_path):
    """An image with the program on it."""
    return put_hog(image, tmp_path)


@pytest.fixture(name="older")
def older_image(tmp_path):
    """The same from before there were weights."""
    sources = ["objects/format.c", "objects/create.c"]
    program = os.path.join(WORK, f"weightless-mkstore-{os.getpid()}")
    image = program + ".img"
    os.makedirs(WORK, exist_ok=True)
    changed = []
    for path in sources:
        source = pathlib.Path(path).read_text(encoding="utf-8")
        assert source.count("version = SYSTEM_VERSION;") == 1
        source = source.replace("version = SYSTEM_VERSION;", "version = SYSTEM_VERSION_BANKS;")
        source = source.replace("account->weight = SHARE_ALL;", "")
        changed.append(tmp_path / path.replace("/", "-"))
        changed[-1].write_text(source, encoding="utf-8")
    # Nor did directories count their pages.
    source = pathlib.Path("objects/directory.c").read_text(encoding="utf-8")
    counts = "system->version >= SYSTEM_VERSION_MAP"
    assert source.count(counts) == 1
    changed.append(tmp_path / "objects-directory.c")
    changed[-1].write_text(source.replace(counts, "false"), encoding="utf-8")
    sources.append("objects/directory.c")
    objects = compiled("host", *FOLDERS, without=sources)
    subprocess.run(["gcc", "-std=gnu11", "-I.", *map(str, changed), *objects, "-llz4", "-o", program], check=True)
    make_image(image, "1G", "--mkstore", program)
    yield put_hog(image, tmp_path, program)
    for path in (image, program):
        os.unlink(path)


def processor(machine):
    """Seconds that each of the hogs has had."""
    rows = [row.split() for row in machine.command("ps").splitlines()]
    assert rows[0][:6] == ["NUMBER", "NAME", "STATUS", "STATE", "PRIO", "CPU"], rows
    return {int(row[0]): float(row[5]) for row in rows[1:] if row[1] == "hogs"}


def farm(machine, name, count, options=""):
    """So many machines that never wait, of a bank of their own: their numbers."""
    before = set(processor(machine))
    machine.command(f"run -m 64M -n {name} -p 7 {options} hog spin {count} 5")
    wait_for(machine, "log 50", f"{name}: made", LIMIT_S)
    made = set(processor(machine)) - before
    assert len(made) == count
    return made


def parts(machine, *farms):
    """Of what the farms have from now on, the part of each."""
    before = processor(machine)
    deadline = time.monotonic() + LIMIT_S
    while True:
        now = processor(machine)
        had = [sum(now[number] - before[number] for number in made) for made in farms]
        if sum(had) > ENOUGH_S:
            return [each / sum(had) for each in had]
        assert time.monotonic() < deadline, had
        time.sleep(1)


def near(found, *wanted):
    assert len(found) == len(wanted)
    for part, weight in zip(found, wanted):
        assert part == pytest.approx(weight / sum(wanted), rel=TOLERANCE), (found, wanted)


def weights(machine):
    """By the name of the first machine of each bank."""
    rows = re.findall(r"^ *\d+(?: +\d+){5} +(\d+)\s+\d+ (\w+)", machine.command("banks"), re.M)
    return {name: int(weight) for weight, name in rows}


def test_weights(hog):
    """Twenty machines of one bank have as much as one of another of the same weight; and three
    times as much, or a third of that, when it is said so, also after a power cut."""
    with Machine(hog) as machine:
        machine.wait_prompt()
        many, one = farm(machine, "many", 20), farm(machine, "one", 1)
        assert weights(machine)["many"] == weights(machine)["one"] == 100
        found = parts(machine, many, one)
        print(found)
        near(found, 100, 100)
        machine.command("weight many 300")
        found = parts(machine, many, one)
        print(found)
        near(found, 300, 100)
        machine.command("weight many 50")
        third = farm(machine, "third", 2, "-w 150")
        machine.command("checkpoint")
    with Machine(hog) as machine:
        machine.wait_prompt()
        assert [weights(machine)[name] for name in ("many", "one", "third")] == [50, 100, 150]
        found = parts(machine, many, one, third)
        print(found)
        near(found, 50, 100, 150)
        # Nobody has more than there is.
        said = machine.command(f"weight many {(1 << 20) - 1}")
        assert "has not so much left" in said
        assert "a weight is 0 (none of its own) to 1048575" in machine.command("weight many 2M")
        assert "no bank of its own" in machine.command("weight counter 5")
        said = machine.command(f"run -w {(1 << 20) - 1} hello")
        assert "and a weight of 1048575 (-w), is beyond the allowance" in said
        for name in "many", "one", "third":
            machine.command(f"kill {name}")
        power_off(machine)
    verify(hog)
    first = mkstore_json("banks", hog)["banks"][0]
    assert first["weight"] == 1 << 20


def test_older(older):
    """Where there were no weights all banks have one part together, until one is given its own."""
    assert struct.unpack_from("<I", page_of(older, SYSTEM_PAGE), 8) == (3,)
    verify(older)
    with Machine(older) as machine:
        machine.wait_prompt()
        many = farm(machine, "many", 3, "-w 0")
        other = farm(machine, "other", 1, "-w 0")
        near(parts(machine, many, other), 3, 1)
        machine.command("weight many 100")
        found = parts(machine, many, other)
        print(found)
        near(found, 1, 1)
        power_off(machine)
    assert struct.unpack_from("<I", page_of(older, SYSTEM_PAGE), 8) == (5,)
    verify(older)

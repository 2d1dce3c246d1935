# SPDX-License-Identifier: MIT
"""test_convert.py - systems of the oldest formats: used as they are, converted, booted again.

A mkstore that makes such stores is built from this tree's: all that it lacks is the line
for each feature in `create`.
"""

import os
import pathlib
import re
import struct
import subprocess

import pytest
from console import page_of
from conftest import WORK, cat, compiled, make_image, mkstore, mkstore_json, verify

from machine import Machine

SYSTEM_PAGE = 0x100000
# What the first creation makes of an older space.
HEADER = pathlib.Path("disk/object.h").read_text(encoding="utf-8")
VERSION = int(re.search(r"SYSTEM_VERSION\s+(\d+)u", HEADER)[1])
FEATURES = {"incompatible_added": 3, "read_only_added": 1}
FOLDERS = ("base", "tools/mkstore", "tools/verify", "store", "objects", "drivers", "kernel")


@pytest.fixture(name="older")
def older_image():
    """An image whose store has no feature."""
    create = pathlib.Path("tools/mkstore/create.c")
    source, count = re.subn(
        r"(create->format\.(?:deltas|columns|counted)) = true;",
        r"\1 = false;",
        create.read_text(encoding="utf-8"),
    )
    assert count == 3
    os.makedirs(WORK, exist_ok=True)
    program = os.path.join(WORK, f"older-mkstore-{os.getpid()}")
    image = program + ".img"
    changed = pathlib.Path(program + ".c")
    changed.write_text(source, encoding="utf-8")
    objects = compiled("host", *FOLDERS, without=[str(create)])
    command = ["gcc", "-std=gnu11", "-I.", str(changed), *objects]
    subprocess.run([*command, "-llz4", "-o", program], check=True)
    make_image(image, "64M", "--mkstore", program)
    yield image
    for path in (image, program, changed):
        os.unlink(path)


@pytest.fixture(name="rested")
def rested_image(image):
    """An image without a map of ranges: whatever is free is at rest."""
    program = os.path.join(WORK, f"rested-{os.getpid()}")
    objects = compiled("host", *FOLDERS, without=["tools/mkstore/main.c"])
    command = ["gcc", "-std=gnu11", "-I.", "-w", "tests/system/rested.c", *objects]
    subprocess.run([*command, "-llz4", "-o", program], check=True)
    subprocess.run([program, image], check=True)
    os.unlink(program)
    return image


def ranges(image):
    """The version of the objects, and whether something is at rest."""
    system = page_of(image, SYSTEM_PAGE)
    version, = struct.unpack_from("<I", system, 8)
    rest, = struct.unpack_from("<Q", system, 48)
    return version, rest > 0


def features(image):
    fields = mkstore_json("dump", image, "superblock")
    return [fields[f"features_{kind}"] for kind in ("incompatible", "read_only")]


def session(image, word, reason):
    """Boots, leaves a file, is switched off."""
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == reason
        machine.command(f"echo {word} > /notes/{word}")
        machine.command("checkpoint")
        machine.type("poweroff\r")
        machine.wait_off()
    verify(image)


def test_older_system(older):
    """It runs and stays as it is; converted, it has all, and resumes where it was."""
    before = features(older)
    session(older, "first", "fresh")
    assert features(older) == before
    with Machine(older) as machine:
        assert machine.wait_prompt().reason == "clean"
        machine.command("echo x > /notes/x")
        machine.command("checkpoint")
    verify(older)
    # What was cut off has to be stopped by a program that knows it.
    said = mkstore("convert", older, code=1).stderr
    assert "cut off" in said and "poweroff" in said and features(older) == before
    session(older, "second", "power cut")
    added = mkstore_json("convert", older)
    assert {name: added[name] for name in FEATURES} == FEATURES
    assert features(older) != before
    verify(older)
    assert mkstore_json("info", older)["stop"] == "clean"
    session(older, "third", "clean")
    for word in ("first", "second", "third"):
        assert cat(older, f"/notes/{word}").strip() == word
    # Nothing is left to do.
    added = mkstore_json("convert", older)
    assert added["incompatible_added"] == added["read_only_added"] == 0
    session(older, "fourth", "clean")


def test_without_map_of_ranges(rested):
    """What is made waits for the ranges that are at rest, and all of them come back."""
    verify(rested)
    assert ranges(rested) == (1, True)
    session(rested, "first", "fresh")
    assert ranges(rested) == (VERSION, False)
    assert cat(rested, "/notes/first").strip() == "first"


def test_put_without_map_of_ranges(rested):
    mkstore("mkdir", rested, "/made")
    mkstore("put", rested, "README.md", "/made/readme")
    verify(rested)
    assert ranges(rested) == (VERSION, False)
    session(rested, "first", "fresh")

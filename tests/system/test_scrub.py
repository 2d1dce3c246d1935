# SPDX-License-Identifier: MIT
"""test_scrub.py - the running system reads all that it stores, and tells what is damaged."""

import mmap
import random
import re

from conftest import STORE_OFFSET, mkstore, wait_durable
from stores import put, sound

from machine import Machine

MIB = 1 << 20


def spoil(image, offset):
    with open(image, "r+b") as file:
        file.seek(offset)
        old = file.read(512)
        file.seek(offset)
        file.write(bytes(byte ^ 0x55 for byte in old))


def test_whole_and_damaged(image, tmp_path):
    content = random.Random(8).randbytes(2 * MIB)
    put(image, tmp_path, content, "/big")
    mkstore("snapshot", image, "kept")
    for number in range(3):
        mkstore("mkdir", image, f"/d{number}")
    with open(image, "rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as disk:
            place = disk.find(content[40 * 4096:40 * 4096 + 512])
    assert place > STORE_OFFSET
    with Machine(image) as machine:
        machine.wait_prompt()
        said = machine.command("scrub")
        assert re.search(r"scrub: \d+ blocks, .* 1 snapshots: 0 damaged places", said), said
        # A page on the disk, and a superblock, while the system runs.
        spoil(image, place)
        spoil(image, STORE_OFFSET + 4096)
        said = machine.command("scrub")
        assert "damaged: superblock" in said and "1 written anew" in said, said
        sector = (place - STORE_OFFSET) // 512
        assert re.search(rf"damaged: page 0x[0-9a-f]+, sector {sector}, .* in snapshot 1", said)
        assert "2 damaged places" in said
        # The cache still has it right or not at all; the rest goes on.
        assert "damaged: page" in machine.command("scrub")
        spoil(image, place)
        assert ": 0 damaged places" in machine.command("scrub 1000")
        machine.command("checkpoint")
        machine.cut()
    sound(image)


def test_goes_on_after_a_power_cut(image, tmp_path):
    # At 1 MiB/s it is not through when what it has got to is on the disk, however long
    # a commit takes.
    put(image, tmp_path, random.Random(9).randbytes(30 * MIB), "/big")
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("interval 100ms")
        machine.type("scrub 1\r")
        machine.wait("scrub 1")
        wait_durable(machine, image)
        assert "scrub:" not in machine.text
        machine.cut()
    with Machine(image) as machine:
        machine.wait_resumed()
        machine.wait(r"scrub: \d+ blocks, [^\n]* 0 damaged places")
        machine.cut()
    sound(image)

# SPDX-License-Identifier: MIT
"""test_discard.py - freed space goes back to the host, offline and from the running system."""

import os
import random
import time

from conftest import mkstore, mkstore_json
from stores import FAILED, get, put, sound, store  # noqa: F401 (fixtures)

from machine import LIMIT_S, Machine

MIB = 1 << 20


def occupied(path):
    return os.stat(path).st_blocks * 512


def test_discard(store, tmp_path):
    content = random.Random(3).randbytes(8 * MIB)
    put(store, tmp_path, content, "/big")
    put(store, tmp_path, content[:MIB], "/kept")
    before = occupied(store)
    mkstore("rm", store, "/big")
    assert occupied(store) >= before
    used = mkstore_json("info", store)["used_sectors"] * 512
    report = mkstore_json("discard", store)
    assert report["occupied_before_bytes"] >= before
    assert report["occupied_bytes"] == occupied(store) < before - 7 * MIB
    assert report["discarded_bytes"] + used + 2 * MIB > 64 * MIB
    sound(store)
    assert get(store, tmp_path, "/kept") == content[:MIB]
    # Nothing more to win, and nothing lost.
    mkstore("discard", store)
    sound(store)


def test_commands_that_free(store, tmp_path):
    content = random.Random(4).randbytes(8 * MIB)
    put(store, tmp_path, content, "/big")
    mkstore("snapshot", store, "one")
    mkstore("rm", store, "/big", "--discard")
    assert occupied(store) > 8 * MIB
    mkstore("delete", store, "one", "--discard")
    assert occupied(store) < 3 * MIB
    sound(store)


def test_refusals(store, tmp_path):
    before = store.read_bytes()
    assert "there is none" in mkstore("delete", store, "none", "--discard", code=FAILED).stderr
    assert store.read_bytes() == before


def test_running_system_gives_space_back(image, tmp_path):
    put(image, tmp_path, random.Random(5).randbytes(24 * MIB), "/big")
    with Machine(image) as machine:
        machine.wait_prompt()
        before = occupied(image)
        assert before > 24 * MIB
        machine.command("rm /big")
        until = time.monotonic() + LIMIT_S
        while occupied(image) > before - 20 * MIB:
            machine.command("echo more > /notes/more")
            machine.command("checkpoint")
            assert time.monotonic() < until, f"{occupied(image)} of {before} bytes are left"
        machine.cut()
    sound(image)

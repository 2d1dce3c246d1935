# SPDX-License-Identifier: MIT
"""test_damage.py - booted on a damaged store, the system is right or says what is wrong.

That `mkstore verify` names every changed byte is tested in test_mkstore.py and,
by the hundred thousand, by the simulator's mode `flip`.  Here a sample is booted.
"""

import os
import random
import re
import struct

import pytest
from conftest import STORE_OFFSET, copy_sparse, mkstore, mkstore_json

from machine import PROMPT, RESUMED, Machine, Unexpected, interrupted

RING = 32 * 512
SLOT = 16384
SLOTS = 64
EXTENTS = 2080 * 512  # behind superblocks and ring
MAGIC_RECORD = 0x44524F4345525050


def flip(image, offset, bits=0x10):
    with open(image, "r+b") as file:
        file.seek(STORE_OFFSET + offset)
        byte = file.read(1)[0]
        file.seek(STORE_OFFSET + offset)
        file.write(bytes([byte ^ bits]))


def records(image):
    """Offset and generation of each commit record, newest first."""
    found = []
    with open(image, "rb") as file:
        for slot in range(SLOTS):
            offset = RING + slot * SLOT
            file.seek(STORE_OFFSET + offset)
            header = file.read(48)
            if struct.unpack_from("<Q", header)[0] == MAGIC_RECORD:
                found.append((struct.unpack_from("<Q", header, 40)[0], offset))
    return sorted(found, reverse=True)


@pytest.fixture
def used_image(image):
    """One with a history: several generations, some text, stopped cleanly."""
    with Machine(image) as machine:
        machine.wait_prompt()
        for number in range(3):
            machine.command(f"echo state {number} > /notes/state")
            machine.command("checkpoint")
        machine.type("poweroff\r")
        machine.wait_off()
    return image


# When the shell cannot go on, there is the kernel's console.
ENDED = r"\(shell\) stopped|^kernel> "


def boot_outcome(image):
    """Boots a copy.  The generation resumed, or None, and what there was to see.

    Whatever is damaged, nothing panics and nothing wrong is shown: the text that
    the test wrote comes back whole, as some state it had, or as an error.
    """
    copy = image + ".copy"
    copy_sparse(image, copy)
    try:
        with Machine(copy) as machine:
            match = machine.wait(rf"{RESUMED.pattern}|perdure: cannot resume: .*\n|(?i:panic)")
            assert "panic" not in match[0].lower(), machine.text[-2000:]
            if not match[1]:
                machine.wait("stopped")
                return None, match[0]
            try:
                if machine.wait(rf"^{PROMPT}|{ENDED}")[0] == PROMPT:
                    machine.type("cat /notes/state\r")
                    machine.wait(interrupted("cat /notes/state\n"))
                    said = machine.wait_until(rf"^{PROMPT}|{ENDED}")
                    if not re.search(ENDED, machine.text[match.start() :], re.M):
                        return int(match[1]), said.strip()
            except Unexpected:
                pass
            # The shell itself is damaged, in what it needs first or only for a
            # command: then the kernel has said so.
            said = machine.text[match.start() :]
            assert re.search("damage|checksum|corrupt|stopped", said), said
            return int(match[1]), said
    finally:
        os.unlink(copy)


STATES = ("state 0", "state 1", "state 2")


def verify_finds(image):
    """What verify says of a store that it must not be content with."""
    result = mkstore("verify", image, code=None)
    assert result.returncode != 0, result.stdout
    return result.stdout + result.stderr


def test_one_superblock_is_enough(used_image):
    flip(used_image, 100)
    assert "superblock" in verify_finds(used_image)
    generation, said = boot_outcome(used_image)
    assert generation is not None and said == "state 2"


def test_no_superblock(used_image):
    flip(used_image, 100)
    flip(used_image, 4096 + 100)
    assert "superblock" in verify_finds(used_image) or "not a" in verify_finds(used_image)
    generation, said = boot_outcome(used_image)
    assert generation is None
    assert "superblock" in said.lower() or "not a" in said.lower()


@pytest.mark.parametrize("byte", [0, 17, 45, 57, 100, 180, 300, 500])
def test_newest_record(used_image, byte):
    """Any byte of the newest record: an intact generation, or an explanation."""
    newest, offset = records(used_image)[0]
    flip(used_image, offset + byte)
    assert re.search(r"record|slot|ring", verify_finds(used_image))
    generation, said = boot_outcome(used_image)
    if generation is None:
        assert re.search(r"record|slot|ring", said)
    else:
        assert generation <= newest + 1
        assert said in STATES


def test_extents(used_image):
    """Bytes of extents, anywhere: the right text, or an error; never another text."""
    random_source = random.Random(6)
    # Less than is in use, so that no change of the layout moves the places.
    reach = 640
    assert mkstore_json("info", used_image)["used_sectors"] > reach
    for _ in range(6):
        offset = EXTENTS + random_source.randrange(reach * 512)
        flip(used_image, offset)
        intact = mkstore("verify", used_image, code=None).returncode == 0
        generation, said = boot_outcome(used_image)
        if intact:
            # The byte belongs to no generation that counts.
            assert generation is not None and said == "state 2"
        elif said.startswith("state"):
            assert said in STATES
        flip(used_image, offset)


def test_catalogue_entry(image):
    """A snapshot that cannot be read keeps nobody from the others."""
    with Machine(image) as machine:
        machine.wait_prompt()
        for name in ("one", "two", "three"):
            machine.command(f"echo state {name} > /notes/state")
            machine.command(f"snapshot {name}")
        machine.command("checkpoint")
        machine.type("poweroff\r")
        machine.wait_off()
    damaged = next(s["number"] for s in mkstore_json("snapshots", image)["snapshots"]
                   if s["name"] == "two")
    entries = mkstore_json("dump", image, "node", "catalogue", "1", "0")["entries"]
    flip(image, next(e["sector"] for e in entries if e["index"] == damaged) * 512 + 20)
    with Machine(image) as machine:
        machine.wait_prompt()
        listed = machine.command("snapshots")
        assert re.search(rf"^ *{damaged} .* cannot be read", listed, re.M)
        assert " one" in listed and " three" in listed and "salvage" in listed
        doubt = f"#{damaged}, which cannot be read, may be it"
        assert doubt in machine.command("restore two")
        assert doubt in machine.command(f"delete #{damaged}")
        assert "there is no snapshot 99" in machine.command("delete #99")
        machine.command("snapshot four")
        machine.command("rename one first")
        machine.type("restore first\r")
        machine.wait_prompt()
        assert machine.command("cat /notes/state").strip() == "state one"
        listed = machine.command("snapshots")
        assert " first" in listed and " four" in listed and " three" in listed

# SPDX-License-Identifier: MIT
"""test_image.py - the disk image: its tables, its contents, and how it is made."""

import os
import re
import struct
import subprocess
import uuid
import zlib

import pytest
from conftest import MKSTORE, PARTS, STORE_OFFSET, WORK, cat, make_image, mkstore

from machine import Machine

SECTOR = 512


def read(path, offset, size):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


def gpt_header(path, sector, unit):
    header = bytearray(read(path, sector * unit, 92))
    assert header[:8] == b"EFI PART"
    checksum = struct.unpack_from("<I", header, 16)[0]
    header[16:20] = bytes(4)
    assert zlib.crc32(header) == checksum
    own, other = struct.unpack_from("<QQ", header, 24)
    table, count, size, table_checksum = struct.unpack_from("<QIII", header, 72)
    entries = read(path, table * unit, count * size)
    assert zlib.crc32(entries) == table_checksum
    assert own == sector
    return other, entries


def partitions(entries):
    found = []
    for index in range(128):
        entry = entries[index * 128 : index * 128 + 128]
        if any(entry[:16]):
            first, last = struct.unpack_from("<QQ", entry, 32)
            found.append((str(uuid.UUID(bytes_le=entry[:16])), first, last))
    return found


@pytest.mark.parametrize("size, unit", [("64M", 512), ("1G", 512), ("64G", 512), ("1G", 4096)])
def test_gpt(size, unit):
    path = os.path.join(WORK, f"gpt-{size}-{unit}.img")
    os.makedirs(WORK, exist_ok=True)
    make_image(path, size, "--sector", str(unit))
    sectors = os.path.getsize(path) // unit
    other, entries = gpt_header(path, 1, unit)
    assert other == sectors - 1
    back, backup_entries = gpt_header(path, sectors - 1, unit)
    assert back == 1
    assert entries == backup_entries
    mbr = read(path, 0, SECTOR)
    assert mbr[510:] == b"\x55\xaa"
    assert mbr[450] == 0xEE
    bios, esp, store = partitions(entries)
    assert bios[0] == "21686148-6449-6e6f-744e-656564454649"
    assert esp[0] == "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
    assert store[0] == "50524455-5245-4f53-8d3a-6b1f0c29e7a4"
    assert bios[2] < esp[1] and esp[2] < store[1]
    assert store[2] < sectors - 1 - len(entries) // unit
    assert store[1] * unit == STORE_OFFSET
    # The EFI partition's file system has sectors of the same size.
    assert struct.unpack_from("<H", read(path, esp[1] * unit, 512), 11)[0] == unit
    # Sparse: what is in it takes room, its size does not.
    assert os.stat(path).st_blocks * 512 < 24 << 20
    mkstore("verify", path)
    assert f"write_unit {' ' * 12}{unit}" in mkstore("dump", path, "superblock").stdout
    os.unlink(path)


def test_reproducible():
    """Same inputs, same bytes; only the store's identity and its time may differ."""
    paths = [os.path.join(WORK, f"same-{number}.img") for number in (1, 2)]
    os.makedirs(WORK, exist_ok=True)
    for path in paths:
        make_image(path, "64M")
    one, two = (read(path, 0, STORE_OFFSET) for path in paths)
    assert one == two
    # The backup GPT too.
    assert read(paths[0], 63 << 20, 1 << 20) == read(paths[1], 63 << 20, 1 << 20)
    # The two stores are two stores.
    assert read(paths[0], STORE_OFFSET, 4096) != read(paths[1], STORE_OFFSET, 4096)
    for path in paths:
        os.unlink(path)


def test_identity_makes_all_bytes_the_same():
    paths = [os.path.join(WORK, f"identity-{number}.img") for number in (1, 2)]
    os.makedirs(WORK, exist_ok=True)
    for path in paths:
        make_image(path, "64M", "--identity", "12345678-9abc-4def-8123-456789abcdef")
    assert read(paths[0], 0, 64 << 20) == read(paths[1], 0, 64 << 20)
    for path in paths:
        os.unlink(path)


@pytest.mark.parametrize("unit", [512, 4096])
def test_new_kernel_keeps_the_store(image, unit):
    """`make` with a newer kernel replaces the EFI partition and nothing else."""
    if unit != 512:
        make_image(image, "64M", "--sector", str(unit))
    kind = "" if unit == 512 else f"-{unit}"
    esp = bytearray(read(f"{PARTS}/esp{kind}.img", 0, 16 << 20))
    esp[-1] ^= 0xFF  # unused space: stands for any change
    changed = os.path.join(WORK, "changed-esp.img")
    written = os.path.join(WORK, f"changed-esp{kind}.img")
    with open(written, "wb") as file:
        file.write(esp)
    before = read(image, STORE_OFFSET, 64 << 20)
    command = ["/usr/bin/python3", "tools/build/image.py", "ensure", image, "--esp", changed]
    command += ["--core", f"{PARTS}/core.img", "--mkstore", MKSTORE]
    command += ["--manifest", "disk/system.manifest", "--files", "build/user"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "put the new kernel into" in said
    assert read(image, STORE_OFFSET, 64 << 20) == before
    assert read(image, STORE_OFFSET - (16 << 20), 16 << 20) == bytes(esp)
    # Once more: nothing to do, nothing said.
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
    os.unlink(written)


def test_newer_programs_are_put_not_made_fresh(image, tmp_path):
    """`make` says how a program gets into a store; that never costs what is in it."""
    files = tmp_path / "user"
    subprocess.run(["cp", "-r", "build/user", files], check=True)
    path = os.path.join(WORK, "put-hint.img")
    options = ["--core", f"{PARTS}/core.img", "--mkstore", MKSTORE, "--files", files]
    options += ["--esp", f"{PARTS}/esp.img", "--manifest", "disk/system.manifest"]
    image_py = ["/usr/bin/python3", "tools/build/image.py"]
    subprocess.run([*image_py, "fresh", path, "--yes", "--size", "64M", *options], check=True)
    mkstore("put", path, "README.md", "/notes/mine")
    with open(files / "hello.elf", "ab") as file:
        file.write(b"newer")
    said = subprocess.run([*image_py, "ensure", path, *options], capture_output=True, text=True,
                          check=True).stdout
    assert "make fresh" not in said
    advice = re.search(r"with the system off: (.*)$", said, re.M)[1]
    subprocess.run(advice.split(), check=True, stdout=subprocess.DEVNULL)
    assert mkstore("get", path, "/bin/hello", tmp_path / "hello").returncode == 0
    assert (tmp_path / "hello").read_bytes().endswith(b"newer")
    assert cat(path, "/notes/mine").startswith("# Perdure")
    os.unlink(path)


def fresh(image):
    command = ["/usr/bin/python3", "tools/build/image.py", "fresh", image, "--size", "64M"]
    command += ["--esp", f"{PARTS}/esp.img", "--core", f"{PARTS}/core.img"]
    command += ["--mkstore", MKSTORE, "--manifest", "disk/system.manifest"]
    command += ["--files", "build/user"]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_fresh_asks_before_it_discards(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("checkpoint")
        refused = fresh(image)
        assert refused.returncode == 1
        assert "in use by a running system" in refused.stderr
    size = os.path.getsize(image)
    refused = fresh(image)
    assert refused.returncode == 1
    assert "has been used" in refused.stderr
    assert os.path.getsize(image) == size
    mkstore("verify", image)


def test_fresh_discards_an_unused_image(image):
    assert fresh(image).returncode == 0
    assert os.path.getsize(image) == 64 << 20


@pytest.mark.parametrize("size", ["1", "31M", "1G1", "100000", "-1G"])
def test_size_that_makes_no_sense(size):
    path = os.path.join(WORK, "never.img")
    if os.path.exists(path):
        os.unlink(path)
    with pytest.raises(subprocess.CalledProcessError):
        make_image(path, size)
    assert not os.path.exists(path)

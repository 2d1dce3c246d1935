# SPDX-License-Identifier: MIT
"""test_mkstore_refusals.py - mkstore refuses what it must, changing nothing."""

import fcntl
import json
import os
import random
import shutil
import struct

import pytest
from conftest import mkstore, mkstore_json
from stores import (  # noqa: F401 (fixtures)
    FAILED,
    IN_USE,
    NO_STORE,
    READERS,
    SECTOR,
    WRITERS,
    forge,
    get,
    gpt,
    names,
    on,
    put,
    sound,
    store,
)


# ---- reading changes nothing, refusing changes nothing -----------------------------------


@pytest.mark.parametrize("command", READERS, ids=lambda words: words[0])
def test_reading_writes_nothing(store, command):
    before = store.read_bytes()
    os.chmod(store, 0o444)
    mkstore(*on(store, command))
    assert store.read_bytes() == before


def tear_newest(image):
    """Damages the newest commit as a power cut does: its record is there, its data not.

    A new object of one random page: that page is overwritten.
    """
    content = random.Random(9).randbytes(4096)
    (image.parent / "torn").write_bytes(content)
    mkstore("put", image, image.parent / "torn", "/torn")
    bytes_ = bytearray(image.read_bytes())
    place = bytes_.find(content)
    assert place > 0
    bytes_[place:place + 4096] = bytes(4096)
    image.write_bytes(bytes_)


def test_torn_newest_generation(store, tmp_path):
    generation = mkstore_json("info", store)["generation"]
    tear_newest(store)
    before = store.read_bytes()
    for command in READERS:
        result = mkstore(*on(store, command))
        assert "cut off" in result.stderr or "torn" in result.stderr or command == ["verify"], command
    info = mkstore_json("info", store)
    assert info["generation"] == generation and info["torn_generation"] == generation + 1
    assert "torn" not in names(store)
    assert store.read_bytes() == before
    report = mkstore_json("verify", store)
    assert report["ok"] and report["totals"]["torn_generation"] == generation + 1
    put(store, tmp_path, b"goes on", "/next")
    info = mkstore_json("info", store)
    assert info["generation"] == generation + 2 and info["torn_generation"] == 0
    sound(store)


def refused(image, code, message):
    """By every command, with the reason, and without a change."""
    before = image.read_bytes() if image.exists() else None
    for command in READERS + WRITERS:
        result = mkstore(*on(image, command), code=code)
        if command != ["verify"]:
            assert message in result.stderr, (command, result.stderr)
        assert str(image) in result.stderr
    assert before is None or image.read_bytes() == before


def test_refuses_nothing(tmp_path):
    refused(tmp_path / "none.img", NO_STORE, "No such file")


def test_refuses_foreign_files(tmp_path):
    path = tmp_path / "foreign.img"
    for content in [b"", b"x", b"hello " * 300000, random.Random(1).randbytes(9 << 20), bytes(1 << 20)]:
        path.write_bytes(content)
        refused(path, NO_STORE, "not a Perdure store")


def test_refuses_directory(tmp_path):
    result = mkstore("info", tmp_path, code=NO_STORE)
    assert str(tmp_path) in result.stderr


def test_refuses_version(store, forge):
    forge(store, 8, 2)
    refused(store, NO_STORE, "version")


def test_refuses_unknown_feature(store, forge):
    forge(store, 16, 1 << 40, 8)
    refused(store, NO_STORE, "feature")


def test_refuses_truncated(store):
    """Wherever it was cut, all commands say the same and what to do."""
    for size in [32 << 20, 3 << 20, 1 << 20, 20 << 10]:
        os.truncate(store, size)
        refused(store, NO_STORE, "smaller")
        assert "smaller" in mkstore("verify", store, code=NO_STORE).stderr
        for command in ("info", "verify", "stats", "map"):
            words = [command, store] + (["5"] if command == "map" else [])
            assert "mkstore salvage" in mkstore(*words, code=NO_STORE).stderr, command


def test_nothing_that_opens_it(store):
    """Both superblocks, or all commit records, are gone: no command finds a store, all
    name the one that may."""
    image = bytearray(store.read_bytes())
    image[0:8192] = bytes(8192)
    store.write_bytes(image)
    refused(store, NO_STORE, "not a Perdure store")
    for command in ("info", "verify", "stats"):
        said = mkstore(command, store, code=NO_STORE).stderr
        assert "mkstore salvage" in said, command
    assert "both superblocks are lost" in mkstore("info", store, code=NO_STORE).stderr


def test_wiped_ring(store):
    image = bytearray(store.read_bytes())
    image[32 * SECTOR:2080 * SECTOR] = bytes(2048 * SECTOR)
    store.write_bytes(image)
    for command in ("info", "verify", "stats"):
        mkstore(command, store, code=NO_STORE)


def test_superblock_copy(store):
    image = bytearray(store.read_bytes())
    image[0:4096] = bytes(4096)
    store.write_bytes(image)
    assert mkstore_json("info", store)["label"] == "tested"
    result = mkstore("verify", store, "--json", code=FAILED)
    assert {f["code"] for f in json.loads(result.stdout)["findings"]} == {"superblock"}
    # One is enough: whoever reads misses nothing, and says so once.
    for command in [words for words in READERS if words[0] not in ("scrub", "verify")]:
        said = mkstore(*on(store, command)).stderr
        assert "superblock" in said and said.count("one of its two superblocks") <= 1, command
    mkstore("map", store, "/room")
    mkstore("stats", store, "--objects")


@pytest.mark.parametrize("half", [0, 4096])
def test_superblock_is_written_anew(store, tmp_path, half):
    """By whatever writes, `receive` too, which then says so."""
    mkstore("snapshot", store, "one")
    mkstore("send", store, "one", tmp_path / "stream")
    for command in (["mkdir", "/new"], ["receive", tmp_path / "stream"]):
        target = tmp_path / "target.img"
        mkstore("create", target, "--size", "64M", "--force")
        image = bytearray(target.read_bytes())
        image[half:half + 4096] = bytes(4096)
        target.write_bytes(image)
        said = mkstore(*on(target, command)).stderr
        assert "it was written anew" in said and "scrub" not in said
        assert mkstore("info", target).stderr == ""
        sound(target)


# ---- in use -------------------------------------------------------------------------------


def qemu_lock(file):
    """The locks that QEMU holds on an image that it writes (bytes 100 + and 200 + permission)."""
    for start in (100, 101, 103, 201, 203):
        lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, start, 1, 0)
        fcntl.fcntl(file, 37, lock)  # F_OFD_SETLK


def test_in_use(store):
    with open(store, "r+b") as file:
        qemu_lock(file)
        refused(store, IN_USE, "in use")
        for command in READERS + WRITERS:
            said = mkstore(*on(store, command), code=IN_USE).stderr
            way_out = "--live" in mkstore(command[0], "--help").stdout
            assert way_out == ("read it beside that with --live" in said), command
        for command in [words for words in READERS if words[0] not in ("scrub", "verify")]:
            mkstore(*on(store, command), "--live")
        mkstore("send", store, "--live", "--force", "live", "/dev/null")
    mkstore("info", store)


def test_in_use_by_a_reader(store):
    """Readers go together; a writer does not come in."""
    with open(store, "r+b") as file:
        for start in (100, 201, 203):
            lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, start, 1, 0)
            fcntl.fcntl(file, 37, lock)
        mkstore("info", store)
        mkstore("mkdir", store, "/x", code=IN_USE)


# ---- disk images ----------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk.img"
    gpt(path, 40960, 2048, 36863)
    mkstore("create", path)
    return path


def test_disk_image(disk, tmp_path):
    info = mkstore_json("info", disk)
    assert info["partition"] == {
        "number": 1,
        "first_sector": 2048,
        "sectors": 34816,
        "backup_table": False,
    }
    assert info["sectors"] == 34816
    image = disk.read_bytes()
    assert not any(image[34 * SECTOR : 2048 * SECTOR]), "written in front of the partition"
    put(disk, tmp_path, b"inside", "/it")
    assert get(disk, tmp_path, "/it") == b"inside"
    sound(disk)
    tail = disk.read_bytes()[36864 * SECTOR :]
    assert tail == image[36864 * SECTOR :], "written behind the partition"
    assert "already" in mkstore("create", disk, code=FAILED).stderr


def test_disk_image_backup_table(disk):
    with open(disk, "r+b") as file:
        file.seek(SECTOR + 20)
        file.write(b"\1")
    result = mkstore("info", disk, "--json")
    assert json.loads(result.stdout)["partition"]["backup_table"]
    assert "first partition table is damaged" in result.stderr
    with open(disk, "r+b") as file:
        file.seek(40959 * SECTOR + 20)
        file.write(b"\1")
    refused(disk, NO_STORE, "damaged")


def test_disk_image_without_store(tmp_path):
    path = tmp_path / "disk.img"
    gpt(path, 40960, 2048, 36863, "0FC63DAF-8483-4772-8E79-3D69D8477DE4")
    refused(path, NO_STORE, "without a store")


def test_disk_image_truncated(disk):
    os.truncate(disk, 30000 * SECTOR)
    refused(disk, NO_STORE, "truncated")
    refused(disk, NO_STORE, "make it 40960 sectors (20971520 bytes) long again")
    for command in ("info", "verify", "stats"):
        assert "mkstore salvage" in mkstore(command, disk, code=NO_STORE).stderr


def test_disk_image_of_large_sectors(tmp_path):
    """The table counts in sectors of 4096 bytes; the store's write unit is no less."""
    path = tmp_path / "disk.img"
    gpt(path, 5120, 256, 4607, unit=4096)
    assert "write unit" in mkstore("create", path, "--write-unit", "512", code=FAILED).stderr
    mkstore("create", path)
    info = mkstore_json("info", path)
    assert info["partition"] == {
        "number": 1,
        "first_sector": 2048,
        "sectors": 34816,
        "backup_table": False,
    }
    assert f"write_unit {' ' * 12}4096" in mkstore("dump", path, "superblock").stdout
    put(path, tmp_path, b"inside", "/it")
    sound(path)
    os.truncate(path, 3000 * 4096)
    refused(path, NO_STORE, "make it 40960 sectors (20971520 bytes) long again")
    # As it says; nothing was in what was cut off, but the second table.
    os.truncate(path, 5120 * 4096)
    assert get(path, tmp_path, "/it") == b"inside"
    assert mkstore_json("grow", path, "64M")["sectors"] > 120000
    sound(path)
    assert get(path, tmp_path, "/it") == b"inside"


def test_create_larger_than_the_partition(tmp_path):
    path = tmp_path / "disk.img"
    gpt(path, 40960, 2048, 36863)
    assert "more than" in mkstore("create", path, "--size", "64M", code=FAILED).stderr
    shutil.copy(path, tmp_path / "second.img")
    assert mkstore_json("create", path, "--size", "8M")["sectors"] == 16384
    sound(path)

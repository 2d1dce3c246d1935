# SPDX-License-Identifier: MIT
"""stores.py - stores in files for the tests of mkstore, and what they do with them."""

import struct
import subprocess
import uuid
import zlib

import pytest
from conftest import mkstore, mkstore_json

OK, FAILED, USAGE, NO_STORE, IN_USE = range(5)
SECTOR = 512
STORE_TYPE = "50524455-5245-4F53-8D3A-6B1F0C29E7A4"
IDENTITY = "00010203-0405-4607-8809-0a0b0c0d0e0f"
READERS = [
    ["info"],
    ["ls"],
    ["tree"],
    ["cat", "/notes/hello"],
    ["ps"],
    ["banks"],
    ["snapshots"],
    ["retention"],
    ["scrub"],
    ["diff", "live", "live"],
    ["map", "0x100000"],
    ["dump", "record"],
    ["stats"],
    ["verify"],
]
WRITERS = [
    ["put", "/dev/null", "/x"],
    ["mkdir", "/x"],
    ["rm", "/notes/hello"],
    ["mv", "/notes/hello", "/y"],
    ["snapshot", "x"],
    ["restore", "kept"],
    ["delete", "kept"],
    ["rename", "kept", "x"],
    ["retention", "10s"],
    ["grow", "1G"],
    ["discard"],
]
MANIFEST = """
label "tested"
interval 250ms
directory /bin
directory /notes
file /bin/data data.bin
text /notes/hello "Hello,\\nworld!\\n"
segment /room size 5 max 64K
"""


def on(image, command):
    """The words of a command with the image put behind its name."""
    return [command[0], image, *command[1:]]


def gpt(path, sectors, first, last, store_type=STORE_TYPE, unit=SECTOR):
    """A disk image with one partition; all in sectors of that many bytes."""
    entry = uuid.UUID(store_type).bytes_le + uuid.uuid4().bytes + struct.pack("<QQQ", first, last, 0)
    array = entry.ljust(128 * 128, b"\0")

    def header(own, other, table):
        fields = [b"EFI PART", 0x10000, 92, 0, 0, own, other, 34, sectors - 34, bytes(16)]
        fields += [table, 128, 128, zlib.crc32(array)]
        packed = struct.pack("<8sIIIIQQQQ16sQIII", *fields)
        fields[3] = zlib.crc32(packed)
        return struct.pack("<8sIIIIQQQQ16sQIII", *fields)

    copy = sectors - 1 - len(array) // unit
    with open(path, "wb") as file:
        file.truncate(sectors * unit)
        for place, data in [
            (1, header(1, sectors - 1, 2)),
            (2, array),
            (copy, array),
            (sectors - 1, header(sectors - 1, 1, copy)),
        ]:
            file.seek(place * unit)
            file.write(data)


@pytest.fixture
def store(tmp_path):
    """A small store without machines."""
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 33)
    (tmp_path / "manifest").write_text(MANIFEST)
    path = tmp_path / "store.img"
    mkstore("create", path, "--manifest", tmp_path / "manifest", "--files", tmp_path, "--size", "64M")
    return path


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """The system as it is shipped, in a store of its own; not to be changed."""
    path = tmp_path_factory.mktemp("system") / "store.img"
    manifest = "disk/system.manifest"
    mkstore("create", path, "--manifest", manifest, "--files", "build/user", "--size", "64M")
    return path


@pytest.fixture(scope="module")
def forge(tmp_path_factory):
    """Changes a field of the superblocks and makes their checksums right."""
    program = tmp_path_factory.mktemp("forge") / "forge"
    source = "tests/system/forge.c"
    subprocess.run(["gcc", "-I.", "-O1", "-w", source, "-o", program], check=True)

    def change(image, field, value, size=4):
        words = [program, image, 0, field, size, value]
        subprocess.run(list(map(str, words)), check=True)

    return change


def sound(image):
    """Verified without any finding; the totals."""
    report = mkstore_json("verify", image)
    assert report["ok"] and report["findings"] == [], report["findings"]
    return report["totals"]


def put(image, tmp_path, content, path):
    source = tmp_path / "source"
    source.write_bytes(content)
    return mkstore("put", image, source, path)


def get(image, tmp_path, path):
    target = tmp_path / "target"
    mkstore("get", image, path, target, "--force")
    return target.read_bytes()


def names(image, path="/"):
    return [entry["name"] for entry in mkstore_json("ls", image, path)["entries"]]

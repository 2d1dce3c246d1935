# SPDX-License-Identifier: MIT
"""test_refusals.py - what Perdure cannot run on gets a clear message, and is not changed."""

import hashlib
import os
import re
import subprocess
import sys
import threading
import uuid
from types import SimpleNamespace

import pytest
from conftest import MKSTORE, ROOT, STORE_OFFSET, WORK, mkstore

from machine import LIMIT_S, Machine

sys.path.insert(0, os.path.join(ROOT, "tools/build"))

import image as disk_image  # noqa: E402

# Fields of struct disk_superblock.
VERSION = (8, 4)
INCOMPATIBLE = (16, 8)
READ_ONLY = (24, 8)

NO_STORE = 3  # mkstore's exit code


@pytest.fixture(scope="module")
def forge():
    os.makedirs(WORK, exist_ok=True)
    program = os.path.join(WORK, f"forge-{os.getpid()}")
    source = "tests/system/forge.c"
    subprocess.run(["gcc", "-std=gnu11", "-I.", source, "-o", program], check=True)

    def change(image, field, value):
        words = [image, STORE_OFFSET, *field, value]
        subprocess.run([program, *map(str, words)], check=True)

    yield change
    os.unlink(program)


def store_digest(image):
    with open(image, "rb") as file:
        file.seek(STORE_OFFSET)
        return hashlib.sha256(file.read(48 << 20)).hexdigest()


def refused_by_kernel(image, pattern, end="stopped|halted", **options):
    """Boots and expects the message, whole; the store must be as it was."""
    before = store_digest(image)
    with Machine(image, **options) as machine:
        machine.wait(pattern)
        machine.wait(end)
    assert store_digest(image) == before


def refused_by_mkstore(image, pattern):
    for command in ("info", "ls", "verify"):
        result = mkstore(command, image, code=NO_STORE)
        assert re.search(pattern, result.stderr), result.stderr


def test_unknown_version(image, forge):
    forge(image, VERSION, 2)
    # GRUB says "version", too.
    refused_by_kernel(image, "format version 2")
    refused_by_mkstore(image, "format version")


def test_unknown_incompatible_feature(image, forge):
    forge(image, INCOMPATIBLE, 1 << 40)
    refused_by_kernel(image, "feature")
    refused_by_mkstore(image, "feature")


def test_foreign_partition(image):
    """A partition of the right type whose contents are something else."""
    with open(image, "r+b") as file:
        file.seek(STORE_OFFSET)
        file.write(b"\xEB\x3C\x90MSDOS5.0".ljust(64 * 1024, b"\xA5"))
    refused_by_kernel(image, "holds no store")
    refused_by_mkstore(image, "not a Perdure store|holds no store")


def test_truncated_image(image):
    """The disk ends in the middle of the store."""
    with open(image, "r+b") as file:
        file.truncate(STORE_OFFSET + (8 << 20))
    refused_by_kernel(image, "beyond the end")
    refused_by_kernel(image, "make it 1073741824 bytes large again.*mkstore salvage")
    refused_by_mkstore(image, "truncated")


def make_disk(path, store_type=None):
    """A disk of 64 MiB with an empty third partition; its type may be another."""
    parts = "build/perdure"
    if store_type:
        real = disk_image.store_type
        disk_image.store_type = lambda: uuid.UUID(store_type)
    try:
        disk_image.write_disk(
            SimpleNamespace(
                size="64M",
                sector=512,
                boot="/usr/lib/grub/i386-pc/boot.img",
                core=f"{parts}/core.img",
                esp=f"{parts}/esp.img",
            ),
            path,
        )
    finally:
        if store_type:
            disk_image.store_type = real


def test_store_larger_than_its_partition(image):
    """Moved to a smaller disk: the partition table is right, the store too large."""
    smaller = image + ".smaller"
    make_disk(smaller)
    with open(image, "rb") as source, open(smaller, "r+b") as target:
        source.seek(STORE_OFFSET)
        target.seek(STORE_OFFSET)
        target.write(source.read(32 << 20))
    try:
        refused_by_kernel(smaller, "has 2058240 sectors, the disk only 92160")
        refused_by_mkstore(smaller, "2058240 sectors|smaller")
    finally:
        os.unlink(smaller)


def test_no_store_partition(image):
    """The same disk with another type of partition."""
    other = image + ".other"
    make_disk(other, "0FC63DAF-8483-4772-8E79-3D69D8477DE4")
    try:
        refused_by_kernel(other, "no store")
        assert "partition" in mkstore("info", other, code=NO_STORE).stderr
    finally:
        os.unlink(other)


def test_no_virtio_disk(image):
    """Booted from a SATA disk: GRUB reads it, the kernel has no driver for it."""
    refused_by_kernel(image, "virtio", disk=["-device", "ide-hd,drive=disk"])


def test_disk_without_flush(image):
    """A cache that cannot be flushed breaks every promise; without FLUSH it is refused."""
    disk = ["-device"]
    disk += ["virtio-blk-pci,drive=disk,disable-legacy=on,write-cache=off,config-wce=off"]
    refused_by_kernel(image, "(?i)flush", disk=disk)


@pytest.mark.parametrize("memory", [16, 24])
def test_too_little_memory(image, memory):
    refused_by_kernel(image, "not enough memory: .* at least 24 MiB .*-m 25M", memory=memory)


def test_least_memory(image):
    """What the refusal names is enough."""
    with Machine(image, memory=25) as machine:
        machine.wait_prompt()
        assert "hello" in machine.command("echo hello")


def test_legacy_disk(image):
    disk = ["-device", "virtio-blk-pci,drive=disk,disable-modern=on"]
    refused_by_kernel(image, "no virtio 1.x interface .*disable-modern=off", disk=disk)


def test_pc_of_the_eighties(image):
    """No PCI, no APIC for interrupts: the machine that has them is named."""
    refused_by_kernel(image, "-machine q35", disk=["-device", "ide-hd,drive=disk"], machine="isapc")


STOPPED = {
    "memory": ("not enough memory.*stopped", {"MEMORY": "16"}),
    "early": ("halted; a CPU like", {"QEMU_ARGS": "-cpu max,-pge"}),
    "loader": ("has no NX|switched them off", {"QEMU_ARGS": "-cpu qemu64,-nx"}),
    "power": ("off by hand", {"QEMU_ARGS": "-machine acpi=off"}),
}


@pytest.mark.parametrize("case", STOPPED)
def test_stopped_kernel_takes_keys(image, case):
    """QEMU in a terminal sees its own keys only while the guest takes the others."""
    pattern, changes = STOPPED[case]
    environment = os.environ | {"ACCEL": "tcg"} | changes
    with subprocess.Popen(["tools/build/run.sh", "terminal", image], env=environment,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        guard = threading.Timer(LIMIT_S, process.kill)
        guard.start()
        seen = b""

        def wait(expected):
            nonlocal seen
            while not re.search(expected, seen.decode(errors="replace")):
                more = os.read(process.stdout.fileno(), 65536)
                assert more, seen
                seen += more

        if case == "power":
            wait("perdure> ")
            process.stdin.write(b"poweroff\r")
            process.stdin.flush()
        wait(pattern)
        # More than the port, QEMU and the kernel keep, then QEMU's key for the end.
        process.stdin.write(b"x" * 10000 + b"\x1dx")
        process.stdin.flush()
        assert process.wait(LIMIT_S) == 0
        guard.cancel()


def test_plain_qemu64_cpu(image):
    """It lacks SMEP, SMAP and UMIP, which are used where they are; it has NX and runs."""
    with Machine(image, cpu="qemu64") as machine:
        machine.wait_prompt()
        assert "hello" in machine.command("echo hello")


def test_cpu_without_nx(image):
    refused_by_kernel(image, r"\bNX\b", end="switched them off", cpu="qemu64,-nx")


def test_image_in_use(image):
    """mkstore does not touch a store that a running system has open."""
    with Machine(image) as machine:
        machine.wait_prompt()
        result = subprocess.run(
            [MKSTORE, "snapshot", image, "never"], capture_output=True, text=True, check=False
        )
        assert result.returncode == 4
        assert "in use" in result.stderr and "--live" in result.stderr
        looked = subprocess.run([MKSTORE, "ls", image], capture_output=True, text=True, check=False)
        assert looked.returncode == 4 and "with --live" in looked.stderr
        assert "notes" in mkstore("ls", "--live", image).stdout

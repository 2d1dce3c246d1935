# SPDX-License-Identifier: MIT
"""test_writelog.py - power cuts that never happened, made from a log of real writes.

QEMU writes down every request of the running system (blklogwrites).  Between two
flushes the disk owes nothing: each write may be there, be missing, or be torn
between sectors.  From the log, images are made that are the disk up to a flush
and any part of what follows, and each must be a store without fault.  A sample
is booted.
"""

import os
import random
import struct

from conftest import WORK, copy_sparse, demo, demos_are_exact, mkstore

from machine import Machine

SECTOR = 512
MAGIC = 0x6A736677736872
FLUSH, DISCARD = 1, 4
IMAGES = 150
BOOTED = 4


def read_log(path):
    """The requests in the order of their completion: (sector, data) or None for a flush.

    The header's count is brought up to date at flushes only; behind it the file ends.
    """
    entries = []
    with open(path, "rb") as file:
        magic, version, _, sector_size = struct.unpack("<QQQI", file.read(28))
        assert (magic, version, sector_size) == (MAGIC, 1, SECTOR)
        file.seek(SECTOR)
        while len(head := file.read(SECTOR)) == SECTOR:
            sector, count, flags, _ = struct.unpack_from("<QQQQ", head)
            if flags & FLUSH:
                entries.append(None)
            data = b"" if flags & DISCARD else file.read(count * SECTOR)
            if len(data) < count * SECTOR:
                break
            if data:
                entries.append((sector, data))
    return entries


def epochs(entries):
    """The writes between flushes: a list of lists."""
    found = [[]]
    for entry in entries:
        if entry is None:
            found.append([])
        else:
            found[-1].append(entry)
    return found


class Disk:
    """An image to which writes are applied, some of them for the time being."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDWR)
        self.undo = []

    def write(self, sector, data):
        os.pwrite(self.file, data, sector * SECTOR)

    def try_write(self, sector, data):
        self.undo.append((sector, os.pread(self.file, len(data), sector * SECTOR)))
        self.write(sector, data)

    def take_back(self):
        while self.undo:
            self.write(*self.undo.pop())

    def close(self):
        os.close(self.file)


def apply_some(disk, writes, source):
    """A random part of the writes, in random order, some torn."""
    kind = source.randrange(4)
    chosen = [write for write in writes if kind == 0 or source.random() < 0.5]
    if kind == 1:
        chosen = writes[: source.randrange(len(writes) + 1)]
    source.shuffle(chosen)
    for sector, data in chosen:
        sectors = len(data) // SECTOR
        if kind == 3 and sectors > 1:
            for at in range(sectors):
                if source.random() < 0.5:
                    disk.try_write(sector + at, data[at * SECTOR : (at + 1) * SECTOR])
        else:
            disk.try_write(sector, data)


def record_log(image):
    """Works for a while in the system; its writes go to the image and to the log."""
    log = image + ".log"
    with open(log, "wb"):
        pass
    node = "driver=blklogwrites,node-name=logged,file.driver=file,file.filename={},"
    node += "log.driver=file,log.filename={},log-sector-size=512"
    arguments = ["-blockdev", node.format(image, log)]
    disk = ["-device", "virtio-blk-pci,drive=logged,disable-legacy=on,request-merging=off"]
    with Machine(image, disk=disk, arguments=arguments, drive=False) as machine:
        machine.wait_prompt()
        for number in range(10):
            machine.command(f"echo number {number} > /notes/number")
            machine.command("cp /bin/shell /notes/copy")
            machine.command("checkpoint")
            machine.command(f"snapshot s{number}")
        machine.command("delete s1")
        machine.command("restore s2")
        machine.command("echo after > /notes/after")
        machine.command("checkpoint")
    return log


def check_boot(path):
    copy = path + ".boot"
    copy_sparse(path, copy)
    with Machine(copy) as machine:
        machine.wait_prompt()
        demos_are_exact(machine)
        assert demo(machine, "count") >= 0
        machine.command("checkpoint")
    mkstore("verify", copy)
    os.unlink(copy)


def test_every_cut_between_flushes(image, base_image):
    seed = int(os.environ.get("PERDURE_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"PERDURE_SEED={seed}")
    source = random.Random(seed)
    log = record_log(image)
    found = epochs(read_log(log))
    # A run without flushes, or without writes between them, would show nothing.
    assert len(found) > 12
    assert sum(map(len, found)) > 60

    path = os.path.join(WORK, "writelog.img")
    copy_sparse(base_image, path)
    os.chmod(path, 0o644)
    disk = Disk(path)
    boots = set(source.sample(range(len(found)), BOOTED))
    each = max(1, IMAGES // len(found))
    for number, writes in enumerate(found):
        for attempt in range(each):
            apply_some(disk, writes, source)
            mkstore("verify", path)
            if attempt == 0 and number in boots:
                check_boot(path)
            disk.take_back()
        for write in writes:
            disk.write(*write)
    disk.close()
    mkstore("verify", path)
    os.unlink(path)
    os.unlink(log)

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""image.py - makes the disk image and keeps its EFI partition up to date.

    image.py fat ESP.img HOST=PATH ...   the EFI partition's file system, for both sector sizes
    image.py ensure IMAGE OPTIONS        makes IMAGE, or brings its EFI partition up to date
    image.py fresh IMAGE OPTIONS         makes IMAGE anew; asks if it has been used

The disk, in sectors of 512 bytes (UEFI specification, section 5):

    0       protective MBR, with GRUB's first stage for BIOS machines; where sectors have 4096
            bytes, with a message for them
    1       GPT header, 2 .. 33 its 128 entries
    2048    BIOS boot partition: GRUB's core image
    4096    EFI system partition, FAT16: GRUB for UEFI, kernel, grub.cfg
    36864   the store, to the last whole MiB before the backup GPT

A disk whose own sectors have 4096 bytes (--sector 4096) has all partitions at the same
bytes; its partition tables count in its sectors and begin with the second of them.

Nothing here needs root or a loop device, and nothing depends on the time or
on chance: the same inputs give the same bytes.  The store partition is left as
zeros for `mkstore create`, and stays a hole in the file.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import uuid
import zlib

SECTOR = 512
SECTORS = (512, 4096)  # what a disk's own may be
MIB = 1 << 20
GPT_ENTRIES = 128
BIOS_FIRST = 2048
ESP_FIRST = 4096
STORE_FIRST = 36864
SIZE_MIN = 32 * MIB

TYPE_BIOS_BOOT = uuid.UUID("21686148-6449-6E6F-744E-656564454649")
TYPE_ESP = uuid.UUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
HEADER = "disk/partition.h"

# Names for what must be unique within the disk but need not be across disks.
NAMESPACE = uuid.UUID("50524455-5245-5444-4953-4B0000000000")

# The time in everything that must be the same each time: the year 2000.
CREATED_S = "946684800"
CREATED_NS = CREATED_S + "000000000"

# grub-2.06: where boot.img and diskboot.img keep what an installer fills in
# (GRUB_BOOT_MACHINE_KERNEL_SECTOR, GRUB_BOOT_MACHINE_DRIVE_CHECK and the last
# entry of the block list).
BOOT_KERNEL_SECTOR = 0x5C
BOOT_DRIVE_CHECK = 0x66
DISKBOOT_LIST = SECTOR - 12


class Failure(Exception):
    pass


def size_bytes(text):
    match = re.fullmatch(r"(\d+)([KMGT]?)", text)
    if not match:
        raise Failure(f"size '{text}': expected a number with K, M, G or T, as in 1G")
    size = int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[match[2]]
    if size < SIZE_MIN or size % MIB:
        raise Failure(f"size '{text}': the image needs at least 32M and whole MiB")
    return size


def store_type():
    """The type GUID of a store, from the header that the kernel uses."""
    with open(HEADER, encoding="ascii") as header:
        match = re.search(r'DISK_PARTITION_TYPE_TEXT "([^"]+)"', header.read())
    if not match:
        raise Failure(f"{HEADER}: no DISK_PARTITION_TYPE_TEXT")
    return uuid.UUID(match[1])


def open_exclusive(path, flags):
    """Opens a disk image that no running QEMU has open."""
    descriptor = os.open(path, flags, 0o644)
    lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock)
    except BlockingIOError:
        os.close(descriptor)
        raise Failure(f"{path}: in use by a running system; power it off first") from None
    return descriptor


def gpt_entry(kind, name, first, last, sector):
    scale = sector // SECTOR
    return struct.pack(
        "<16s16sQQQ72s",
        kind.bytes_le,
        uuid.uuid5(NAMESPACE, name).bytes_le,
        first // scale,
        last // scale,
        0,
        name.encode("utf-16-le"),
    )


def gpt_header(sectors, sector, own, other, entries_at, entries):
    """Everything in the disk's own sectors; one of them is returned."""
    entry_sectors = len(entries) // sector

    def pack(checksum):
        return struct.pack(
            "<8sIIIIQQQQ16sQIII",
            b"EFI PART",
            0x00010000,
            92,
            checksum,
            0,
            own,
            other,
            2 + entry_sectors,
            sectors - 2 - entry_sectors,
            uuid.uuid5(NAMESPACE, f"disk of {sectors} sectors").bytes_le,
            entries_at,
            GPT_ENTRIES,
            128,
            zlib.crc32(entries),
        )

    return pack(zlib.crc32(pack(0))).ljust(sector, b"\0")


def grub_first_stage(boot):
    sector = bytearray(read_file(boot))
    struct.pack_into("<Q", sector, BOOT_KERNEL_SECTOR, BIOS_FIRST)
    # On hard disks GRUB's installer disarms the check of the drive number.
    sector[BOOT_DRIVE_CHECK : BOOT_DRIVE_CHECK + 2] = b"\x90\x90"
    return sector


def first_stage(arguments):
    """GRUB's knows only sectors of 512 bytes; the other one is made beside its core image."""
    if arguments.sector == SECTOR:
        return grub_first_stage(arguments.boot)
    path = os.path.join(os.path.dirname(arguments.core), f"boot-{arguments.sector}.img")
    code = read_file(path)
    if len(code) > 440:
        raise Failure(f"{path}: too large for a boot sector")
    return bytearray(code.ljust(SECTOR, b"\0"))


def boot_sector(code, sectors):
    """A first stage over a protective MBR."""
    sector = bytearray(code)
    covered = min(sectors - 1, 0xFFFFFFFF)
    entry = struct.pack("<B3sB3sII", 0, b"\0\x02\0", 0xEE, b"\xff\xff\xff", 1, covered)
    sector[440:510] = bytes(6) + entry + bytes(48)
    sector[510:512] = b"\x55\xaa"
    return bytes(sector)


def core_image(core):
    """GRUB's core image, told where its second sector lies."""
    image = bytearray(core)
    struct.pack_into("<Q", image, DISKBOOT_LIST, BIOS_FIRST + 1)
    if len(image) > (ESP_FIRST - BIOS_FIRST) * SECTOR:
        raise Failure("GRUB's core image does not fit its partition")
    return bytes(image)


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def read_range(path, size, offset):
    with open(path, "rb") as file:
        return os.pread(file.fileno(), size, offset)


def write_changes(descriptor, data, offset):
    """Writes what differs from the file, so that holes and unchanged bytes stay."""
    step = 1 << 16
    changed = False
    for start in range(0, len(data), step):
        piece = data[start : start + step]
        if os.pread(descriptor, len(piece), offset + start) != piece:
            os.pwrite(descriptor, piece, offset + start)
            changed = True
    return changed


def esp_path(path, sector):
    """The file system for disks of that sector size lies beside the usual one."""
    return path if sector == SECTOR else f"{path.removesuffix('.img')}-{sector}.img"


def read_esp(path, sector):
    esp = read_file(esp_path(path, sector))
    if len(esp) != (STORE_FIRST - ESP_FIRST) * SECTOR:
        raise Failure(f"{path}: not of the EFI partition's size")
    return esp


def write_disk(arguments, path):
    """The whole disk but for the contents of the store."""
    size = size_bytes(arguments.size)
    sector = arguments.sector
    store_last = (size - MIB) // SECTOR - 1
    entries = b"".join(
        gpt_entry(kind, name, first, last, sector)
        for kind, name, first, last in [
            (TYPE_BIOS_BOOT, "BIOS boot", BIOS_FIRST, ESP_FIRST - 1),
            (TYPE_ESP, "EFI system", ESP_FIRST, STORE_FIRST - 1),
            (store_type(), "Perdure store", STORE_FIRST, store_last),
        ]
    ).ljust(GPT_ENTRIES * 128, b"\0")
    sectors = size // sector
    last = sectors - 1
    backup = last - len(entries) // sector

    descriptor = open_exclusive(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(descriptor, 0)
    os.ftruncate(descriptor, size)
    os.pwrite(descriptor, boot_sector(first_stage(arguments), sectors), 0)
    os.pwrite(descriptor, gpt_header(sectors, sector, 1, last, 2, entries) + entries, sector)
    os.pwrite(descriptor, core_image(read_file(arguments.core)), BIOS_FIRST * SECTOR)
    write_changes(descriptor, read_esp(arguments.esp, sector), ESP_FIRST * SECTOR)
    header = gpt_header(sectors, sector, last, 1, backup, entries)
    os.pwrite(descriptor, entries + header, backup * sector)
    os.close(descriptor)


def system_files(arguments):
    """What the initial system is made from."""
    folder = arguments.files
    return [arguments.manifest] + sorted(os.path.join(folder, name) for name in os.listdir(folder))


def digests(arguments):
    """A line for each of these files, by which changes are noticed."""
    files = system_files(arguments)
    return [f"{hashlib.sha256(read_file(path)).hexdigest()}  {path}\n" for path in files]


def stamp(arguments):
    return os.path.join(os.path.dirname(arguments.esp), os.path.basename(arguments.image) + ".made")


def create(arguments):
    """Makes the image under another name first: there is never half of one."""
    new = arguments.image + ".new"
    os.makedirs(os.path.dirname(new) or ".", exist_ok=True)
    try:
        write_disk(arguments, new)
        command = [arguments.mkstore, "create", new, "--manifest", arguments.manifest]
        command += ["--files", arguments.files]
        if arguments.identity:
            command += ["--identity", arguments.identity, "--created", CREATED_NS]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        os.replace(new, arguments.image)
    finally:
        if os.path.exists(new):
            os.unlink(new)
    with open(stamp(arguments), "w", encoding="utf-8") as file:
        file.writelines(digests(arguments))
    print(f"image: made {arguments.image}, {arguments.size}")


def image_sector(path):
    """The size of the sectors that its partition table is for."""
    for sector in SECTORS:
        if read_range(path, 8, sector) == b"EFI PART":
            return sector
    raise Failure(f"{path}: not a GPT disk: name another file with IMAGE=FILE")


def update(arguments):
    """Puts a new EFI partition into an image; the store is not touched."""
    esp = read_esp(arguments.esp, image_sector(arguments.image))
    if read_range(arguments.image, len(esp), ESP_FIRST * SECTOR) != esp:
        descriptor = open_exclusive(arguments.image, os.O_RDWR)
        write_changes(descriptor, esp, ESP_FIRST * SECTOR)
        os.close(descriptor)
        print(f"image: put the new kernel into {arguments.image}; its store is as it was")


def ensure(arguments):
    if not os.path.exists(arguments.image):
        create(arguments)
        return
    update(arguments)
    made = stamp(arguments)
    if os.path.exists(made):
        with open(made, encoding="utf-8") as file:
            known = set(file)
        changed = [line.split()[1] for line in digests(arguments) if line not in known]
        if changed:
            print(f"image: note: these have changed since the store in {arguments.image} was made:")
            print(f"image:   {' '.join(changed)}")
            for name in changed:
                print(f"image: {put_hint(arguments, name)}")


def put_hint(arguments, path):
    """How one that has changed gets into the store, which keeps everything else."""
    name, suffix = os.path.splitext(os.path.basename(path))
    if suffix != ".elf":
        return f"{path} is for stores that are made anew; this one stays as it is"
    return f"with the system off: {arguments.mkstore} put {arguments.image} {path} /bin/{name}"


def is_used(arguments):
    """Has the system in this image ever run?  What cannot be read may be valuable too."""
    command = [arguments.mkstore, "info", "--json", arguments.image]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return True
    return not json.loads(result.stdout)["fresh"]


def fresh(arguments):
    if os.path.exists(arguments.image):
        os.close(open_exclusive(arguments.image, os.O_RDWR))
        if is_used(arguments) and not arguments.yes:
            question = f"{arguments.image} has been used. Discard what is in it? [y/N] "
            if not sys.stdin.isatty():
                raise Failure(f"{arguments.image} has been used; `make fresh YES=1` discards it")
            if input(question).strip().lower() not in ("y", "yes"):
                raise Failure("nothing was changed")
    create(arguments)


def fat(arguments):
    """A FAT file system with these files for each size of sectors, by mtools (so small
    a one is FAT12 where sectors are large)."""
    for sector in SECTORS:
        fat_for(arguments.files, esp_path(arguments.esp, sector), sector)


def fat_for(files, path, sector):
    size = (STORE_FIRST - ESP_FIRST) * SECTOR
    environment = dict(os.environ, TZ="UTC", SOURCE_DATE_EPOCH=CREATED_S, MTOOLS_SKIP_CHECK="1")

    def mtool(*command):
        subprocess.run(command, check=True, env=environment)

    new = path + ".new"
    with open(new, "wb") as file:
        file.truncate(size)
    # Heads and sectors per track only matter to mtools' own arithmetic.
    geometry = ["-h", "64", "-s", "32", "-T", str(size // sector), "-M", str(sector)]
    geometry += ["-H", str(ESP_FIRST * SECTOR // sector)]
    cluster = ["-c", str(max(1, 2048 // sector))]
    mtool("mformat", "-i", new, *geometry, *cluster, "-N", "50524431", "-v", "PERDURE", "::")
    made = set()
    for pair in files:
        source, _, target = pair.partition("=")
        parts = target.strip("/").split("/")
        for depth in range(1, len(parts)):
            directory = "/".join(parts[:depth])
            if directory not in made:
                mtool("mmd", "-i", new, f"::/{directory}")
                made.add(directory)
        mtool("mcopy", "-i", new, source, f"::/{'/'.join(parts)}")
    os.replace(new, path)


def main():
    parser = argparse.ArgumentParser(description="Makes the disk image of Perdure.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("fat", help="make the EFI partition's file system")
    command.add_argument("esp")
    command.add_argument("files", nargs="+", metavar="HOST=PATH")
    command.set_defaults(function=fat)
    for name, function in (("ensure", ensure), ("fresh", fresh)):
        command = commands.add_parser(name)
        command.add_argument("image")
        command.add_argument("--size", default="1G", help="of the whole disk (default 1G)")
        command.add_argument("--esp", required=True, help="the EFI partition's file system")
        command.add_argument("--core", required=True, help="GRUB's core image for BIOS")
        command.add_argument("--boot", default="/usr/lib/grub/i386-pc/boot.img")
        command.add_argument("--mkstore", required=True, help="the program that fills the store")
        command.add_argument("--manifest", required=True, help="the initial system")
        command.add_argument("--files", required=True, help="folder of the files it names")
        command.add_argument("--identity", help="of the store; fixes its time too")
        command.add_argument("--sector", type=int, choices=SECTORS, default=SECTOR,
                             help="bytes of the disk's own sectors (default 512)")
        command.add_argument("--yes", action="store_true", help="discard without asking")
        command.set_defaults(function=function)
    arguments = parser.parse_args()
    try:
        arguments.function(arguments)
    except (Failure, OSError, subprocess.CalledProcessError) as error:
        print(f"image: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

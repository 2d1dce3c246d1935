# SPDX-License-Identifier: MIT
"""test_disks.py - which disk is resumed: the one that was started, wherever it is."""

import os
import re
import signal

import pytest
from conftest import STORE_OFFSET, copy_sparse, make_image, mkstore, mkstore_json, set_menu, verify
from test_refusals import store_digest

from away import Away
from machine import Machine

REFUSED = "no store to resume"


def attached(name, image, more="", readonly=False):
    """A further disk."""
    drive = f"if=none,id={name},format=raw,file={image}" + (",readonly=on" if readonly else "")
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name},disable-legacy=on{more}"]


@pytest.fixture
def other(image):
    """Another store, of its own making."""
    path = image + ".other"
    make_image(path, "64M")
    yield path
    os.unlink(path)


@pytest.fixture
def copy(image, base_image):
    """The same store once more."""
    path = image + ".copy"
    copy_sparse(base_image, path)
    os.chmod(path, 0o644)
    yield path
    os.unlink(path)


def resumed(image):
    """Has this store been resumed since it was made?"""
    return not mkstore_json("info", image)["fresh"]


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
@pytest.mark.parametrize("place", ["first", "second"])
def test_the_one_that_was_started(image, other, firmware, place):
    """Two stores; the firmware starts one of them, the first or the second on the bus."""
    started = ["-device", "virtio-blk-pci,drive=disk,disable-legacy=on,bootindex=0"]
    disks = {"first": started + attached("more", other), "second": attached("more", other) + started}
    before = store_digest(other)
    with Machine(image, uefi=firmware == "uefi", disk=disks[place]) as machine:
        machine.wait_prompt()
        machine.command("echo mine > /notes/which")
        # The restore looks for the disk again.
        machine.command("snapshot here")
        machine.type("restore here\r")
        assert machine.wait_prompt().reason == "restored"
        machine.command("checkpoint")
    assert resumed(image) and mkstore("cat", image, "/notes/which").stdout == "mine\n"
    assert store_digest(other) == before
    verify(image)


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_two_copies(image, copy, firmware):
    """Which one is meant is not for a program to guess: both are named, none is touched."""
    before = store_digest(image), store_digest(copy)
    with Machine(image, uefi=firmware == "uefi", arguments=attached("more", copy)) as machine:
        machine.wait("2 disks hold the store that was started")
        said = machine.wait(f"(?s).*{REFUSED}")[0]
    identity = mkstore_json("info", image)["identity"]
    places = re.findall(r"PCI (\S+), partition at sector (\d+), \d+ sectors, store (\S+)", said)
    assert len(places) == 2 and places[0][0] != places[1][0], said
    assert {place[1:] for place in places} == {("36864", identity)}, said
    assert "mkstore identity" in said
    assert (store_digest(image), store_digest(copy)) == before


def test_copy_with_an_identity_of_its_own(image, copy):
    """As the refusal says: then the one that was started is resumed, be it the copy."""
    mkstore("identity", copy)
    first = ["-device", "virtio-blk-pci,drive=disk,disable-legacy=on,bootindex=0"]
    for started, beside in ((image, copy), (copy, image)):
        before = store_digest(beside)
        with Machine(started, disk=attached("more", beside) + first) as machine:
            machine.wait_prompt()
            machine.command("checkpoint")
        assert resumed(started) and store_digest(beside) == before
        verify(started)


def test_copies_of_another_store_do_not_matter(image, other):
    """Two copies beside the one that was started."""
    twin = other + ".twin"
    copy_sparse(other, twin)
    first = ["-device", "virtio-blk-pci,drive=disk,disable-legacy=on,bootindex=0"]
    try:
        disks = attached("more", other) + first + attached("twin", twin)
        with Machine(image, disk=disks) as machine:
            machine.wait_prompt()
            machine.command("checkpoint")
    finally:
        os.unlink(twin)
    assert resumed(image) and not resumed(other)


def test_started_from_a_disk_without_driver(image, other):
    """GRUB and its store are on a SATA disk: another store is not resumed in its place."""
    before = store_digest(other)
    disks = ["-device", "ide-hd,drive=disk,bootindex=0"] + attached("more", other)
    with Machine(image, disk=disks) as machine:
        said = machine.wait(f"(?s).*{REFUSED}")[0]
    assert mkstore_json("info", image)["identity"] in said and "on no virtio-blk disk" in said
    assert store_digest(other) == before


def test_menu_that_does_not_say(image, other):
    """A menu of somebody's own: one store is resumed, two are refused."""
    set_menu(image, without="module2 [^;]*")
    with Machine(image) as machine:
        machine.wait_prompt()
    before = store_digest(image), store_digest(other)
    with Machine(image, arguments=attached("more", other)) as machine:
        machine.wait("2 stores are attached, and the boot menu does not say")
        machine.wait(REFUSED)
    assert (store_digest(image), store_digest(other)) == before


def test_superblock_that_grub_reads_is_damaged(image, other):
    """The first superblock is lost: the second has the identity too."""
    with open(image, "r+b") as file:
        file.seek(STORE_OFFSET)
        file.write(bytes(4096))
    first = ["-device", "virtio-blk-pci,drive=disk,disable-legacy=on,bootindex=0"]
    with Machine(image, disk=attached("more", other) + first) as machine:
        machine.wait_prompt()
        machine.command("checkpoint")
    assert resumed(image) and not resumed(other)
    verify(image)


@pytest.mark.parametrize("machine_type, root, port", [
    ("q35", "pxb-pcie", ["-device", "pcie-root-port,id=behind,bus=root,chassis=9"]),
    ("pc", "pxb", []),
])
def test_behind_a_second_root(image, machine_type, root, port):
    """A root bus of its own, whose number only byte code of ACPI tells."""
    bus = "behind" if port else "root"
    disk = ["-device", f"{root},id=root,bus_nr=128", *port]
    disk += ["-device", f"virtio-blk-pci,drive=disk,disable-legacy=on,bus={bus}"]
    with Machine(image, disk=disk, machine=machine_type) as machine:
        machine.wait_prompt()
        machine.command("checkpoint")
    verify(image)


# ---- disks that stand still or cannot be read while the store is looked for ------------

STARTED = ["-device", "virtio-blk-pci,drive=disk,disable-legacy=on,bootindex=0"]
# GRUB has a driver for it and the kernel has not: what the kernel reads is all its own.
BESIDE = ["-device", "ide-hd,drive=disk,bootindex=0"]


def served(away, name):
    """A further disk, behind a server."""
    node = f"driver=nbd,node-name={name},reconnect-delay=600,server.type=unix"
    return ["-blockdev", f"{node},server.path={away.socket()}",
            "-device", f"virtio-blk-pci,drive={name},disable-legacy=on,rerror=report"]


def stop_at_menu(machine, *servers):
    """The firmware and GRUB have seen all disks; the kernel has not."""
    machine.wait("Resume with verbose log")
    for server in servers:
        server.signal(signal.SIGSTOP)
    machine.type("\r")


def test_others_stand_still(image, copy):
    """Disks before the one that was started hold up neither the boot nor a restore, and what
    one of them says later changes nothing; at the next boot it is seen to be a copy."""
    set_menu(image, timeout=-1)
    before = store_digest(copy)
    with Away(copy) as away:
        disks = served(away, "first") + served(away, "second") + STARTED
        with Machine(image, disk=disks) as machine:
            stop_at_menu(machine, away)
            machine.wait("2 disks did not answer and 0 could not be read: .* left alone")
            machine.wait_prompt()
            machine.command("snapshot here")
            machine.type("restore here\r")
            assert machine.wait_prompt().reason == "restored"
            away.signal(signal.SIGCONT)
            machine.command("echo mine > /notes/which")
            machine.command("checkpoint")
        assert store_digest(copy) == before and resumed(image)
        verify(image)
        with Machine(image, disk=served(away, "more") + STARTED) as machine:
            stop_at_menu(machine)
            machine.wait("2 disks hold the store that was started")
            machine.wait(REFUSED)
    assert store_digest(copy) == before


def test_two_beside_one_that_stands_still(image, copy, other):
    """Two stores of which the menu names none are refused, whatever a third disk holds."""
    set_menu(image, timeout=-1, without="module2 [^;]*")
    with Away(copy) as away:
        disks = served(away, "silent") + attached("more", other) + STARTED
        with Machine(image, disk=disks) as machine:
            stop_at_menu(machine, away)
            machine.wait("2 stores are attached, and the boot menu does not say")
            machine.wait(REFUSED)
    assert not resumed(other)


def test_the_started_one_stands_still(image, copy):
    """It is waited for without limit, and that is said."""
    set_menu(image, timeout=-1)
    with Away(copy) as away:
        with Machine(image, disk=BESIDE + served(away, "more")) as machine:
            stop_at_menu(machine, away)
            machine.wait("disk at PCI .*: it does not answer")
            machine.wait("not found yet: 1 disks do not answer, 0 cannot be read; they are asked")
            machine.wait("has not answered a read for .* it is waited for")
            away.signal(signal.SIGCONT)
            machine.wait_prompt()
            machine.command("checkpoint")
    assert resumed(copy)
    verify(copy)


def failing(image, *rules):
    """A further disk, `more`, with rules by which reads fail."""
    rules = [f"inject-error.{i}.event=none,inject-error.{i}.iotype=read{rule}"
             for i, rule in enumerate(rules)]
    return ["-blockdev", f"driver=file,node-name=bare,filename={image}",
            "-blockdev", ",".join(["driver=blkdebug,node-name=debug,image=bare", *rules]),
            "-blockdev", "driver=raw,node-name=more,file=debug",
            "-device", "virtio-blk-pci,drive=more,disable-legacy=on,rerror=report"]


def test_the_started_one_cannot_be_read(image, copy):
    """It is asked again and again; when it can be read, it is resumed."""
    with Machine(image, disk=BESIDE + failing(copy, "")) as machine:
        for _ in range(2):
            machine.wait("disk at PCI .*: it cannot be read")
            machine.wait("not found yet: 0 disks do not answer, 1 cannot be read; they are asked")
        machine.qmp("blockdev-reopen", options=[
            {"driver": "raw", "node-name": "more", "file": "bare"}])
        machine.wait_prompt()
        machine.command("checkpoint")
    assert resumed(copy)
    verify(copy)


def test_another_cannot_be_read(image, other):
    """That does not matter."""
    with Machine(image, disk=failing(other, "") + STARTED) as machine:
        machine.wait("0 disks did not answer and 1 could not be read: .* left alone")
        machine.wait_prompt()
        machine.command("checkpoint")
    assert resumed(image) and not resumed(other)


def test_each_first_read_fails(image, copy):
    """One error on each of the sectors that say where the store is, and which: none is a
    reason to pass the disk over, or to call a table damaged."""
    end, store = os.path.getsize(copy) // 512 - 1, STORE_OFFSET // 512
    sectors = [1, 2, 34, end, end - 1, store, store + 8]
    rules = [f",inject-error.{i}.once=on,inject-error.{i}.sector={sector}"
             for i, sector in enumerate(sectors)]
    with Machine(image, disk=BESIDE + failing(copy, *rules)) as machine:
        machine.wait_prompt()
        machine.command("checkpoint")
        assert "damaged" not in machine.text and "cannot" not in machine.text
    assert resumed(copy)
    verify(copy)


def test_the_only_record_cannot_be_read(image, copy):
    """That is no store without a generation: it is tried again."""
    rule = f".once=on,inject-error.{{}}.sector={STORE_OFFSET // 512 + 32}"
    # The ring is read in large pieces, and where that fails, record by record.
    rules = [f",inject-error.{i}" + rule.format(i) for i in range(2)]
    with Machine(image, disk=BESIDE + failing(copy, *rules)) as machine:
        machine.wait("cannot resume yet: slot 0 of the commit ring cannot be read, and no other "
                     "holds a generation: .*it is tried again in 1 s")
        machine.wait_prompt()
        machine.command("checkpoint")
    assert resumed(copy)
    verify(copy)


IOMMU = {"none": [], "intel": ["-device", "intel-iommu"], "amd": ["-device", "amd-iommu"]}
PLATFORM = ["-device", "virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=on"]


@pytest.mark.parametrize("iommu", IOMMU)
def test_addresses_by_the_platform(image, iommu):
    """The disk wants a driver that leaves its addresses to the platform: they are the same,
    without an IOMMU and with one that is off."""
    with Machine(image, disk=IOMMU[iommu] + PLATFORM) as machine:
        machine.wait_prompt()
        machine.command("checkpoint")
    verify(image)


@pytest.mark.parametrize("iommu, switch", [
    ("intel", "write_dword 0xfed90018 0x80000000"),
    ("amd", "write_dword 0xfed80018 1"),
])
def test_addresses_that_are_translated(image, iommu, switch):
    """The IOMMU was left switched on: said, and nothing is tried."""
    module = "/usr/lib/grub/i386-pc/memrw.mod=/perdure/memrw.mod"
    set_menu(image, more=f"insmod ($root)/perdure/memrw.mod\n{switch}", files=[module])
    before = store_digest(image)
    with Machine(image, disk=IOMMU[iommu] + PLATFORM) as machine:
        machine.wait("an IOMMU that is switched on translates its addresses.*iommu_platform=off")
        machine.wait(REFUSED)
    assert store_digest(image) == before


def test_behind_many_others(image, copy):
    """The disk with the store is the 25th: however many there are, each is looked at."""
    empty = image + ".empty"
    with open(empty, "wb") as file:
        file.truncate(1 << 20)
    disks = []
    for number in range(24):
        place = f",addr={4 + number // 8:#x}.{number % 8},multifunction=on"
        disks += attached(f"empty{number}", empty, place, readonly=True)
    disks += ["-device", "virtio-blk-pci,drive=disk,disable-legacy=on,addr=0x1e,bootindex=0"]
    try:
        with Machine(image, disk=disks) as machine:
            machine.wait_prompt()
        # And so is every one behind it.
        arguments = attached("more", copy, ",addr=0x1d")
        with Machine(image, disk=disks, arguments=arguments) as machine:
            machine.wait("2 disks hold the store")
            machine.wait(REFUSED)
    finally:
        os.unlink(empty)

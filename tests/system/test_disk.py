# SPDX-License-Identifier: MIT
"""test_disk.py - disks of all kinds, and disks that are slow, held, away or failing for a while.

Nothing is lost, nothing ends, it is said what is waited for, and what is not saved; when
the disk is well again everything is saved, and that is said, too.
"""

import hashlib
import os
import re
import signal
import subprocess
import threading

import pytest
from conftest import STORE_OFFSET, cat, demo, make_image, mkstore, mkstore_json, verify

from away import FAULTS, Away, Failing, Served, modern
from machine import Machine
from test_programs import wait_for

SILENT = r"perdure: the disk has not answered a \w+ for \d+ s"
AGAIN = r"perdure: the disk answers again"
SAVED = r"\A(?!(?s:.*)unsaved)"  # nothing of an answer
SECONDS_HELD = 35  # more than any limit on a request was


def works(machine, path="/notes/disk"):
    """What is written becomes durable."""
    machine.command(f"echo it works > {path}")
    assert "is durable" in machine.command("checkpoint")
    assert "it works" in machine.command(f"cat {path}")


def well_again(machine):
    works(machine)
    wait_for(machine, "store", SAVED)


def store_digest(image):
    with open(image, "rb") as file:
        file.seek(STORE_OFFSET)
        return hashlib.sha256(file.read(48 << 20)).hexdigest()


# ---- kinds of disks ---------------------------------------------------------------

KINDS = {
    # A request has three parts at least; without indirect descriptors just one fits.
    "queue of 4": (modern("queue-size=4", "indirect_desc=off"),
                   ["-global", "virtio-blk-device.seg-max-adjust=off"]),
    "queue of 16": (modern("queue-size=16", "indirect_desc=off"), []),
    "no messages": (modern("vectors=0"), []),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(image, kind):
    disk, more = KINDS[kind]
    with Machine(image, disk=more + disk) as machine:
        machine.wait_prompt()
        works(machine)
    verify(image)


def test_vhost_user(image):
    """Its size_max of 0 is no limit; another process does its work."""
    export = "type=vhost-user-blk,id=export,node-name=disk,addr.type=unix,addr.path=SOCKET,writable=on"
    command = ["qemu-storage-daemon", "--blockdev", f"driver=file,node-name=file,filename={image}"]
    command += ["--blockdev", "driver=raw,node-name=disk,file=file", "--export", export]
    with Served(command) as server:
        disk = ["-chardev", f"socket,id=server,path={server.socket}"]
        disk += ["-device", "vhost-user-blk-pci,chardev=server,disable-legacy=on"]
        shared = ["-object", "memory-backend-memfd,id=shared,size=256M,share=on"]
        shared += ["-machine", "memory-backend=shared"]
        with Machine(image, memory=256, drive=False, disk=disk, arguments=shared) as machine:
            machine.wait_prompt()
            works(machine)
    verify(image)


def test_large_sectors(image):
    """Sectors of 4096 bytes: UEFI starts from them, and nothing is written in parts."""
    make_image(image, "1G", "--sector", "4096")
    disk = modern("logical_block_size=4096", "physical_block_size=4096")
    with Machine(image, uefi=True, disk=disk) as machine:
        machine.wait_prompt()
        works(machine)
        machine.command("snapshot kept")
        machine.cut()
    with Machine(image, uefi=True, disk=disk) as machine:
        assert machine.wait_prompt().reason == "power cut"
        assert "it works" in machine.command("cat /notes/disk")
        machine.type("poweroff\r")
        machine.wait_off()
    verify(image)


def test_large_sectors_by_bios(image):
    """A BIOS that runs the boot sector shows what it says; `make run` says it for the others."""
    make_image(image, "64M", "--sector", "4096")
    disk = "nvme,drive=disk,serial=1,logical_block_size=4096,physical_block_size=4096"
    with Machine(image, disk=["-device", disk]) as machine:
        machine.wait(r"Perdure: .*sectors of 4096 bytes boots by UEFI only(.|\n)*512 bytes\.")
    environment = os.environ | {"ACCEL": "tcg", "UEFI": ""}
    with subprocess.Popen(["tools/build/run.sh", "terminal", image], env=environment, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        said = process.stdout.readline()
        process.kill()
    assert "sectors of 4096 bytes boots by UEFI only: UEFI=1" in said


def test_size_changes(image):
    """A disk that grows or shrinks while the system runs is spoken of."""
    size = os.path.getsize(image)
    arguments = ["-blockdev", f"driver=file,node-name=file,filename={image}"]
    arguments += ["-blockdev", "driver=raw,node-name=disk,file=file"]
    with Machine(image, drive=False, arguments=arguments) as machine:
        machine.wait_prompt()
        machine.qmp("block_resize", **{"node-name": "disk", "size": size + (64 << 20)})
        machine.wait(r"the disk has grown .*`grow` gives them to the store")
        machine.qmp("block_resize", **{"node-name": "disk", "size": size - (64 << 20)})
        machine.wait(r"the disk has shrunk .* enlarge it again")
        machine.qmp("block_resize", **{"node-name": "disk", "size": size})
        machine.wait(r"the disk has grown ")
        works(machine)
    verify(image)


# ---- slow, held, away ---------------------------------------------------------------

def test_host_stops(image):
    """QEMU is held, with requests in flight, for longer than any disk ever had."""
    with Machine(image, disk=modern(), arguments=["-set", "drive.disk.iops=20"]) as machine:
        machine.wait_prompt()
        machine.command("interval 50ms")
        for _ in range(2):
            machine.process.send_signal(signal.SIGSTOP)
            threading.Event().wait(SECONDS_HELD / 4)
            machine.process.send_signal(signal.SIGCONT)
            works(machine)
        machine.process.send_signal(signal.SIGSTOP)
        threading.Event().wait(SECONDS_HELD)
        machine.process.send_signal(signal.SIGCONT)
        well_again(machine)
    verify(image)
    assert cat(image, "/notes/disk") == "it works\n"


def test_server_stalls(image):
    """The server behind the disk stands still: what is in memory runs, then all goes on."""
    with Away(image) as away, away.machine() as machine:
        machine.wait_prompt()
        machine.command("date")
        machine.command("store")
        while demo(machine, "count") < 2:
            pass  # the counter is in memory once it counts
        away.signal(signal.SIGSTOP)
        machine.wait(SILENT)
        assert "UTC" in machine.command("date")
        counted = demo(machine, "count")
        while demo(machine, "count") < counted + 5:
            pass
        assert "unsaved      since 20" in machine.command("store")
        away.signal(signal.SIGCONT)
        machine.wait(AGAIN)
        well_again(machine)
    verify(image)


def test_grow_stalled(image):
    """`grow` does not hold the system while the disk stands still, and can be tried again."""
    with Away(image) as away, away.machine() as machine:
        machine.wait_prompt()
        assert "fills its disk" in machine.command("grow")
        machine.command("date")
        away.signal(signal.SIGSTOP)
        machine.wait(SILENT)
        for _ in range(2):
            assert "does not answer: try again" in machine.command("grow")
            assert "UTC" in machine.command("date")
        away.signal(signal.SIGCONT)
        machine.wait(AGAIN)
        assert "fills its disk" in machine.command("grow")
        works(machine)
    verify(image)


def test_server_restarts(image):
    """The server behind the disk goes away and comes back."""
    with Away(image) as away, away.machine() as machine:
        machine.wait_prompt()
        away.server.end()
        machine.wait(SILENT)
        away.server.start()
        machine.wait(AGAIN)
        works(machine)
    verify(image)


# ---- failing for a while -----------------------------------------------------------------

@pytest.mark.parametrize("fault", ["write", "flush", "no space on the host"])
def test_fails_for_a_while(image, fault):
    """What cannot be saved stays in memory, is spoken of, and saved when the disk is well."""
    with Away(image) as away, away.machine() as machine:
        machine.wait_prompt()
        works(machine, "/notes/before")
        machine.command("store")
        away.serve(FAULTS[fault])
        machine.wait(r"perdure: unsaved since \d\d:\d\d:\d\d UTC, generation \d+: the disk reported")
        machine.command("echo meanwhile > /notes/meanwhile")
        assert "meanwhile" in machine.command("cat /notes/meanwhile")
        wait_for(machine, "store", r"unsaved +since 20.*the disk reported an error")
        # Who asks waits, and need not.
        machine.type("checkpoint\r")
        machine.wait(r"checkpoint: waiting, for the disk ")
        machine.type("\x03")
        machine.wait(r"nothing new is durable yet")
        machine.wait("^perdure> ")
        away.serve()
        machine.wait("perdure: saved again: generation")
        well_again(machine)
    verify(image)
    assert cat(image, "/notes/meanwhile") == "meanwhile\n"


def test_poweroff_waits(image):
    """A power off waits for a disk that fails and comes when it is well; nothing is lost."""
    with Away(image) as away, away.machine() as machine:
        machine.wait_prompt()
        works(machine)
        machine.command("store")
        away.serve(FAULTS["flush"])
        machine.wait("perdure: unsaved since")
        machine.command("echo late > /notes/late")
        machine.type("poweroff\r")
        machine.wait("poweroff: waiting, for the disk ")
        away.serve()
        machine.wait_off()
    assert cat(image, "/notes/late") == "late\n"
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "clean"


def test_poweroff_lose(image):
    """Whoever cannot wait loses what is not saved, and nothing else."""
    with Away(image) as away, away.machine() as machine:
        machine.wait_prompt()
        works(machine)
        machine.command("store")
        away.serve(FAULTS["write"])
        machine.wait("perdure: unsaved since")
        machine.command("echo lost > /notes/lost")
        machine.type("poweroff --lose\r")
        machine.wait_off()
    verify(image)
    assert cat(image, "/notes/disk") == "it works\n"
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "power cut"


def failing_reads(image, times, sector):
    """A disk on which reads of one sector fail so many times."""
    rules = []
    for number in range(times):
        rule = f"inject-error.{number}"
        rules.append(f"{rule}.event=none,{rule}.iotype=read,{rule}.once=on,{rule}.sector={sector}")
    arguments = ["-blockdev", f"driver=file,node-name=file,filename={image}"]
    arguments += ["-blockdev", ",".join(["driver=blkdebug,node-name=debug,image=file", *rules])]
    arguments += ["-blockdev", "driver=raw,node-name=disk,file=debug"]
    return Machine(image, drive=False, disk=modern("rerror=report"), arguments=arguments)


def test_reads_fail_for_a_while(image):
    """A machine whose page cannot be read waits for it, and goes on when it can; a service
    tells its caller at once."""
    with Failing(image, "read") as machine:
        machine.wait_prompt()
        machine.command("checkpoint")
        machine.fail()
        assert "the disk reported an error" in machine.command("cp /bin/selftest /notes/copy")
        machine.type("run /bin/hello\r")
        machine.wait(r"machine \d+ waits for the page at address .* it is tried again")
        machine.heal()
        machine.wait(r"machine \d+ hello started\n")
        machine.wait(r"^perdure> ")
        machine.command("cp /bin/selftest /notes/copy")
        works(machine)
        assert not re.search("faulted|stopped", machine.command("ps"))
    verify(image)
    assert mkstore("get", image, "/notes/copy", "-").stdout == mkstore(
        "get", image, "/bin/selftest", "-").stdout


def test_boot_waits_for_reads(image):
    """A disk that fails while the store is mounted is tried again: an older generation
    would be resumed for one error."""
    with Machine(image) as machine:
        machine.wait_prompt()
        works(machine)
        machine.command("checkpoint")
        machine.type("poweroff\r")
        machine.wait_off()
    newest = mkstore_json("info", image)["generation"]
    record = STORE_OFFSET // 512 + 32 + (newest - 1) % 64 * 32
    # The ring is read in large pieces, and where that fails, record by record.
    with failing_reads(image, 2, record) as machine:
        machine.wait("perdure: cannot resume yet: .*it is tried again in 1 s")
        assert machine.wait_prompt().generation == newest
        assert "it works" in machine.command("cat /notes/disk")
    verify(image)


# ---- read-only ----------------------------------------------------------------------------

def test_read_only(image):
    """All runs in memory, and it is said that nothing is kept."""
    before = store_digest(image)
    drive = ["-drive", f"if=none,id=disk,format=raw,readonly=on,file={image}"]
    with Machine(image, drive=False, arguments=drive) as machine:
        machine.wait("perdure: the disk can only be read: .*nothing of it will be kept")
        machine.wait("^perdure> ")
        machine.command("echo in memory > /notes/x")
        assert "in memory" in machine.command("cat /notes/x")
        assert "Nothing is kept" in machine.command("about")
        assert "unsaved" in machine.command("store")
        assert "read-only" in machine.command("checkpoint")
        machine.type("poweroff\r")
        machine.wait_off()
    assert store_digest(image) == before

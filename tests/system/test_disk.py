# SPDX-License-Identifier: MIT
"""test_disk.py - disks of all kinds, and disks that are slow, held or away for a while.

Nothing is lost, nothing ends, and it is said what is waited for.
"""

import os
import signal
import subprocess
import tempfile
import threading
import time

import pytest
from conftest import cat, verify

from machine import Machine

SILENT = r"perdure: the disk has not answered a \w+ for \d+ s"
AGAIN = r"perdure: the disk answers again"
SECONDS_HELD = 35  # more than any limit on a request was


def modern(*options):
    return ["-device", ",".join(["virtio-blk-pci,drive=disk,disable-legacy=on", *options])]


class Served:
    """A process that serves an image as a disk, by a socket."""

    def __init__(self, command):
        self.folder = tempfile.mkdtemp(prefix="perdure-", dir="/tmp")
        self.socket = os.path.join(self.folder, "socket")
        self.command = [word.replace("SOCKET", self.socket) for word in command]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command)
        deadline = time.monotonic() + 60
        while not os.path.exists(self.socket):
            assert self.process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)

    def end(self):
        self.process.kill()
        self.process.wait()
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        os.rmdir(self.folder)


def works(machine, path="/notes/disk"):
    """What is written becomes durable."""
    machine.command(f"echo it works > {path}")
    assert "is durable" in machine.command("checkpoint")
    assert "it works" in machine.command(f"cat {path}")


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
        works(machine)
        assert "health" not in machine.command("store")
    verify(image)
    assert cat(image, "/notes/disk") == "it works\n"


def nbd(image):
    return Served(["qemu-nbd", "--persistent", "--shared=8", "--socket=SOCKET", "--format=raw",
                   "--cache=writeback", image])


def nbd_disk(server):
    return ["-blockdev", "driver=nbd,node-name=disk,reconnect-delay=600,"
            f"server.type=unix,server.path={server.socket}"]


def test_server_stalls(image):
    """The server behind the disk stands still, and then all goes on."""
    with nbd(image) as server, Machine(image, drive=False, arguments=nbd_disk(server)) as machine:
        machine.wait_prompt()
        server.process.send_signal(signal.SIGSTOP)
        machine.wait(SILENT)
        server.process.send_signal(signal.SIGCONT)
        machine.wait(AGAIN)
        works(machine)
    verify(image)


def test_server_restarts(image):
    """The server behind the disk goes away and comes back."""
    with nbd(image) as server, Machine(image, drive=False, arguments=nbd_disk(server)) as machine:
        machine.wait_prompt()
        server.end()
        machine.wait(SILENT)
        server.start()
        machine.wait(AGAIN)
        works(machine)
    verify(image)

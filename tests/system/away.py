# SPDX-License-Identifier: MIT
"""away.py - disks that fail from a moment on until they are well, by QEMU itself, or behind a
server that can stand still, go away, and come back with faults."""

import os
import subprocess
import tempfile
import time

from machine import Machine

# What the server then refuses: when, which requests, and with which number.
FAULTS = {
    "write": ("write_aio", "write", 5),
    "flush": ("none", "flush", 5),
    "read": ("read_aio", "read", 5),
    "no space on the host": ("write_aio", "write", 28),
}


def modern(*options):
    return ["-device", ",".join(["virtio-blk-pci,drive=disk,disable-legacy=on", *options])]


class Failing(Machine):
    """A machine whose disk fails in one way, from fail() on, until heal()."""

    def __init__(self, image, fault, **more):
        event, request, errno = FAULTS[fault]
        rule = f"inject-error.0.event={event},inject-error.0.iotype={request}"
        rule += f",inject-error.0.errno={errno}"
        arguments = ["-blockdev", f"driver=file,node-name=well,filename={image}"]
        arguments += ["-blockdev", f"driver=blkdebug,node-name=failing,image=well,{rule}"]
        arguments += ["-blockdev", "driver=raw,node-name=disk,file=well"]
        disk = modern("werror=report", "rerror=report")
        super().__init__(image, drive=False, disk=disk, arguments=arguments, **more)

    def _be(self, node):
        disk = {"driver": "raw", "node-name": "disk", "file": node}
        self.qmp("blockdev-reopen", options=[disk])

    def fail(self):
        self._be("failing")

    def heal(self):
        self._be("well")


class Served:
    """A process that serves an image as a disk, by a socket."""

    def __init__(self, command):
        self.folder = tempfile.mkdtemp(prefix="perdure-", dir="/tmp")
        self.socket = os.path.join(self.folder, "socket")
        self.command = [word.replace("SOCKET", self.socket) for word in command]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command)
        deadline = time.monotonic() + 600
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


class Away:
    """A disk behind a server that can stand still, go away, and come back with faults."""

    def __init__(self, image):
        self.image = image
        self.server = Served(self.command())

    def command(self, faults=()):
        options = ["driver=raw", "file.driver=blkdebug", "file.image.driver=file"]
        options.append(f"file.image.filename={self.image}")
        for number, (event, request, errno) in enumerate(faults):
            rule = f"file.inject-error.{number}"
            options += [f"{rule}.event={event}", f"{rule}.iotype={request}", f"{rule}.errno={errno}"]
        return ["qemu-nbd", "--persistent", "--shared=8", f"--socket={self.socket()}",
                "--image-opts", ",".join(options)]

    def socket(self):
        return self.server.socket if hasattr(self, "server") else "SOCKET"

    def machine(self):
        node = "driver=nbd,node-name=disk,reconnect-delay=600,server.type=unix"
        return Machine(self.image, drive=False, disk=modern("werror=report", "rerror=report"),
                       arguments=["-blockdev", f"{node},server.path={self.socket()}"])

    def serve(self, *faults):
        self.server.end()
        self.server.command = self.command(faults)
        self.server.start()

    def signal(self, number):
        self.server.process.send_signal(number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.__exit__()

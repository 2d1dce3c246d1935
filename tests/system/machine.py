# SPDX-License-Identifier: MIT
"""machine.py - a computer made by QEMU, with Perdure on its disk.

    with Machine(image) as machine:
        boot = machine.wait_prompt()
        text = machine.command("cat /demo/count")
        machine.cut()                    # pulls the plug

Always TCG: /dev/kvm may exist where guests cannot run.  Nothing waits for a
fixed time; every wait is for something to appear, and fails with what was seen
instead.  The limits are generous: what is in time on a machine ten times as slow as
another is not late.
"""

import codecs
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

LIMIT_S = 300
PROMPT = "perdure> "
OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"
RESUMED = re.compile(r"perdure: generation (\d+) resumed in ([\d.]+) ms \(([a-z ]+)\)")
# Cursor movements, colours and the like; what they do to a line is not modelled.
ESCAPE = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[=>()][A-Z0-9]?")
# What the kernel says when the host is slow, in the middle of whatever is shown then.
PLACE = r"\(PCI [0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\)"
ASIDE = re.compile(
    r"perdure: (?:"
    r"unsaved since \d\d:\d\d:\d\d UTC, generation \d+: [^\n;]+; all runs on in memory, and saving is tried again"
    r"|saved again: generation \d+ is durable, nothing was lost"
    rf"|the disk has not answered a [a-z]+ for \d+ s {PLACE}; it is waited for, nothing is lost"
    rf"|the disk has been away for \d+ s {PLACE}: [^\n;]+; it is waited for, nothing is lost"
    rf"|the disk answers again {PLACE}; everything goes on"
    rf"|the disk (?:answers what was not asked|answers without an outcome|asks to be reset) {PLACE}; it is reset and asked again"
    r"|machine \d+ waits for the page at address 0x[0-9a-f]+: the disk reported an error; it is tried again"
    r")\n"
)


def without_asides(text):
    return ASIDE.sub("", text)


def interrupted(text):
    """A pattern for text into which the kernel may have said something, in whole lines."""
    return r"(?:.*\n)*?".join(map(re.escape, text))


class Unexpected(AssertionError):
    pass


class Boot:
    """What the line printed at resume says."""

    def __init__(self, match):
        self.generation = int(match[1])
        self.milliseconds = float(match[2])
        self.reason = match[3]


class Machine:
    def __init__(self, image, memory=512, uefi=False, cpu="max", disk=None, drive=True, arguments=(),
                 machine="q35", accel="tcg", serial=True):
        """`disk`: arguments that attach drive `disk`, instead of one modern virtio-blk.

        `drive=False`: the arguments define the drive as well.
        """
        self.image = str(image)
        self.folder = tempfile.mkdtemp(prefix="perdure-", dir="/tmp")
        self.text = ""
        self.position = 0
        self.unsure = False  # whether the line is empty
        self.changed = threading.Condition()
        command = ["qemu-system-x86_64", "-machine", f"{machine},memory-backend=memory", "-accel", accel]
        command += ["-cpu", cpu, "-m", str(memory), "-nodefaults", "-display", "none"]
        # What the guest does not touch costs nothing: 8 GiB are had on a smaller host.
        command += ["-object", f"memory-backend-ram,id=memory,size={memory}M,reserve=off"]
        command += ["-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial" if serial else "none"]
        command += ["-qmp", f"unix:{self.folder}/qmp,server=on,wait=off"]
        if drive:
            command += ["-drive", f"if=none,id=disk,format=raw,discard=unmap,file={self.image}"]
        command += disk or ["-device", "virtio-blk-pci,drive=disk,disable-legacy=on"]
        if uefi:
            variables = os.path.join(self.folder, "variables")
            shutil.copy(OVMF_VARIABLES, variables)
            command += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}"]
            command += ["-drive", f"if=pflash,format=raw,file={variables}"]
        command += list(arguments)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self):
        raw = ""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                break
            raw += decoder.decode(data)
            # Keep back what may be the beginning of an escape sequence.
            cut = raw.rfind("\x1b", -16)
            ready, raw = (raw, "") if cut < 0 or ESCAPE.match(raw, cut) else (raw[:cut], raw[cut:])
            with self.changed:
                self.text += ESCAPE.sub("", ready).replace("\r", "")
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def running(self):
        return self.process.poll() is None

    def seen(self):
        with self.changed:
            return self.text[self.position :]

    def _find(self, pattern):
        """The match behind the position and where it ends in the text, asides left out if
        that helps: one can be in the middle of what is looked for."""
        asides = list(ASIDE.finditer(self.text, self.position))
        if asides:
            head = self.text[: self.position]
            match = pattern.search(head + without_asides(self.text[self.position :]), self.position)
            if match:
                end = match.end()
                for aside in asides:
                    end += len(aside[0]) if aside.start() < end else 0
                return match, end
        match = pattern.search(self.text, self.position)
        return match, match and match.end()

    def wait(self, pattern, limit_s=LIMIT_S):
        """Waits until the pattern appears; what follows it is for the next wait."""
        pattern = re.compile(pattern, re.M) if isinstance(pattern, str) else pattern
        deadline = time.monotonic() + limit_s
        with self.changed:
            while True:
                match, end = self._find(pattern)
                if match:
                    self.position = end
                    return match
                left = deadline - time.monotonic()
                if not self.reader.is_alive():
                    left = 0
                if left <= 0:
                    why = "" if self.running() else f"; QEMU ended, {self.process.returncode}"
                    raise Unexpected(
                        f"no {pattern.pattern!r} within {limit_s} s{why}; seen:\n"
                        + self.text[self.position :][-4000:]
                    )
                self.changed.wait(min(left, 1))

    def wait_resumed(self, limit_s=LIMIT_S):
        boot = Boot(self.wait(RESUMED, limit_s))
        self.unsure = True
        return boot

    def wait_prompt(self, limit_s=LIMIT_S):
        """Waits for the resume line and then the prompt.

        What was resumed can have had half of a line typed when the power went, and half of
        its echo still to be shown: the prompt is drawn over that.
        """
        boot = self.wait_resumed(limit_s)
        self.wait(PROMPT, limit_s)
        return boot

    def type(self, text):
        self.unsure = False
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def command(self, line, limit_s=LIMIT_S):
        """Types a command at the prompt; what it prints before the next prompt."""
        self.type(("\x15" if self.unsure else "") + line + "\r")
        # The echo may be drawn in pieces; the newline after it is the command's start.  A
        # line of the kernel's can come before it or into it, with a newline of its own.
        while "perdure: " in self.wait(r".*\n", limit_s)[0]:
            pass
        return self.wait_until(rf"^{PROMPT}", limit_s)

    def wait_until(self, pattern, limit_s=LIMIT_S):
        """Waits until the pattern appears; what was shown before it, without asides."""
        with self.changed:
            start = self.position
        match = self.wait(pattern, limit_s)
        with self.changed:
            said = without_asides(self.text[start : self.position])
        return said[: len(said) - len(match[0])]

    def qmp(self, execute, **arguments):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{self.folder}/qmp")
            stream = connection.makefile("rw")
            stream.readline()
            answers = []
            for message in (
                {"execute": "qmp_capabilities"},
                {"execute": execute, "arguments": arguments},
            ):
                stream.write(json.dumps(message) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
                while "event" in answer:
                    answer = json.loads(stream.readline())
                answers.append(answer)
        if "error" in answers[-1]:
            raise Unexpected(f"QMP {execute}: {answers[-1]['error']['desc']}")
        return answers[-1]["return"]

    def cut(self):
        """Power cut: the process is killed, the disk is as it is."""
        if self.running():
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()

    def off_or(self, pattern, limit_s=LIMIT_S):
        """True when the machine has switched itself off; false when it says this instead."""
        try:
            self.wait(pattern, limit_s)
            return False
        except Unexpected:
            if self.reader.is_alive():
                raise
            self.process.wait()
            return True

    def wait_off(self, limit_s=LIMIT_S):
        """Waits until the machine has switched itself off."""
        try:
            self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise Unexpected(f"not off after {limit_s} s; seen:\n{self.seen()[-4000:]}") from None
        self.reader.join()

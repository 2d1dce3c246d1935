# SPDX-License-Identifier: MIT
"""test_boot.py - every way to boot ends at the prompt; panics are readable."""

import os
import re
import subprocess

import pytest
from conftest import MKSTORE, PARTS, mkstore_json, verify

from machine import Machine

MACHINES = ["shell", "counter", "primes", "exchange", "traffic"]


def set_menu(image, words="", timeout=1, without=None, more="", files=()):
    """The same image with other words behind the kernel's name in GRUB's menu, which
    waits for so many seconds, without what matches, and with further commands when all
    is loaded and files beside the kernel."""
    with open("disk/grub.cfg", encoding="ascii") as file:
        config = file.read()
    assert "kernel.elf\n" in config and "set timeout=1\n" in config
    config = config.replace("kernel.elf\n", f"kernel.elf {words}".rstrip() + "\n", 1)
    config = config.replace("set timeout=1\n", f"set timeout={timeout}\n")
    if without:
        assert re.search(without, config)
        config = re.sub(without, "true", config)
    if more:
        loaded = 'module2 "$store" store; fi\n'
        assert loaded in config
        config = config.replace(loaded, loaded + more + "\n", 1)
    path = image + ".grub.cfg"
    esp = image + ".esp"
    with open(path, "w", encoding="ascii") as file:
        file.write(config)
    script = "tools/build/image.py"
    parts = [f"{PARTS}/bootx64.efi=/EFI/BOOT/BOOTX64.EFI", f"{path}=/perdure/grub.cfg"]
    parts += [f"{PARTS}/kernel.elf=/perdure/kernel.elf"]
    parts += files
    subprocess.run(["/usr/bin/python3", script, "fat", esp, *parts], check=True)
    command = ["/usr/bin/python3", script, "ensure", image, "--esp", esp]
    command += ["--core", f"{PARTS}/core.img", "--mkstore", MKSTORE]
    command += ["--manifest", "disk/system.manifest", "--files", "build/user"]
    subprocess.run(command, check=True)
    os.unlink(path)
    os.unlink(esp)


@pytest.mark.parametrize(
    "firmware, memory",
    [("bios", 32), ("bios", 512), ("bios", 8192), ("uefi", 64), ("uefi", 512), ("uefi", 8192)],
)
def test_boots_and_goes_on(image, firmware, memory):
    uefi = firmware == "uefi"
    with Machine(image, memory=memory, uefi=uefi) as machine:
        first = machine.wait_prompt()
        assert first.reason == "fresh"
        listed = machine.command("ps")
        for name in MACHINES:
            assert name in listed
        # Nothing is wrong, and nobody says so; nor that there is no screen.
        assert "error" not in machine.text
        assert "hello world" in machine.command("echo hello world")
        machine.command("checkpoint")
    with Machine(image, memory=memory, uefi=uefi) as machine:
        second = machine.wait_prompt()
        assert second.reason == "power cut"
        assert second.generation > first.generation
        machine.command("checkpoint")
    verify(image)


def test_clean_stop_is_told(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.type("poweroff\r")
        machine.wait_off()
    assert mkstore_json("info", image)["stop"] == "clean"
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "clean"


def test_verbose_log(image):
    """The second entry of GRUB's menu says more on its way to the same prompt."""
    with Machine(image) as machine:
        machine.wait_prompt()
        quiet = machine.text
    # Time enough to choose on any host.  Ctrl-N goes down as the arrow does, in one byte.
    set_menu(image, timeout=60)
    with Machine(image) as machine:
        machine.wait("Resume with verbose log")
        machine.type("\x0e\r")
        machine.wait_prompt()
        verbose = machine.text
    # Where the disk was found is for those who ask.
    assert "PCI 00:" in verbose and "PCI 00:" not in quiet


def test_panic_is_readable(image):
    """A non-maskable interrupt stands for any fault in the kernel."""
    set_menu(image, "panic=halt")
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("checkpoint")
        machine.qmp("inject-nmi")
        machine.wait(r"panic")
        report = machine.wait(r"(?s).*?(halted|stopped)")[0]
        assert "rip" in report.lower()
        assert "rsp" in report.lower()
        # The call chain has names of functions.
        assert any(name in report for name in ("arch_", "kernel_", "loop_", "trap_")), report
        assert machine.running()
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "power cut"


def test_panic_reboots_when_told(image):
    set_menu(image, "panic=reboot")
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("checkpoint")
        machine.qmp("inject-nmi")
        machine.wait(r"panic")
        assert machine.wait_prompt().reason == "power cut"
    verify(image)

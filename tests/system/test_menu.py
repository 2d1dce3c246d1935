# SPDX-License-Identifier: MIT
"""test_menu.py - the entries of GRUB's menu that hold machines back until somebody says so,
and what is chosen there."""

import re
import subprocess
import time

import pytest
from conftest import compiled, mkstore, set_menu, verify
from test_screen import HINT, wait_screen

from console import BACK, KERNEL, choose_entry, from_menu, kernel_command, power_off, send_break, throttle, until
from machine import Machine, interrupted


def test_menu_console(used_image):
    """Nothing runs before somebody says so; turning off leaves the state as it is."""
    count = mkstore("cat", used_image, "/demo/count").stdout
    with from_menu(used_image, "console") as machine:
        machine.wait("nothing runs before you say so")
        machine.wait(rf"^{KERNEL}")
        said = kernel_command(machine, "status")
        assert "none runs" in said
        assert int(re.search(r"(\d+) more are taken once machines run", said)[1]) > 100000
        assert re.search(r"ready +shell", kernel_command(machine, "machines"))
        power_off(machine)
        assert "resumed in" not in machine.text
    assert mkstore("cat", used_image, "/demo/count").stdout == count
    began = time.monotonic()
    with from_menu(used_image, "console") as machine:
        machine.wait(rf"^{KERNEL}")
        held = time.monotonic() - began
        time.sleep(held + 1)
        machine.type("continue\r")
        boot = machine.wait_resumed()
        # What somebody thought about at the console is no time that the resume took.
        assert boot.milliseconds / 1000 < time.monotonic() - began - held
        machine.wait(r"^perdure> ")
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        until(lambda: "more are taken" not in kernel_command(machine, "status"))
        power_off(machine)
    verify(used_image)


AFTER = "after-" + "x" * 57  # no name can be longer


def wide(text):
    return max(map(len, text.splitlines()))


def test_menu_choose(used_image):
    """The list says what there is; the choice is a restore like any other."""
    with Machine(used_image) as machine:
        machine.wait_prompt()
        machine.command("rm /notes/kept")
        machine.command("kill counter")
        machine.command(f"snapshot {AFTER}")
        machine.command("kill primes")
        power_off(machine)
    with from_menu(used_image, "choose") as machine:
        machine.wait("Enter: the present state")
        here, after, before = re.split(r"^ +\d+: ", machine.wait_until("or Enter: "), flags=re.M)
        assert "counter" not in here and "primes" not in here and "shell" in here
        assert re.search(rf"generation \d+, .* old,\s+{AFTER}$", after, re.M)
        assert "counter" not in after and "primes" in after
        assert "old, before" in before and "counter" in before and "primes" in before
        # What is none of them is asked for again, and the console is one key away.
        for wrong in ("7", "0", "2x", "two", "w" * 100):
            assert "none of these" in kernel_command(machine, wrong, "or Enter: ")
        assert "no older ones" in kernel_command(machine, "more", "or Enter: ")
        machine.type("\x03")
        machine.wait(interrupted("^C\n") + KERNEL)
        assert AFTER in (listed := kernel_command(machine, "snapshots"))
        assert wide(listed) < 80
        assert wide(kernel_command(machine, "choose", "or Enter: ")) < 80
        machine.type("1\r")
        machine.wait(r"^restore: snapshot 1, before, generation \d+, taken 20.* UTC, .* ago$")
        assert machine.wait_resumed().reason == "restored"
        machine.wait(r"^perdure> ")
        assert "kept" in machine.command("cat /notes/kept")
        assert "before-restore" in machine.command("snapshots")
        power_off(machine)
    verify(used_image)
    with from_menu(used_image, "choose") as machine:
        machine.wait("or Enter: ")
        machine.type("\r")
        assert machine.wait_prompt().reason == "clean"


def pages(said):
    """What is offered: the numbers, and what runs in each, in the pages as they were shown."""
    assert said.count("\n") < 24 and wide(said) < 80, said
    return re.split(r"^ +(\d+): .*$|^Enter: .*$", said, flags=re.M)[1:]


def test_choose_fits_the_screen(used_image):
    """However many there are: the newest first, older ones on demand, the shell before all."""
    with Machine(used_image) as machine:
        machine.wait_prompt()
        for number in range(10):
            machine.command(f"run -n still-{number} fault null")
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        machine.type("restart\r")
        machine.wait(r"^perdure> ")
        for number in range(2, 13):
            machine.command(f"snapshot '{number} {'n' * 55}'")
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        seen = pages(kernel_command(machine, "choose", "or Enter: "))
        seen += pages(kernel_command(machine, "more", "or Enter: "))
        said = kernel_command(machine, "more", "Which one")
        seen += pages(said)
        assert "no older ones" in kernel_command(machine, "more", "or Enter: ")
        assert [number for number in seen[::2] if number] == [str(number) for number in range(12, 0, -1)]
        for runs in seen[1::2]:
            assert re.match(r"\s+(\d+ n+\s+)?shell [a-z]+, (guard [a-z]+, )?counter ", runs), runs
        assert "still-0" in seen[1] and "still-9" not in seen[1] and "..." in seen[1]
        assert "still-0" not in seen[-1] and "..." not in seen[-1]
        # One of the first page is meant all the same, with Enter none is.
        machine.type("12\r")
        machine.wait(r"^restore: snapshot 12, 12 n+, generation")
        machine.wait_prompt()
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        machine.type("restore '12 " + "n" * 55 + "'\r")
        machine.wait(r"^restore: snapshot 12, ")
        machine.wait_prompt()
        power_off(machine)
    verify(used_image)


def test_menu_safe(used_image):
    """None runs but the shell and what is started or let go on; nothing is lost."""
    def primes():
        return float(re.search(r" primes .* (\d+\.\d+) ", machine.command("ps"))[1])

    def count():
        return machine.command("cat /demo/count")

    with from_menu(used_image, "safe") as machine:
        machine.wait("safe mode")
        machine.wait(r"^perdure> ")
        listed = machine.command("ps")
        for name in ("counter", "primes", "exchange", "peer", "traffic"):
            assert re.search(rf"{name} +stopped", listed), listed
        # What is said after a start that was asked for is true here, too.
        machine.type("reboot\r")
        choose_entry(machine, "safe")
        machine.wait("safe mode")
        said = machine.wait_until(r"^perdure> ")
        assert "reboot: done" in said and "goes on" not in said
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        assert "safe mode: only the shell runs" in kernel_command(machine, "status")
        assert re.search("stopped +primes", kernel_command(machine, "machines"))
        kernel_command(machine, "continue", BACK)
        before, counted = primes(), count()
        # A program of one's own runs, and the shell's commands work.
        machine.command("run spin 20")
        machine.command("continue counter")
        machine.command("checkpoint")
        until(lambda: count() != counted)
        assert primes() == before
        machine.command("continue")
        until(lambda: primes() != before)
        assert "stopped" not in machine.command("ps")
        power_off(machine)
    verify(used_image)
    # Only that boot was safe.
    set_menu(used_image)
    with Machine(used_image) as machine:
        machine.wait_prompt()
        assert "stopped" not in machine.command("ps")


@pytest.mark.parametrize("entry", ["choose", "safe", "console"])
def test_entry_with_a_screen(image, entry):
    """Somebody who looks there sees where the system talks."""
    with from_menu(image, entry, arguments=["-vga", "std"]) as machine:
        wait_screen(machine, "bios", HINT, r"perdure: generation \d+ ")


def nameless(image, tmp_path):
    """Takes the name of the terminal's machine out of the system page."""
    objects = compiled("host", "base", "tools", "store", "objects", "drivers", "kernel",
                       without=["tools/mkstore/main.c"])
    program = tmp_path / "nameless"
    subprocess.run(["gcc", "-std=gnu11", "-I.", "-w", "tests/system/nameless.c", *objects, "-llz4", "-o",
                    program], check=True)
    subprocess.run([program, image], check=True)


def test_typed_before_the_shell_reads(used_image, tmp_path):
    """In a state that does not say who serves the terminal, it is found out before the kernel
    says that nobody does."""
    nameless(used_image, tmp_path)
    with from_menu(used_image, "console") as machine:
        machine.wait(rf"^{KERNEL}")
        throttle(machine, iops_rd=10)
        machine.type("continue\r")
        start = machine.wait(interrupted("continue\n")).end()
        until(lambda: machine.type("#") or "perdure> " in machine.text[start:])
        assert not re.search(KERNEL, machine.text[start:])
        throttle(machine)
        machine.type("\x03")
        machine.wait(r"^perdure> ")
        power_off(machine)
    verify(used_image)

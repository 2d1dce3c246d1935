# SPDX-License-Identifier: MIT
"""test_console.py - when the shell cannot run or has ended there is the kernel's console.

And before that: what keeps the shell from ending.
"""

import json
import pathlib
import random
import re
import struct
import subprocess
import time

import pytest
from conftest import make_image, mkstore, mkstore_json, program_command, verify, wait_for

from console import (BACK, KERNEL, attached, damaged_file, from_menu, give_up, kernel_command, machine_number,
                     object_range, power_off, send_break, spoil, stall, until)
from machine import Machine, interrupted

SYSTEM_PAGE = 0x100000
TRANSIENT_AT, TRANSIENTS = 1288, 8  # where the system page notes objects that are to go


def works_again(machine):
    """A new shell has the terminal, and all that a shell can do."""
    machine.wait(r"^perdure> ")
    works_again_here(machine)


def works_again_here(machine):
    assert "kept" in machine.command("cat /notes/kept")
    assert "checkpoint" in machine.command("checkpoint")
    until(lambda: re.findall("shell|guard", machine.command("ps")) in (["guard", "shell"], ["shell", "guard"]))
    power_off(machine)


# ---- the console itself ---------------------------------------------------------------


@pytest.mark.parametrize("way", ["break", "keys"])
def test_person_asks(image, way):
    """The terminal is handed over in the middle of a line, and comes back with it."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.type("echo half a li")
        machine.wait(interrupted("half a li"))
        if way == "break":
            send_break(machine)
        else:
            # Two are none, and something between them begins anew.
            machine.type("\x1c\x1cne\x1c\x1c")
            machine.wait(interrupted("ne"))
            machine.type("\x1c")
        machine.wait(rf"^{KERNEL}")
        said = kernel_command(machine, "help")
        for word in ("status", "log", "machines", "restart", "restore", "reboot", "poweroff"):
            assert re.search(rf"^{word}\b", said, re.M), word
        assert max(map(len, said.split("\n"))) <= 80
        assert "is durable" in kernel_command(machine, "status")
        until(lambda: re.search(r"\d+  ready +primes", kernel_command(machine, "machines")))
        assert "resumed in" in kernel_command(machine, "log")
        assert kernel_command(machine, "log 1").count("\n") == 1
        assert "no such command" in kernel_command(machine, "frobnicate")
        assert kernel_command(machine, "status now") == "usage: status \n"
        assert kernel_command(machine, "restore") == "usage: restore SNAPSHOT\n"
        assert "no such snapshot" in kernel_command(machine, "restore nothing")
        machine.type("continue\r")
        machine.wait("echo half a li")
        machine.type("ne\r" if way == "break" else "\r")
        machine.wait(r"^half a line$")
        machine.wait(r"^perdure> ")
        power_off(machine)
    verify(image)


def test_shell_killed(used_image):
    with Machine(used_image) as machine:
        machine.wait_prompt()
        shell = machine_number_live(machine)
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        for number in ("9999", "1"):  # the second is the root directory
            assert "no such machine" in kernel_command(machine, f"kill {number}")
        assert "destroyed" in kernel_command(machine, f"kill {shell}")
        assert "has ended" in kernel_command(machine, "status")
        assert "has ended" in kernel_command(machine, "continue")
    # It has ended in what is on the disk as well, or comes back whole.
    with Machine(used_image) as machine:
        machine.wait(rf"^{KERNEL}|^perdure> ")
        if machine.text.endswith("perdure> "):
            send_break(machine)
            machine.wait(rf"^{KERNEL}")
        machine.type("restart\r")
        works_again(machine)
    verify(used_image)


def machine_number_live(machine):
    return int(re.search(r"(\d+)  shell ", machine.command("ps"))[1])


def test_restart_beside_a_living_shell(used_image):
    """The old one and its guard are gone, the new one has what a shell has."""
    with Machine(used_image) as machine:
        machine.wait_prompt()
        old = machine_number_live(machine)
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        machine.type("restart\r")
        machine.wait(r"^perdure> ")
        listed = machine.command("ps")
        assert listed.count(" shell ") == 1 and listed.count(" guard ") == 1
        assert machine_number_live(machine) != old
        machine.command("echo new > /notes/new")
        machine.command("checkpoint")
    with Machine(used_image) as machine:
        machine.wait_prompt()
        assert "new" in machine.command("cat /notes/new")
        assert "before" in machine.command("snapshots")
        power_off(machine)
    verify(used_image)


def machines_of(image):
    return sorted(machine["name"] for machine in mkstore_json("ps", image)["machines"])


def test_restart_before_anything_is_read(used_image):
    """Nothing of the old shell and its guard is in memory: both go all the same, with all
    they had."""
    names = machines_of(used_image)
    for _ in range(3):
        with from_menu(used_image, "console") as machine:
            machine.wait(rf"^{KERNEL}")
            assert "a new shell is made" in kernel_command(machine, "restart")
            machine.type("continue\r")
            machine.wait(r"^\[a new shell\]$")
            machine.wait(r"^perdure> ")
            power_off(machine)
        assert machines_of(used_image) == names
        assert mkstore_json("verify", used_image)["totals"]["unreached_objects"] == 0


def large(program, pages):
    """The program with so much more memory that is zero at first: it takes time to make."""
    elf = bytearray(program.read_bytes())
    table, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for at in range(table, table + size * count, size):
        kind, flags = struct.unpack_from("<II", elf, at)
        if kind == 1 and flags & 2:
            memory, = struct.unpack_from("<Q", elf, at + 40)
            struct.pack_into("<Q", elf, at + 40, memory + pages * 4096)
    return bytes(elf)


def transient(image):
    """The objects that are noted to go, in the newest generation; None if it moved on."""
    page = mkstore("dump", "--live", image, "page", str(SYSTEM_PAGE), "--json", code=None)
    if page.returncode:
        return None
    page = bytes.fromhex(json.loads(page.stdout)["bytes"])
    entries = struct.iter_unpack("<QII", page[TRANSIENT_AT : TRANSIENT_AT + 16 * TRANSIENTS])
    return [number for version, number, _ in entries if version]


@pytest.fixture
def large_image(used_image, tmp_path):
    """With a program that takes long to be made."""
    (tmp_path / "large").write_bytes(large(pathlib.Path("build/user/hello.elf"), 131072))
    mkstore("put", used_image, tmp_path / "large", "/bin/large")
    return used_image


def in_the_middle(machine, image):
    """A new shell is being made, and a generation holds what there is of it."""
    machine.command("interval 100ms")
    send_break(machine)
    machine.wait(rf"^{KERNEL}")
    machine.type("restart /bin/large\r")
    machine.wait(interrupted("large\n"))
    until(lambda: transient(image))


def as_it_was(image, before):
    """The next life has the shell of before, and nothing is left that nobody has."""
    names, numbers = before
    with Machine(image) as machine:
        machine.wait_prompt()
        assert "kept" in machine.command("cat /notes/kept")
        power_off(machine)
    assert (machines_of(image), machine_number(image, "shell")) == (names, numbers)
    assert transient(image) == []
    assert mkstore_json("verify", image)["totals"]["unreached_objects"] == 0
    verify(image)


@pytest.fixture
def before(large_image):
    """What there is without a restart."""
    with Machine(large_image) as machine:
        machine.wait_prompt()
        power_off(machine)
    return (machines_of(large_image), machine_number(large_image, "shell"))


def test_restart_given_up(large_image, before):
    """The old shell goes on, and nothing of the new one is left."""
    with Machine(large_image) as machine:
        machine.wait_prompt()
        in_the_middle(machine, large_image)
        machine.type("\x03")
        machine.wait(interrupted("^C\n") + KERNEL)
        until(lambda: "not started" not in kernel_command(machine, "machines"))
        machine.type("continue\r")
        machine.wait(r"^perdure> ")
        power_off(machine)
    as_it_was(large_image, before)


def test_restart_meddled_with(large_image, before, tmp_path):
    """Who may get hold of every machine has filled the new one before it begins."""
    subprocess.run(program_command("tests/system/hog.c", tmp_path / "hog"), check=True)
    mkstore("put", large_image, tmp_path / "hog", "/bin/hog")
    with Machine(large_image) as machine:
        machine.wait_prompt()
        machine.command("run -g hog meddle")
        wait_for(machine, "log 20", "it meddles")
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        said = kernel_command(machine, "restart /bin/large")
        assert "no new shell could be made: another operation" in said
        kernel_command(machine, "continue", BACK)
        machine.command("kill hog")
        power_off(machine)
    as_it_was(large_image, before)


def test_restart_cut(large_image, before):
    """The power goes while a new shell is made; then the same out of a snapshot."""
    with Machine(large_image) as machine:
        machine.wait_prompt()
        in_the_middle(machine, large_image)
        machine.cut()
    assert transient(large_image)
    verify(large_image)
    mkstore("snapshot", large_image, "middle")
    as_it_was(large_image, before)
    mkstore("restore", large_image, "middle")
    assert transient(large_image)
    as_it_was(large_image, before)


@pytest.mark.parametrize("delay", [0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_restart_cut_anywhere(used_image, delay):
    """There is the old shell or the new one, whole, and one guard at most."""
    with Machine(used_image) as machine:
        machine.wait_prompt()
        machine.command("interval 10ms")
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        machine.type("restart\r")
        machine.wait(interrupted("restart\n"))
        time.sleep(delay)
    verify(used_image)
    with Machine(used_image) as machine:
        machine.wait_prompt()
        until(lambda: (ps := machine.command("ps")).count(" shell ") == 1 and ps.count(" guard ") == 1)
        works_again_here(machine)
    assert transient(used_image) == []
    verify(used_image)


# ---- the shell cannot run ----------------------------------------------------------------


def test_shell_cannot_be_read(used_image):
    """Its machine page is damaged."""
    assert spoil(used_image, object_range(used_image, machine_number(used_image, "shell"))[0])
    with Machine(used_image) as machine:
        machine.wait("the shell cannot run")
        machine.wait(rf"^{KERNEL}")
        assert "cannot be read" in kernel_command(machine, "machines")
        machine.type("restart\r")
        works_again(machine)


def test_damaged_machine_is_killed(used_image):
    """Meeting its damage again and again, its end comes to an end."""
    primes = machine_number(used_image, "primes")
    counter = machine_number(used_image, "counter")
    assert spoil(used_image, object_range(used_image, primes)[0])
    assert spoil(used_image, object_range(used_image, counter)[0])
    with Machine(used_image) as machine:
        machine.wait_prompt()
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        assert "destroyed" in kernel_command(machine, f"kill {primes}")
        assert "cannot be read" in kernel_command(machine, "machines")
        assert "destroyed" in kernel_command(machine, f"kill {counter}")
        assert "cannot be read" not in kernel_command(machine, "machines")
        machine.type("continue\r")
        machine.wait(r"^perdure> ")
        machine.command("checkpoint")
        power_off(machine)
    with Machine(used_image) as machine:
        machine.wait_prompt()
        power_off(machine)


def test_memory_of_shell_damaged(used_image):
    """Its code and data cannot be read: not even the keeper can put it on its feet."""
    shell = machine_number(used_image, "shell")
    assert sum(spoil(used_image, first + i) for first, pages in attached(used_image, shell)
               for i in range(min(pages, 64))) > 8
    with Machine(used_image) as machine:
        machine.wait("the shell has faulted: a page of its memory cannot be had")
        machine.wait(rf"^{KERNEL}")
        machine.type("restart\r")
        works_again(machine)


def test_program_of_shell_damaged(used_image):
    """There is nothing to make a new one of: nothing is given up, and a restore helps."""
    assert spoil(used_image, object_range(used_image, machine_number(used_image, "shell"))[0])
    program = json.loads(mkstore("map", used_image, "/bin/shell", "--json").stdout)["page"]
    assert spoil(used_image, program) and spoil(used_image, program + 3)
    with Machine(used_image) as machine:
        machine.wait(rf"^{KERNEL}")
        assert "checksum; nothing was changed" in kernel_command(machine, "restart")
        assert "nothing was changed" in kernel_command(machine, "restart /bin/none")
        assert "not a program" in kernel_command(machine, "restart /notes/welcome")
        machine.type("restore before\r")
        machine.wait_resumed()
        works_again(machine)


def test_without_a_guard(image, tmp_path):
    """A shell that has no keeper says so, once; what it faults on ends it, and a new one is made."""
    damaged_file(image, tmp_path, "/notes/damaged")
    missing = "shell: runs without its guard: /bin/guard: no such name"
    with Machine(image) as machine:
        machine.wait_prompt()
        assert "given up" in machine.command("cat /notes/damaged")
        assert "without" not in machine.command("rm /bin/guard")
        for _ in range(2):
            send_break(machine)
            machine.wait(rf"^{KERNEL}")
            machine.type("restart\r")
            machine.wait(missing)
            machine.wait(r"^perdure> ")
            assert missing not in machine.command("ps")
            machine.type("cat /notes/damaged\r")
            machine.wait("the shell has faulted")
            machine.wait(rf"^{KERNEL}")
            machine.type("restart\r")
            machine.wait(r"^perdure> ")
        power_off(machine)


# ---- the disk is away ------------------------------------------------------------------


def goes_on(machine):
    """The disk answers again, and the machine has not been turned off by the next commits."""
    kernel_command(machine, "continue", BACK)
    for _ in range(2):
        assert "checkpoint" in machine.command("checkpoint")


def test_disk_is_away(image):
    """Nothing that the console must do needs the disk; what waits for it can be given up."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("interval 1h")
        machine.command("snapshot kept")
        stall(machine)
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        assert "is durable" in kernel_command(machine, "status")
        kernel_command(machine, "log")
        # Its own commit is under way.
        give_up(machine, "poweroff")
        stall(machine, False)
        goes_on(machine)
        # Another one is.
        machine.command("interval 1s")
        stall(machine)
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        until(lambda: "the disk does not answer" in kernel_command(machine, "status"))
        give_up(machine, "poweroff")
        said = give_up(machine, "delete kept")
        stall(machine, False)
        goes_on(machine)
        assert "may still be done" in said or " kept" in machine.command("snapshots")
        # On what is in flight when the machine turns off the host does not go back: no
        # commit is, or it could become durable yet.
        machine.command("interval 1h")
        machine.command("checkpoint")
        stall(machine)
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        machine.type("poweroff --lose\r")
        machine.wait("stays; what is newer is given up")
        machine.wait_off()
    verify(image)
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "power cut"


# ---- a full store -----------------------------------------------------------------------


COMMANDS = """help
ls /bin
cat /notes/welcome
hexdump /bin/hello 0 64
echo hi > /notes/x
cp /notes/welcome /notes/y
mv /notes/welcome /notes/z
mkdir /notes/d
rmdir /notes/d
ps
state primes
run hello
stop primes
continue primes
kill traffic
checkpoint
interval 1s
snapshot again
snapshots
rename again other
retention
store
mem
uptime
date
about
log
log -k
history
grow
delete other
rm /notes/z
""".splitlines()


def fill(machine, what, most):
    """Copies it until there is no room for one more."""
    for number in range(most):
        said = machine.command(f"cp {what} {what}{number}")
        if said.strip():
            assert re.search("full|allowance|given up", said), said
            return
    raise AssertionError(f"{most} copies of {what} do not fill the store")


def test_full_store(tmp_path):
    """Each command comes to an end and the shell goes on, now and at the next boot."""
    image = str(tmp_path / "full.img")
    block = tmp_path / "block"
    make_image(image, "64M")
    block.write_bytes(random.Random(8).randbytes(1 << 20))
    mkstore("put", image, block, "/notes/block")
    with Machine(image) as machine:
        machine.wait_prompt()
        fill(machine, "/notes/block", 64)
        fill(machine, "/notes/welcome", 1024)
        machine.command("snapshot full")
        for line in COMMANDS:
            said = machine.command(line)
            assert "`log -k`" not in said, (line, said)
        machine.command("checkpoint")
    with Machine(image) as machine:
        machine.wait_prompt()
        for line in COMMANDS:
            machine.command(line)
        # Where there is no room for two shells, the old one is given up for the new one, which may
        # get its number.
        machine.command("snapshot again")
        fill(machine, "/bin/hello", 1024)
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        machine.type("restart\r")
        machine.wait(r"^perdure> ")
        assert "snapshot again" not in machine.command("history")
        power_off(machine)
    verify(image)

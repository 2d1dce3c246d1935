# SPDX-License-Identifier: MIT
"""test_programs.py - programs that try what is not allowed, and what the others notice."""

import mmap
import os
import random
import re
import subprocess
import time

import pytest
from conftest import (demo, demos_are_exact, mkstore, mkstore_json, program_command, verify,
                      wait_for)

from machine import LIMIT_S, Machine

FAULTS = {
    "divide": "division by zero",
    "null": "not attached",
    "privileged": "protection violation",
    "undefined": "undefined or privileged instruction",
    "code": "not attached, or not for this use",
    "data": "not attached, or not for this use",
    "stack": "not attached",
    "kernel": "not attached",
    "entry": "system call that does not exist",
    "breakpoint": "breakpoint",
}


def others_are_well(machine):
    """The first machines work, none has seen anything wrong."""
    before = demo(machine, "count")
    wait_for(machine, "cat /demo/count", rf"^(?!{before}$)\d+$")
    demos_are_exact(machine)


def test_selftest(image):
    """Every operation of kernel/abi.h, with its errors, from ring 3; twice, the
    second time after a power cut in the middle of it."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("run hello 'was here before'")
        machine.command("run -g selftest")
        assert wait_for(machine, "cat /demo/selftest", r"(\d+) failed")[1] == "0", machine.command(
            "log 40"
        )
        machine.command("rm /demo/selftest")
        machine.command("run -g selftest")
        machine.command("checkpoint")
    with Machine(image) as machine:
        machine.wait_prompt()
        assert wait_for(machine, "cat /demo/selftest", r"(\d+) failed")[1] == "0", machine.command(
            "log 40"
        )
        # What it has to say is one line, and what others have said can still be read.
        said = machine.command("log 1000")
        assert "was here before" in said
        assert len(said) < 6 * 1024, said
        others_are_well(machine)
        machine.type("poweroff\r")
        machine.wait_off()
    assert mkstore_json("verify", image)["totals"]["unreached_objects"] == 0


def test_selftest_beside_others(image):
    """The same result, whatever ran before and runs beside it."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("stop primes")
        for seed in (1, 3):
            machine.command(f"run -m 64M hostile 50000 {seed}")
        for _ in range(2):
            machine.command("run -g selftest")
        wait_for(machine, "log 1000", r"(?s)(selftest: \d+ passed.*){2}")
        results = re.findall(r"selftest: (\d+) passed, (\d+) failed", machine.command("log 1000"))
        assert {failed for _, failed in results} == {"0"}, machine.command("log 1000")
        assert len(set(results)) == 1
        machine.cut()
    verify(image)


def test_faults_are_visible_and_stop_nobody_else(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        for kind in FAULTS:
            machine.command(f"run -n fault-{kind} fault {kind}")
        for kind, reason in FAULTS.items():
            wait_for(machine, f"state fault-{kind}", f"faulted(?s:.*){reason}")
        others_are_well(machine)
        # Trying again is no cure, but does no harm either; killing is one.
        assert "goes on" in machine.command("continue fault-null")
        wait_for(machine, "state fault-null", "faulted")
        for kind in FAULTS:
            assert "destroyed" in machine.command(f"kill fault-{kind}")
        assert "fault-" not in machine.command("ps")


def steady_objects(machine):
    """How many objects there are, when two looks with a checkpoint between agree."""
    before = None
    deadline = time.monotonic() + LIMIT_S
    while True:
        machine.command("checkpoint")
        found = wait_for(machine, "store", r"(\d+) objects")[1]
        if found == before:
            return found
        before = found
        assert time.monotonic() < deadline, found


def test_hostile_calls(image):
    """Senseless system calls: the kernel answers, and the rest goes on.  The bank has
    as many objects as before: nothing that was made is lost."""
    calls = 100000
    seed = int(os.environ.get("PERDURE_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"PERDURE_SEED={seed}")
    with Machine(image) as machine:
        machine.wait_prompt()
        # When all have made what they need, the shell's heap and guard included.
        wait_for(machine, "cat /demo/primes", "found [1-9]")
        machine.command("stop primes")
        machine.command("cat /demo/count /notes/welcome > /notes/warm")
        before = steady_objects(machine)
        machine.command(f"run -m 64M hostile {calls} {seed | 1}")
        match = wait_for(machine, "log 1000", r"(\d+) calls by (\d+) machines")
        assert int(match[1]) >= calls
        machine.command("continue primes")
        # Its bank would end with it, with all that was lost: before that, nothing is.
        match = wait_for(machine, "log 1000", r"(\d+) objects before, (\d+) behind it")
        assert match[1] == match[2]
        wait_for(machine, "log 1000", "hostile ended, code 0")
        assert "hostile" not in machine.command("ps")
        wait_for(machine, "store", rf"\b{before} objects")
        others_are_well(machine)
        machine.type("poweroff\r")
        machine.wait_off()
    verify(image)


@pytest.fixture
def damaged(image, tmp_path):
    """An image in which the second page of /notes/random is damaged."""
    content = os.urandom(4 * 4096)
    (tmp_path / "random").write_bytes(content)
    mkstore("put", image, tmp_path / "random", "/notes/random")
    # Two generations more: damage in the newest one would be a torn commit.
    for name in ("one", "two"):
        mkstore("put", image, "LICENSE", f"/notes/{name}")
    with open(image, "r+b") as file, mmap.mmap(file.fileno(), 0) as disk:
        place = disk.find(content[4096:4608])
        assert place > 0
        disk[place + 77] ^= 1
    return image


def test_damaged_page_costs_only_the_command(damaged):
    with Machine(damaged) as machine:
        machine.wait_prompt()
        assert "given up" in machine.command("hexdump /notes/random 4096 16")
        assert "given up" not in machine.command("hexdump /notes/random 8192 16")
        assert "given up" in machine.command("cp /notes/random /notes/copy")
        assert "copy" not in machine.command("ls /notes")
        assert "given up" in machine.command("cat /notes/random > /notes/copy")
        assert "checksum" in machine.command("log -k")
        others_are_well(machine)
        machine.command("echo goes on > /notes/after")
        machine.command("checkpoint")
    with Machine(damaged) as machine:
        machine.wait_prompt()
        assert machine.command("cat /notes/after") == "goes on\n"
        # The keeper is as persistent as the shell that it keeps.
        assert "given up" in machine.command("hexdump /notes/random 4096 16")


def test_new_program_from_the_host(image):
    """A program put into the store from outside runs; what is none is refused."""
    mkstore("put", image, "build/user/hello.elf", "/notes/mine")
    mkstore("put", image, "LICENSE", "/notes/licence")
    with Machine(image) as machine:
        machine.wait_prompt()
        assert "started" in machine.command("run /notes/mine one 'two words'")
        wait_for(machine, "log 20", "mine: hello from mine, 2 arguments")
        wait_for(machine, "log 20", "argument 2: two words")
        assert "not a program" in machine.command("run /notes/licence")
        assert "mine: no such program" in machine.command("run mine")
        assert "priority is 0 to 8" in machine.command("run -p 16 hello")
        assert "usage: run" in machine.command("run -x hello")


def test_data_of_a_message_stay(image, tmp_path):
    """What was received is the receiver's, whatever he says before he uses it."""
    subprocess.run(program_command("tests/system/notes.c", tmp_path / "notes"), check=True)
    mkstore("put", image, tmp_path / "notes", "/bin/notes")
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("run -n notes notes")
        wait_for(machine, "ls /demo", "notes")
        machine.command("run -n writer notes 'buy milk'")
        wait_for(machine, "log 20", "writer: answer: noted buy milk\n")
        assert "notes: note: buy milk\n" in machine.command("log 20")


def test_traffic_light_serves_its_queue(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        # The button is there when the light has put its port under a name.
        wait_for(machine, "ls /demo", "traffic")
        machine.command("run press 2 /demo/traffic 1")
        wait_for(machine, "log 20", "press ended, code 0")
        machine.command("run press 2 /demo/traffic")
        wait_for(machine, "log 20", r"failed: usage: press \[TIMES \[PATH EVENT\]\]")
        machine.command("run press 5")
        # Some cross while others still press.
        told = wait_for(machine, "log 1000", r"press: (\d+) wait, (\d+) have crossed")
        pressed = int(told[1]) + int(told[2])
        assert pressed >= 7

        def crossed():
            said = machine.command("log 1000")
            return [int(number) for number in re.findall(r"traffic: \d+ cross, (\d+) in all", said)]

        deadline = time.monotonic() + LIMIT_S
        while max(crossed(), default=0) < pressed:
            assert time.monotonic() < deadline

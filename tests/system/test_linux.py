# SPDX-License-Identifier: MIT
"""test_linux.py - static Linux programs, run by a keeper: the same bytes run here as well, so what
they say there is known."""

import os
import random
import re
import shutil
import struct
import subprocess
import time

import pytest

from conftest import cat, mkstore, verify
from console import power_off
from machine import LIMIT_S, Machine
from test_banks import OWN, banks

MUSL = "/usr/lib/x86_64-linux-musl"
LUA = "/usr/lib/x86_64-linux-gnu/liblua5.4.a"
FOLDER = "tests/system/linux"
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
CUTS = 10
PAUSE_S = 0.2


def build(made, source, *more, pie=False, flags=()):
    """A static program; `pie`: position-independent, for which musl-gcc has no option that works."""
    made, result = str(made), f"{made}.o"
    subprocess.run(["musl-gcc", "-O2", *WARNINGS, "-fPIE" if pie else "-fno-pie", *flags, "-c", source,
                    "-o", result], check=True)
    how = ["-nostartfiles", "-static", "-Wl,-pie,--no-dynamic-linker,-z,text", f"{MUSL}/rcrt1.o"]
    subprocess.run(["musl-gcc", *(how if pie else ["-static", "-no-pie"]), result, *more, "-o", made],
                   check=True)
    return made


def build_lua(folder):
    """Debian's library, the headers without those of its C library."""
    headers = folder / "headers"
    headers.mkdir()
    shutil.copy("/usr/include/x86_64-linux-gnu/lua5.4-deb-multiarch.h", headers)
    flags = ["-isystem", str(headers), "-isystem", "/usr/include/lua5.4"]
    # The linker warns of dlopen in a static program.
    return build(folder / "lua", f"{FOLDER}/lua.c", LUA, pie=True, flags=flags)


def lines_of(machine, name):
    """What this machine has said in the log."""
    return re.findall(rf"^[\d.]+ \d+ {name}: (.*)$", machine.command("log 1000"), re.M)


def ask(machine, line, pattern):
    """Asks until the answer matches, with pauses: whoever is asked all the time does nothing else."""
    deadline = time.monotonic() + LIMIT_S
    while not (match := re.search(pattern, said := machine.command(line))):
        assert time.monotonic() < deadline, said
        time.sleep(PAUSE_S)
    return match


def wait_end(machine, name):
    return int(ask(machine, "log 20", rf"\d {name} ended, code (\d+)")[1])


@pytest.mark.parametrize("pie", [False, True])
def test_probe(image, tmp_path, pie):
    """Everything that a keeper has to give is tried, and is as it has to be."""
    probe = build(tmp_path / "probe", f"{FOLDER}/probe.c", pie=pie)
    (tmp_path / "letters").write_text("letters\n", encoding="ascii")
    mkstore("put", image, probe, "/bin/probe")
    mkstore("put", image, tmp_path / "letters", "/notes/letters")
    with open(f"{FOLDER}/probe.c", encoding="ascii") as file:
        count = len(re.findall(r"\bcheck\(\"", file.read()))
    with Machine(image) as machine:
        machine.wait_prompt()
        options = "-d /notes -e WHERE=here"
        machine.command(f'run -m 64M -n first linux {options} /bin/probe one "two words"')
        code = wait_end(machine, "first")
        said = lines_of(machine, "first")
        assert code == 0 and not [line for line in said if line.startswith("bad")], said
        assert len([line for line in said if line.startswith("good ")]) == count > 40
        assert said[-1] == "/bin/probe: 0 failures, and a line without end"
        assert "to the other descriptor" in said
        # Each that is not there is said, once.
        for number in (57, 100000):
            assert said.count(f"probe: system call {number} is not supported") == 1
        machine.command(f'run -m 64M -n second linux {options} -o /notes/out /bin/probe one "two words"')
        assert wait_end(machine, "second") == 0
        rest = lines_of(machine, "second")
        assert not [line for line in rest if line.startswith("good")] and "to the other descriptor" in rest
        power_off(machine)
    out = cat(image, "/notes/out")
    assert out.count("good ") == count and out.endswith("line without end")
    verify(image)


ENDS = {"abort": 134, "null": 139, "text": 139, "data": 139, "divide": 136, "undefined": 132, "native": 7,
        "wait": 134, "memory": 7, "other": 7}


def test_ends(image, tmp_path):
    """However a program ends, its end is told and nothing is left of it."""
    mkstore("put", image, build(tmp_path / "probe", f"{FOLDER}/probe.c"), "/bin/probe")
    with Machine(image) as machine:
        before = begin(machine)
        for how, code in ENDS.items():
            machine.command(f"run -n {how} linux /bin/probe {how}")
            assert wait_end(machine, how) == code, machine.command("log 1000")
            said = lines_of(machine, how)
            if code == 7:
                assert said == ["ends by itself"] or "system call" in said[0], said
            else:
                assert said[-1] == f"probe: ended by signal {code - 128}", said
            only_own(machine, before)
        power_off(machine)
    verify(image)


def begin(machine):
    """What the shell's bank is charged with, when nothing else changes that."""
    machine.wait_prompt()
    for name in ("primes", "counter"):
        machine.command(f"stop {name}")
    machine.command("run -n once linux /bin/nothing")
    wait_end(machine, "once")
    machine.command("banks")
    machine.command("log 1000")
    return banks(machine)[OWN].figures()


def only_own(machine, before):
    """Waits until there is no bank but the shell's, charged as it was before."""
    want = rf"1 +{before[0]} +\d+ +{before[1]} +{before[2]} "
    ask(machine, "banks", rf"^BANK.*\n{want}[^\n]*(\n {{8}}[^\n]*)?\n*$")


def changed(elf, *changes):
    """The file with other numbers at some places: (offset, format, number)."""
    made = bytearray(elf)
    for offset, form, number in changes:
        struct.pack_into(form, made, offset, number)
    return bytes(made)


def hostile(elf):
    """Files that are none, by name, with what has to be said of each."""
    number = struct.unpack_from("<H", elf, 56)[0]
    headers = [64 + 56 * i for i in range(number)]
    loads = [at for at in headers if struct.unpack_from("<I", elf, at)[0] == 1]
    code = next(at for at in loads if elf[at + 4] & 1)
    data = next(at for at in loads if elf[at + 4] & 2)
    stack = next(at for at in headers if struct.unpack_from("<I", elf, at)[0] == 0x6474E551)
    last = 1 << 64
    return {
        "empty": (b"", "is too short"),
        "short": (elf[:63], "is too short"),
        "text": (b"#!/bin/sh\n" * 20, "is no ELF file"),
        "class": (changed(elf, (4, "B", 1)), "is not for a 64-bit x86"),
        "arm": (changed(elf, (18, "<H", 183)), "is not for a 64-bit x86"),
        "system": (changed(elf, (7, "B", 9)), r"another system than Linux \(9 at offset 7"),
        "object": (changed(elf, (16, "<H", 1)), "no program: its type is 1"),
        "version": (changed(elf, (20, "<I", 2)), "another version or size"),
        "size": (changed(elf, (52, "<H", 65)), "another version or size"),
        "entries": (changed(elf, (54, "<H", 57)), "no usable program headers"),
        "none": (changed(elf, (56, "<H", 0)), "no usable program headers"),
        "many": (changed(elf, (56, "<H", 65535)), "has 65535 program headers"),
        "away": (changed(elf, (32, "<Q", last - 56)), "program headers outside the file"),
        "cut": (elf[:100], "program headers outside the file"),
        "half": (elf[: len(elf) // 8], "its bytes lie outside the file"),
        "beyond": (changed(elf, (code + 8, "<Q", last - 4096)), "its bytes lie outside the file"),
        "longer": (changed(elf, (code + 32, "<Q", last - 1)), "its bytes lie outside the file"),
        "more": (changed(elf, (code + 40, "<Q", 1)), "its bytes lie outside the file"),
        "huge": (changed(elf, (data + 40, "<Q", last - 1)), "more than 1 GiB"),
        "large": (changed(elf, (data + 40, "<Q", 1 << 29)), r"pages cannot be loaded: .*`run -m SIZE`"),
        "null": (changed(elf, (loads[0] + 16, "<Q", 0)), "nothing can be loaded at address 0x0"),
        "kernel": (changed(elf, (code + 16, "<Q", last - (1 << 31))), "beyond all addresses"),
        "arena": (changed(elf, (data + 16, "<Q", 1 << 40)), "nothing can be loaded at address 0x10000000000"),
        "twice": (changed(elf, (code + 16, "<Q", struct.unpack_from("<Q", elf, loads[0] + 16)[0])),
                  "shares a page with one before"),
        "both": (changed(elf, (code + 4, "<I", 7)), "writable and executable"),
        "skewed": (changed(elf, (code + 8, "<Q", 1)), "its alignment makes no sense"),
        "aligned": (changed(elf, (code + 48, "<Q", 1 << 40)), "its alignment makes no sense"),
        "three": (changed(elf, (code + 48, "<Q", 3)), "its alignment makes no sense"),
        "linker": (changed(elf, (stack, "<I", 3)), "wants a dynamic linker"),
        "stack": (changed(elf, (stack + 4, "<I", 7)), "wants an executable stack"),
        "entry": (changed(elf, (24, "<Q", 0)), "begins at 0x0, where it has no code"),
        "data": (changed(elf, (24, "<Q", struct.unpack_from("<Q", elf, data + 16)[0])), "where it has no code"),
        "nothing": (changed(elf, *[(at, "<I", 0) for at in loads]), "has nothing that is to be loaded"),
    }


def test_hostile_files(image, tmp_path):
    """Whatever is no program is refused, with what is wrong and where, and nothing is left of it."""
    with open(build(tmp_path / "probe", f"{FOLDER}/probe.c"), "rb") as file:
        files = hostile(file.read())
    for name, (data, _) in files.items():
        (tmp_path / name).write_bytes(data)
        mkstore("put", image, tmp_path / name, f"/notes/{name}")
    with Machine(image) as machine:
        before = begin(machine)
        for name, (_, why) in files.items():
            machine.command(f"run -n {name} linux /notes/{name}")
            assert wait_end(machine, name) == 126
            said = lines_of(machine, name)
            assert len(said) == 1 and re.match(rf"/notes/{name}: .*{why}", said[0]), said
        for words, why in {"": "which program is it: linux ", "-x 1 /a": "-x: linux ", "-d": "which program",
                           "/bin": r"/bin: cannot be opened: .* another type",
                           "-o /bin /a": "cannot write to the file of -o: "}.items():
            machine.command(f"run -n words linux {words}")
            ask(machine, "log 20", f"words: {why}")
        only_own(machine, before)
        power_off(machine)
    verify(image)


def put_lua(image, folder):
    """The interpreter and its script; what that says on any Linux."""
    lua = build_lua(folder)
    mkstore("put", image, lua, "/bin/lua")
    mkstore("put", image, f"{FOLDER}/work.lua", "/notes/work.lua")
    result = subprocess.run([lua, f"{FOLDER}/work.lua"], check=True, capture_output=True, text=True)
    assert result.stdout.count("\n") == 50 and "the answer is" in result.stdout
    return result.stdout.splitlines()


def test_lua(image, tmp_path):
    """An interpreter that knows nothing of this says what it says on Linux."""
    expected = put_lua(image, tmp_path)
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("run -m 64M -n script linux -d /notes /bin/lua work.lua")
        machine.command("run -n wrong linux -d /notes /bin/lua welcome")
        assert wait_end(machine, "wrong") == 1
        assert re.match("welcome:1: syntax error", lines_of(machine, "wrong")[-1])
        assert wait_end(machine, "script") == 0
        assert lines_of(machine, "script") == expected
        power_off(machine)
    verify(image)


def step(machine):
    """How many lines it has said so far."""
    return len(lines_of(machine, "script"))


def wait_step(machine, more_than):
    deadline = time.monotonic() + LIMIT_S
    while (now := step(machine)) <= more_than:
        time.sleep(PAUSE_S)
        assert time.monotonic() < deadline, machine.command("log 50")
    return now


def test_cuts(image, tmp_path):
    """The power goes ten times while it works; it goes on, and says each line once."""
    seed = int(os.environ.get("PERDURE_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"PERDURE_SEED={seed}")
    chance = random.Random(seed)
    expected = put_lua(image, tmp_path)
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("run -m 64M -n script linux -d /notes /bin/lua work.lua")
        machine.command("checkpoint")
        machine.cut()
    seen = []
    for _ in range(CUTS):
        with Machine(image) as machine:
            assert machine.wait_prompt().reason == "power cut"
            first = step(machine)
            begun = time.monotonic()
            seen.append(wait_step(machine, first))
            # At any moment of a step or two, however fast they are here.
            end = time.monotonic() + chance.uniform(0, min(2 * (time.monotonic() - begun), 2))
            while time.monotonic() < end:
                time.sleep(0.001)
            machine.cut()
        verify(image)
    print(seen)
    assert seen[0] < len(expected)
    with Machine(image) as machine:
        machine.wait_prompt()
        assert wait_end(machine, "script") == 0
        assert lines_of(machine, "script") == expected
        power_off(machine)
    verify(image)

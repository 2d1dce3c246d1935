# SPDX-License-Identifier: MIT
"""test_screen.py - what is seen by somebody who looks at the screen and not at the serial line."""

import os
import re
import time

import pytest
from conftest import set_menu

from machine import LIMIT_S, Machine

CELLS = 80 * 25
GLYPH = (8, 16)
# Each in a row of its own, however narrow the screen.
HINT = (r"(?m)^Perdure talks on the first serial line \(QEMU: -serial stdio\)\. *\n"
        r"Here only the kernel says how it starts, and what is wrong\. *$")


def glyphs():
    """GRUB's font: a character by its bytes."""
    with open("/usr/share/grub/ascii.h", encoding="ascii") as file:
        numbers = bytes(int(number, 16) for number in re.findall(r"0x[0-9a-f]{2}", file.read()))
    return {numbers[16 * code : 16 * code + 16]: chr(code) for code in range(32, 127)}


def text_screen(machine):
    path = os.path.join(machine.folder, "cells")
    machine.qmp("pmemsave", val=0xB8000, size=2 * CELLS, filename=path)
    with open(path, "rb") as file:
        cells = file.read()[::2].decode("latin-1")
    return "\n".join(cells[at : at + 80] for at in range(0, CELLS, 80))


def pixel_screen(machine, font):
    path = os.path.join(machine.folder, "pixels")
    machine.qmp("screendump", filename=path)
    with open(path, "rb") as file:
        head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", file.read(64))
        width, height = int(head[1]), int(head[2])
        file.seek(head.end())
        lit = [value > 64 for value in file.read()[::3]]
    lines = []
    for top in range(0, height - GLYPH[1] + 1, GLYPH[1]):
        line = ""
        for left in range(0, width - GLYPH[0] + 1, GLYPH[0]):
            rows = bytes(
                sum(lit[(top + y) * width + left + x] << (7 - x) for x in range(8)) for y in range(16)
            )
            line += font.get(rows, "?")
        lines.append(line)
    return "\n".join(lines)


def wait_screen(machine, firmware, *patterns):
    """What is on the screen once all of it is."""
    font = glyphs()
    deadline = time.monotonic() + LIMIT_S
    while not os.path.exists(f"{machine.folder}/qmp"):
        assert machine.running() and time.monotonic() < deadline
        time.sleep(0.1)
    while True:
        seen = pixel_screen(machine, font) if firmware == "uefi" else text_screen(machine)
        if all(re.search(pattern, seen) for pattern in patterns):
            return seen
        assert machine.running() and time.monotonic() < deadline, seen
        time.sleep(0.5)


def seen_on(image, firmware, *patterns, **options):
    arguments = [*options.pop("arguments", []), "-vga", "std"]
    with Machine(image, uefi=firmware == "uefi", serial=False, arguments=arguments, **options) as machine:
        return wait_screen(machine, firmware, *patterns)


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_no_serial_line(image, firmware):
    """Nobody is left in front of a dark screen."""
    seen_on(image, firmware, HINT, r"perdure: generation \d+ resumed in \d+ ms \(fresh\)")


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_refusal(image, firmware):
    seen_on(image, firmware, HINT, "no virtio-blk disk", "no store to resume, see above; stopped",
            disk=["-device", "ide-hd,drive=disk"])


@pytest.mark.parametrize("cpu, why", [("qemu64,-nx", "no no-execute pages"), ("n270", "no long mode")])
def test_processor_that_does_not_serve(image, cpu, why):
    seen_on(image, "bios", why, cpu=cpu)


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_panic(image, firmware):
    """All of a panic is there, the screen rolls up."""
    set_menu(image, "panic=halt verbose")
    with Machine(image, uefi=firmware == "uefi", arguments=["-vga", "std"]) as machine:
        machine.wait_prompt()
        machine.qmp("inject-nmi")
        machine.wait("halted .panic=halt.")
        said = [line for line in machine.text.splitlines() if line.strip()]
        seen = wait_screen(machine, firmware, r"halted \(panic=halt\)")
    assert said[-1].startswith("perdure: halted")
    for line in said[-8:]:
        assert line.rstrip()[:80] in seen, (line, seen)

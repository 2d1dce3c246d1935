#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""seeds.py - what the fuzzers begin with, made anew into build/fuzz/seeds/NAME/.

    seeds.py NAME...

The stores themselves are made by the fuzzers (bases.c); their seeds are short
lists of changes.  Inputs that once found a fault are in regressions/, as hex.
"""

import os
import random
import shutil
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BASES = 7
# As in edit.h.
BYTES, FIELD, ENTRY, REFERENCE, CONTENT, RAW, SLOT, READ_ERROR, STEP = range(9)

MANIFEST = b"""# everything there is
label "my store"
interval 250ms
directory /bin
program /bin/one one.elf
file /bin/data data.bin
text /note "a \\"b\\" # c\\n\\td\\\\"
segment /room size 10 max 1M
machine first program /bin/one priority 6 arguments "-x" "two words" heap 16M
\tgrant 16 /room read write
\tgrant 17 port second send badge 7
\tgrant console
\tgrant store
\tgrant system
\tqueue 32
end
machine second program /bin/one
end
"""


def edit(kind, how=0, target=0, offset=0, source=0, value=0):
    return struct.pack("<BBHHHQ", kind, how, target, offset, source, value & (2**64 - 1))


def lists(dice, steps):
    """One change of every sort to each base, then some at random."""
    for base in range(BASES):
        first = bytes([base])
        yield first
        for kind in range(STEP):
            for _ in range(4):
                yield first + edit(
                    kind,
                    dice.randrange(256),
                    dice.randrange(40),
                    dice.randrange(4096),
                    dice.randrange(256),
                    dice.choice((0, 1, 2, -1, 8191, 1 << 40)),
                )
        for how in range(8) if steps else ():
            work = edit(STEP, 0, 0, 3, 7, 5) + edit(STEP, how | how << 4, how, 3, 7, 5)
            yield first + work + edit(STEP, 2) + work


def compressed():
    """Pages as LZ4 stores them: one run, and literals only."""
    run = b"\x1f\x00\x01\x00" + b"\xff" * 15 + bytes([4096 - 1 - 5 - 19 - 15 * 255])
    yield b"\xff" + run + b"\x50\x00\x00\x00\x00\x00"
    yield b"\xff\xf0" + b"\xff" * 16 + bytes([4096 - 15 - 16 * 255]) + b"text" * 1024


def program():
    """A small program: code, data with bss, relocations, a part that becomes read-only."""
    table, dynamic, relocations = 64, 64 + 7 * 56, 64 + 7 * 56 + 5 * 16
    headers = [
        (1, 4, 0, 0, 0x800, 0x800),
        (1, 5, 0x1000, 0x1000, 0x123, 0x123),
        (1, 6, 0x1E00, 0x2E00, 0x200, 0x2000),
        (2, 4, dynamic, dynamic, 80, 80),
        (0x6474E551, 6, 0, 0, 0, 0),
        (0x6474E552, 4, 0x1E00, 0x2E00, 0x200, 0x200),
        (0, 0, 0, 0, 0, 0),
    ]
    data = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    data += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0x1010, table, 0, 0, 64, 56, 7, 0, 0, 0)
    for kind, flags, offset, address, size, memory in headers:
        data += struct.pack("<IIQQQQQQ", kind, flags, offset, address, 0, size, memory, 4096)
    for tag, value in ((7, relocations), (8, 72), (9, 24), (0x6FFFFFFB, 0x8000000), (0, 0)):
        data += struct.pack("<QQ", tag, value)
    for place, addend in ((0x2E10, 0x1010), (0x2FFC, 0x20), (0x4008, 0x2E00)):
        data += struct.pack("<QQQ", place, 8, addend)
    return data.ljust(0x2000, b"\x90")


def frame(kind, items, payload, position):
    payload = payload.ljust((len(payload) + 7) // 8 * 8, b"\0")
    return struct.pack("<IIQIIQQQ", 0, kind, 0, len(payload), items, position, 0, 0) + payload


def item(page, codec, data=b"", count=1):
    padding = b"\0" * (-len(data) % 8)
    return struct.pack("<QIHBB", page, count, len(data), codec, 0) + data + padding


def stream(base, frames, pages, cleared):
    """The fuzzer makes magic numbers, sequence, totals and checksums right."""
    header = struct.pack("<QIIQ", 0, 0, 0, 0) + b"0123456789abcdef"
    header += struct.pack("<9Q", 9, 1, base, 1 if base else 0, 0, 7, 8, 0, 0)
    header += struct.pack("<7Q", 0, 0, pages, pages, 0, 0, cleared)
    header += b"monday".ljust(64, b"\0") + b"sunday".ljust(64, b"\0")
    end = frame(2, 0, b"\0" * 32, 1 << 52)
    return b"\x03" + header.ljust(512, b"\0") + b"".join(frames) + end


def streams():
    run = b"\x1f\x00\x01\x00" + b"\xff" * 15 + bytes([4096 - 1 - 5 - 19 - 15 * 255])
    packed = run + b"\x50\x00\x00\x00\x00\x00"
    yield stream(0, [], 0, 0)
    yield stream(0, [frame(1, 1, item(5, 1), 6)], 1, 0)
    yield stream(0, [frame(1, 2, item(5, 3, packed) + item(9, 2, b"x" * 4096), 10)], 2, 0)
    yield stream(3, [frame(1, 1, item(5, 0, count=2), 7)], 0, 2)
    mixed = item(5, 1) + item(6, 0, count=20) + item(40, 3, packed)
    yield stream(3, [frame(1, 3, mixed, 41), frame(1, 1, item(99, 1), 100)], 3, 20)


def seeds(name):
    dice = random.Random(name)
    if name in ("store", "objects"):
        return lists(dice, True)
    if name == "decode":
        return [*lists(dice, False), *compressed()]
    if name == "manifest":
        with open("disk/system.manifest", "rb") as file:
            return [MANIFEST, file.read()] + MANIFEST.splitlines(keepends=True)
    if name == "stream":
        return streams()
    if name == "loader":
        return [program()]
    words = ["--size=4M", "--label", "-v", "a", "--", "--json", "12", "16T", "--help", "x" * 300]
    words += ["01234567-89ab-cdef-0123-456789abcdef", "18446744073709551615", "\x80\\", ""]
    return [bytes([i]) + "\n".join(words[i:] + words[:i]).encode() for i in range(len(words))]


def main():
    for name in sys.argv[1:]:
        folder = f"build/fuzz/seeds/{name}"
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        made = list(seeds(name))
        kept = f"{HERE}/regressions/{name}.hex"
        if os.path.exists(kept):
            with open(kept, encoding="ascii") as file:
                made += [bytes.fromhex(line) for line in file if not line.startswith("#")]
        for number, data in enumerate(made):
            with open(f"{folder}/{number:04}", "wb") as file:
                file.write(data)


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(HERE)))
    main()

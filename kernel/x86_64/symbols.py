#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the table of function names for the kernel's call chains.

symbols.py FIRST.elf > symbols.S

Text comes before everything else in the image, so that the functions' addresses
are the same in the first linking (without this table) and in the second.
"""
import subprocess
import sys

KERNEL_BASE = 0xFFFFFFFF80000000


def functions(elf):
    """Sorted (address, name) of all functions, one name for each address."""
    lines = subprocess.run(["nm", elf], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in lines.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] in "tTwW" and not fields[2].startswith("kernel_text"):
            found.setdefault(int(fields[0], 16), fields[2])
    return sorted(found.items())


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: symbols.py FIRST.elf > symbols.S")
    table = functions(sys.argv[1])
    print("/* SPDX-License-Identifier: MIT */")
    print("/* Made by symbols.py. */")
    print('\t.section .rodata.symbols, "a"')
    print("\t.globl symbol_count, symbol_address, symbol_name, symbol_text")
    print("\t.balign 8\nsymbol_count:\n\t.quad %d" % len(table))
    print("symbol_address:")
    for address, _ in table:
        print("\t.long 0x%x" % (address - KERNEL_BASE))
    print("symbol_name:")
    offset = 0
    for _, name in table:
        print("\t.long %d" % offset)
        offset += len(name) + 1
    print("symbol_text:")
    for _, name in table:
        print('\t.asciz "%s"' % name)
    print('\t.section .note.GNU-stack, "", @progbits')


if __name__ == "__main__":
    main()

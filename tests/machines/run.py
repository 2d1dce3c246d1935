#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run.py - tries Perdure on many machines and writes down what was seen.

    run.py               all of variants.py; the table in docs/machines.md is made anew
    run.py -k WORD ...   those with WORD in their name; the other rows stay as they are
    run.py --jobs 2      so many at a time

Each machine boots the real image to its prompt, writes a file, is cut off, boots again,
reads the file, and switches itself off; then the store is verified.  Or it is refused:
then the store must be as it was.  Ends with `N passed, M failed`: failed is what neither
ran nor was refused, and what was seen otherwise before (--compare).
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests/system"), os.path.join(ROOT, "tests/machines")]

from conftest import WORK, copy_sparse, make_image, mkstore, mkstore_json  # noqa: E402
from machine import PROMPT, Machine, Unexpected, without_asides  # noqa: E402
from variants import GROUPS, VARIANTS  # noqa: E402

TABLE = os.path.join(ROOT, "docs/machines.md")
BEGIN = "<!-- made by `make machines`; not by hand -->\n"
RUNS = "runs"
# What the system says when it does not go on, and the end of saying it.
REFUSED = re.compile(r"^perdure: .*(stopped|halted)|switched them off|needs x86-64", re.M)
FIRMWARE = re.compile(r"No bootable device|BdsDxe: No bootable|Shell> |out of memory|Aborted", re.M)
LIMIT_S = 300


class Odd(Exception):
    """Neither runs nor is refused."""


def store_bytes(image):
    return mkstore_json("info", image)["generation"], subprocess.run(
        ["cmp", "-n", str(64 << 20), image, BASE], check=False, capture_output=True).returncode


def settings(variant, image):
    """What Machine is made with."""
    made = dict(variant)
    for words in ("disk", "arguments"):
        if words in made:
            made[words] = [word.replace("IMAGE", image) for word in made[words]]
    return made


def message(text):
    """The lines of the kernel, without what differs from run to run."""
    lines = [line for line in text.splitlines() if line.startswith("perdure: ") and "no store to" not in line]
    said = "; ".join(line.removeprefix("perdure: ") for line in lines)
    return re.sub(r"PCI [0-9a-f]{2}:[0-9a-f.]+", "PCI", re.sub(r"; (stopped|halted)$", "", said))


def boot(variant, image, use):
    """Boots; at the prompt `use` goes on.  Otherwise what was said instead."""
    with Machine(image, **settings(variant, image)) as machine:
        match = machine.wait(f"^{PROMPT}|{REFUSED.pattern}|{FIRMWARE.pattern}", LIMIT_S)[0]
        if match.startswith(PROMPT):
            return use(machine)
        # Not what comes behind the mark, and may be there or not yet.
        text = without_asides(machine.text[: machine.position] + "\n")
        text = text[text.rfind("Booting `Resume"):]
        said = message(text)
        if not said:
            said = f"the firmware or GRUB: {match}"
        return f"refused: {said}"


def first(machine):
    machine.command("echo here I am > /notes/machine")
    if "the disk can only be read" in machine.text:
        assert "here I am" in machine.command("cat /notes/machine")
        return f"{RUNS} in memory, says that nothing is kept"
    machine.command("checkpoint")
    return RUNS


def second(machine):
    assert "here I am" in machine.command("cat /notes/machine")
    machine.type("poweroff\r")
    if machine.off_or("switch it off by hand", LIMIT_S):
        return RUNS
    return f"{RUNS}; is switched off by hand"


def attempt(name):
    """What was seen, for the table.  Odd: something that must not be."""
    variant = VARIANTS[name]
    image = os.path.join(WORK, "machine-" + re.sub(r"\W+", "-", name) + ".img")
    copy_sparse(BASE, image)
    os.chmod(image, 0o644)
    try:
        seen = boot(variant, image, first)
        if seen == RUNS:
            seen = boot(variant, image, second)
            if not seen.startswith(RUNS):
                raise Odd(f"ran, and then: {seen}")
            mkstore("verify", image)
        elif store_bytes(image) != store_bytes(BASE):
            raise Odd(f"the store was changed, although {seen}")
        return seen
    except (Unexpected, AssertionError) as error:
        raise Odd(str(error)[-1500:]) from None
    finally:
        os.unlink(image)


# ---- the table ----------------------------------------------------------------------------


def read_table():
    """What was seen before, by name."""
    rows = {}
    group = ""
    with open(TABLE, encoding="utf-8") as file:
        for line in file:
            heading = re.fullmatch(r"## (.*)\n", line)
            row = re.fullmatch(r"\| `(.*?)` \| (.*) \|\n", line)
            if heading:
                group = heading[1]
            if row:
                rows[f"{group}: {row[1]}"] = row[2]
    return rows


def write_table(rows):
    with open(TABLE, encoding="utf-8") as file:
        text = file.read()
    text = text[: text.index(BEGIN) + len(BEGIN)]
    version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True,
                             check=True).stdout.splitlines()[0]
    count = sum(row.startswith(RUNS) for row in rows.values())
    text += f"\n{version}: {len(rows)} machines, of which {count} run and {len(rows) - count} are refused.\n"
    for group, variants in GROUPS.items():
        known = [(title, rows.get(f"{group}: {title}")) for title in variants]
        if any(row for _, row in known):
            text += f"\n## {group}\n\n| machine | seen |\n|---|---|\n"
        text += "".join(f"| `{title}` | {row} |\n" for title, row in known if row)
    with open(TABLE + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(TABLE + ".new", TABLE)


def prepare():
    os.makedirs(WORK, exist_ok=True)
    make_image(BASE, "64M")


BASE = os.path.join(WORK, "machines.img")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-k", action="append", default=[], metavar="WORD")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--compare", action="store_true", help="with the table, which stays")
    options = parser.parse_args()
    names = [name for name in VARIANTS if not options.k or any(word in name for word in options.k)]
    before = read_table()
    rows = {name: row for name, row in before.items() if name in VARIANTS and options.k}
    failed = 0
    prepare()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = {pool.submit(attempt, name): name for name in names}
        for done in concurrent.futures.as_completed(running):
            name = running[done]
            try:
                seen = done.result()
            except Odd as error:
                failed += 1
                print(f"FAILED {name}: {error}", flush=True)
                continue
            odd = options.compare and seen != before.get(name)
            failed += odd
            print(f"{'FAILED' if odd else 'ok':6} {name}: {seen}", flush=True)
            rows[name] = seen
            if not options.compare:
                write_table(rows)
    os.unlink(BASE)
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: MIT
"""console.py - at the kernel's own console, in GRUB's menu, and a disk that is damaged."""

import json
import random
import time

from conftest import STORE_OFFSET, mkstore, mkstore_json, set_menu

from machine import LIMIT_S, Machine, interrupted

KERNEL = interrupted("kernel> ")
# Where the shell goes on after it: what it was about to show when the console came may be
# shown before that.
BACK = r"^\[back from the kernel's console\]\n(?:.*\n)*?perdure> "
SECTOR = 512
RECORDS = 64  # of objects, in a page
OBJECT_TABLE_PAGE = 0x200000
ENTRIES = ["verbose", "choose", "safe", "console"]  # of the menu, behind the first


def kernel_command(machine, line, end=rf"^{KERNEL}"):
    """Types a line at the kernel's console; what it prints before the next prompt."""
    machine.type(line + "\r")
    machine.wait(interrupted(line + "\n"))
    return machine.wait_until(end)


def send_break(machine):
    machine.qmp("chardev-send-break", id="serial")


def power_off(machine):
    machine.type("poweroff\r")
    machine.wait_off()


def until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def throttle(machine, **limits):
    names = ("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr")
    machine.qmp("block_set_io_throttle", device="disk", **dict.fromkeys(names, 0) | limits)


def stall(machine, stalled=True):
    """The disk answers one more request; from then on, none."""
    throttle(machine, bps=int(stalled))


def give_up(machine, line):
    """Types a command that waits for the disk, and Ctrl-C; what is said then."""
    machine.type(line + "\r")
    machine.wait("waiting for the disk")
    machine.type("\x03")
    machine.wait(interrupted("^C\n"))
    return machine.wait_until(rf"^{KERNEL}")


def choose_entry(machine, entry):
    machine.wait("console, before anything runs")
    machine.type("\x0e" * (1 + ENTRIES.index(entry)) + "\r")


def from_menu(image, entry, **options):
    """A machine that boots this entry of the menu."""
    set_menu(image, timeout=60)
    machine = Machine(image, **options)
    choose_entry(machine, entry)
    return machine


# ---- damage --------------------------------------------------------------------------


def page_of(image, number):
    return bytes.fromhex(json.loads(mkstore("dump", image, "page", str(number), "--json").stdout)["bytes"])


def object_record(image, number):
    at = number % RECORDS * 64
    return page_of(image, OBJECT_TABLE_PAGE + number // RECORDS)[at : at + 64]


def object_range(image, number):
    """First page and pages of an object's range, from the object table."""
    record = object_record(image, number)
    return (int.from_bytes(record[16:24], "little"), int.from_bytes(record[24:32], "little"))


def spoil(image, page):
    """Damages the page's extent in the live state.  False: it has none."""
    live = json.loads(mkstore("map", image, str(page), "--json").stdout)["generations"][0]
    if live["place"] != "stored":
        return False
    with open(image, "r+b") as file:
        file.seek(STORE_OFFSET + live["sector"] * SECTOR + 20)
        byte = file.read(1)[0]
        file.seek(STORE_OFFSET + live["sector"] * SECTOR + 20)
        file.write(bytes([byte ^ 0x10]))
    return True


def damaged_file(image, tmp_path, path):
    """An object whose page cannot be read; not in the last commit, which would not count then."""
    (tmp_path / "page").write_bytes(random.Random(5).randbytes(4000))
    mkstore("put", image, tmp_path / "page", path)
    mkstore("mkdir", image, path + "-later")
    assert spoil(image, mkstore_json("map", image, path)["page"])


def machine_number(image, name):
    return next(m["object"] for m in mkstore_json("ps", image)["machines"] if m["name"] == name)


def attached(image, number):
    """The runs of pages that the machine has attached."""
    page = page_of(image, object_range(image, number)[0])
    entries = [page[at : at + 96] for at in range(1792, 4096, 96)]
    return [(int.from_bytes(e[64:72], "little"), int.from_bytes(e[72:80], "little"))
            for e in entries if int.from_bytes(e[0:8], "little")]

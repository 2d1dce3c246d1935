# SPDX-License-Identifier: MIT
"""measure.py - the measurements behind `make bench` and tests/system/test_speed.py.

Each takes the path of a fresh image that it may use up, and boots it in QEMU by
translation (TCG).
"""

import os
import re
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/system"))

from conftest import wait_for  # noqa: E402
from machine import Machine  # noqa: E402

PAGE = 4096


def run_and_cut(image):
    """Lets the system run, writes something durably, and cuts it off."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("cp /bin/shell /notes/shell")
        machine.command("checkpoint")


def resume_ms(image, boots=7):
    """From the kernel's first instruction to the first of a machine, as the boot says.

    The system was cut off before each of these boots.  The median.
    """
    run_and_cut(image)
    found = []
    for _ in range(boots):
        with Machine(image) as machine:
            found.append(machine.wait_prompt().milliseconds)
    return statistics.median(found)


def resume_reads(image):
    """Requests to read the disk, and bytes, from power on to the prompt, firmware's included."""
    run_and_cut(image)
    with Machine(image) as machine:
        machine.wait_prompt()
        (disk,) = [b["stats"] for b in machine.qmp("query-blockstats") if b["device"] == "disk"]
        return disk["rd_operations"], disk["rd_bytes"]


def memory_bytes(image, memory=512):
    """Bytes in use after boot: by whom, as `mem` shows it.

    The boot goes on behind the prompt, which gives the store its frames bit by bit: asked
    until a second passes in which there are no more of them.
    """
    with Machine(image, memory=memory) as machine:
        machine.wait_prompt()
        frames, use = -1, memory_use(machine)
        while use["frames"] != frames:
            frames = use["frames"]
            time.sleep(1)
            use = memory_use(machine)
    return use


def memory_use(machine):
    said = machine.command("mem")
    return {name: int(pages) * PAGE for name, pages in re.findall(r"(\w+) +(\d+) pages", said)}


def kernel_bytes(path="build/perdure/kernel.elf"):
    return os.path.getsize(path)


def generation(machine):
    return int(re.search(r"generation +(\d+) durable", machine.command("store"))[1])


def computation_ms(image, interval, millions, shift):
    """Time that a computation of so many million steps takes, and how many checkpoints.

    QEMU's -icount makes the guest's clock a count of instructions, 2^shift ns each:
    the same work takes the same time, whatever the host does.  Nothing is typed
    while it computes: `log -f` waits for what it says at its end.
    """
    arguments = ["-icount", f"shift={shift},sleep=off"]
    with Machine(image, arguments=arguments) as machine:
        machine.wait_prompt()
        machine.command(f"interval {interval}")
        first = generation(machine)
        machine.command(f"run spin {millions}")
        machine.type("log -f\r")
        passed = int(machine.wait(r"steps: .*?(\d+) ms passed", 3000)[1])
        machine.type("q")
        machine.wait(r"^perdure> ")
        return passed, generation(machine) - first


def longest_kept_waiting(image):
    """Instructions that the kernel has kept a machine of highest priority waiting at most, and
    with what, while programs are made and ended, files copied, and snapshots come and go."""
    with Machine(image, arguments=["-icount", "shift=0,sleep=off"]) as machine:
        machine.wait_prompt()
        for command in ("run -g selftest", "snapshot one", "cp /bin/shell /notes/shell",
                        "checkpoint", "rm /notes/shell", "delete one", "checkpoint",
                        "run hello", "ps"):
            machine.command(command)
        found = re.search(r"at most ([\d.]+) us: (.*)", machine.command("uptime -l"))
        return int(found[1].replace(".", "")), found[2]


def view_costs(image):
    """Instructions, by the number of attachments of a view: to attach one more, to take one
    away, and to touch a page that is attached; each with a look at the clock, and that alone.
    The image has /bin/views."""
    with Machine(image, arguments=["-icount", "shift=0,sleep=off"]) as machine:
        machine.wait_prompt()
        machine.command("interval 0")
        machine.command("stop primes")
        machine.command("run -g -m 128M views")
        said = wait_for(machine, "log 50", r"(?s).*the clock alone \d+", 900)[0]
    rows = re.findall(r"(\d+) attachments: attach (\d+) detach (\d+) touch (\d+)", said)
    return [tuple(map(int, row)) for row in rows], int(re.search(r"alone (\d+)", said)[1])


def names_cost(image, most=100000):
    """Instructions of each call of a directory with so many names, from 1,000 to the most (a
    million takes five minutes).  The image has /bin/names."""
    with Machine(image, arguments=["-icount", "shift=0,sleep=off"]) as machine:
        machine.wait_prompt()
        machine.command("interval 0")
        machine.command(f"run -m 600M names {most}")
        machine.type("log -f\r")
        machine.wait(r"measured", 3000)
        machine.type("q")
        machine.wait(r"^perdure> ")
        return re.findall(r"(\d+) names: (link .*?)\r?$", machine.command("log"), re.M)


def checkpoint_cost(image_with, image_without, millions=1300, shift=2):
    """How much longer the same computation takes with checkpoints every second.

    As a fraction; and the number of checkpoints.
    """
    spent, count = computation_ms(image_with, 1, millions, shift)
    alone, none = computation_ms(image_without, 0, millions, shift)
    assert none <= 1, "the run without checkpoints made some"
    return spent / alone - 1, count

# SPDX-License-Identifier: MIT
"""measure.py - the measurements behind `make bench` and tests/system/test_speed.py.

Each takes the path of a fresh image that it may use up, and boots it in QEMU by
translation (TCG).
"""

import os
import re
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/system"))

from machine import Machine  # noqa: E402

PAGE = 4096


def resume_ms(image, boots=5):
    """From the kernel's first instruction to the first of a machine, as the boot says.

    The system has run and was cut off before each of these boots.  The median: the
    host has other things to do as well.
    """
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("cp /bin/shell /notes/shell")
        machine.command("checkpoint")
    found = []
    for _ in range(boots):
        with Machine(image) as machine:
            found.append(machine.wait_prompt().milliseconds)
    return statistics.median(found)


def memory_bytes(image, memory=512):
    """Bytes in use after boot: by whom, as `mem` shows it."""
    with Machine(image, memory=memory) as machine:
        machine.wait_prompt()
        said = machine.command("mem")
    return {name: int(pages) * PAGE for name, pages in re.findall(r"(\w+) +(\d+) pages", said)}


def kernel_bytes(path="build/perdure/kernel.elf"):
    return os.path.getsize(path)


def uptime_s(machine):
    """The persistent uptime, from `uptime`."""
    said = machine.command("uptime")
    text = re.search(r"up (.*?) in all", said)[1]
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    parts = re.findall(r"([\d.]+) ?([dhms])", text)
    return sum(float(number) * units[unit] for number, unit in parts)


def primes_found(machine):
    return int(re.search(r"found (\d+)", machine.command("cat /demo/primes"))[1])


def generation(machine):
    return int(re.search(r"generation +(\d+) durable", machine.command("store"))[1])


def computation(image, interval, until_s, shift):
    """Lets the primes be computed until `until_s` of uptime, counted in instructions.

    QEMU's -icount makes the guest's clock a count of instructions, 2^shift ns each:
    the same work takes the same time, whatever the host does.  Gives points of
    (uptime in s, primes found), and how many checkpoints there were.
    """
    arguments = ["-icount", f"shift={shift},sleep=off"]
    with Machine(image, arguments=arguments) as machine:
        machine.wait_prompt()
        machine.command(f"interval {interval}")
        first = generation(machine)
        points = [(uptime_s(machine), primes_found(machine))]
        while points[-1][0] < until_s:
            points.append((uptime_s(machine), primes_found(machine)))
        return points, generation(machine) - first


def time_of(points, found):
    """When that many primes had been found, between two points linearly."""
    for (time_1, found_1), (time_2, found_2) in zip(points, points[1:]):
        if found_1 <= found <= found_2 and found_2 > found_1:
            return time_1 + (time_2 - time_1) * (found - found_1) / (found_2 - found_1)
    raise ValueError(f"{found} primes are not between {points[0][1]} and {points[-1][1]}")


def checkpoint_cost(image_with, image_without, checkpoints=50, shift=2):
    """How much longer the same computation takes with checkpoints every second.

    As a fraction; and the number of checkpoints.
    """
    until_s = checkpoints * 1.1 + 3
    points_with, count = computation(image_with, 1, until_s, shift)
    points_without, _ = computation(image_without, 0, until_s, shift)
    begin = max(points_with[0][1], points_without[0][1])
    end = min(points_with[-1][1], points_without[-1][1])
    spent = [time_of(points, end) - time_of(points, begin) for points in (points_with, points_without)]
    return spent[0] / spent[1] - 1, count

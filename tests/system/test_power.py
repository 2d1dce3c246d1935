# SPDX-License-Identifier: MIT
"""test_power.py - power cuts at random moments under load.

QEMU is killed; every write that it completed is on the disk, as after a power
cut of a machine whose disk has no volatile cache.  Lost and torn writes are the
simulator's matter (tests/sim).

Before and after a checkpoint the counter is read on the console.  What is on the disk
after the cut must be a state of the time from the checkpoint to the cut: never older,
never from the future.
"""

import os
import random
import time

from conftest import cat, demo, demos_are_exact, named_numbers, numbers, verify

from machine import Machine

CUTS = 10


def load(machine, random_source):
    """More to do than the machines do by themselves: copies and edits."""
    for _ in range(random_source.randrange(1, 5)):
        name = f"/notes/load{random_source.randrange(4)}"
        text = "x" * random_source.randrange(1, 200)
        machine.command(random_source.choice([f"echo {text} > {name}", f"cp /bin/shell {name}"]))


def check_disk(image):
    verify(image)
    exchange = named_numbers(cat(image, "/demo/exchange"))
    assert exchange["lost"] == 0 and exchange["repeated"] == 0, exchange
    primes = named_numbers(cat(image, "/demo/primes"))
    assert primes["errors"] == 0, primes
    return numbers(cat(image, "/demo/count"))[0], exchange, primes


def test_ten_cuts_under_load(image):
    minutes = float(os.environ.get("PERDURE_TEST_MINUTES", 0))
    seed = int(os.environ.get("PERDURE_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"PERDURE_SEED={seed}")
    random_source = random.Random(seed)
    end = time.monotonic() + minutes * 60
    cuts = 0
    generation = last_count = -1
    progress = []
    words = None
    while cuts < CUTS or time.monotonic() < end:
        with Machine(image) as machine:
            boot = machine.wait_prompt()
            assert boot.reason == ("fresh" if cuts == 0 else "power cut")
            assert boot.generation > generation
            generation = boot.generation
            demos_are_exact(machine)
            if words:
                # The line that was being typed is still there; and the history.
                assert words in machine.command("history")
            assert demo(machine, "count") >= last_count
            load(machine, random_source)
            words = f"echo cut number {cuts}"
            machine.command(words)
            least = demo(machine, "count")
            machine.command("checkpoint")
            read_at = time.monotonic()
            before = demo(machine, "count")
            machine.type("cp /bin/shell /notes/load5\r")
            until = time.monotonic() + random_source.uniform(0, 2.5)
            while time.monotonic() < until:
                assert machine.running()
                time.sleep(0.001)
            machine.cut()
            passed_s = time.monotonic() - read_at
        last_count, exchange, primes = check_disk(image)
        assert least <= last_count <= before + passed_s + 1
        progress.append((exchange, primes))
        cuts += 1
    # They all went on, not only the counter.
    first, last = progress[0], progress[-1]
    assert last[0]["received"] > first[0]["received"]
    assert numbers(str(last[1])) != numbers(str(first[1]))


def test_cut_while_booting(image):
    """The power goes again before, while and just after the system is resumed."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("echo written before > /notes/before")
        machine.command("checkpoint")
    random_source = random.Random(1)
    for _ in range(6):
        with Machine(image) as machine:
            machine.wait("Booting")
            until = time.monotonic() + random_source.uniform(0, 0.6)
            while time.monotonic() < until:
                time.sleep(0.001)
    verify(image)
    with Machine(image) as machine:
        machine.wait_prompt()
        assert "written before" in machine.command("cat /notes/before")

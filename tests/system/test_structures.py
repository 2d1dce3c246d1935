# SPDX-License-Identifier: MIT
"""test_structures.py - whatever programs do, every state on the way is a sound one."""

import os
import random
import re

import pytest
from conftest import mkstore, mkstore_json
from test_programs import FAULTS, wait_for

from machine import Machine

SEEDS = [int(os.environ["PERDURE_SEED"])] if "PERDURE_SEED" in os.environ else [
    random.SystemRandom().randrange(1, 1 << 30) for _ in range(2)]


def sound_on_the_way(image, snapshots):
    """The verifier, which goes through the objects of every snapshot, finds no fault."""
    report = mkstore_json("verify", image) if mkstore("verify", image, code=None).returncode == 0 else None
    assert report, mkstore("verify", image, code=None).stdout
    assert report["totals"]["snapshots"] >= snapshots
    # What nothing leads to can be named, and then something does.
    mkstore("reattach", image)
    assert mkstore_json("verify", image)["totals"]["unreached_objects"] == 0


def forced_to_end(image):
    """What has got a name can be ended, of whatever type it is."""
    lost = re.findall(r"^(port|table|segment) .* ((?:port|table|segment)-\d+)$",
                      mkstore("ls", image, "/lost+found").stdout, re.M)
    assert {kind for kind, _ in lost} == {"port", "table", "segment"}
    chosen = [next(name for kind, name in lost if kind == wanted) for wanted in ("port", "table")]
    with Machine(image) as machine:
        machine.wait_prompt()
        for name in chosen:
            # Nothing could end it once its last name is gone.
            assert "stays as it is" in machine.command(f"rm /lost+found/{name}")
            assert machine.command(f"force rm /lost+found/{name}") == ""
        assert not set(chosen) & set(machine.command("ls /lost+found").split())
        machine.type("poweroff\r")
        machine.wait_off()
    # Had they been there still, without their names, nothing would lead to them.
    found = [f for f in mkstore_json("verify", image)["findings"] if f["snapshot"] == 0]
    assert not {int(name.split("-")[1]) for name in chosen} & {f["object"] for f in found}


@pytest.mark.parametrize("seed", SEEDS)
def test_wrecks_are_sound(image, seed):
    """Objects that others stand on are destroyed: tables, ports, keepers, memory, each
    other; with a power cut in between, behind which all that was to be told is told."""
    print(f"PERDURE_SEED={seed}")
    children = 60
    mkstore("put", image, "build/user/wreck.elf", "/bin/wreck")
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("stop primes")
        machine.command(f"run -g -m 64M wreck {seed} {children}")
        wait_for(machine, "snapshots", "wreck-18")
        machine.cut()
    with Machine(image) as machine:
        machine.wait_prompt()
        match = wait_for(machine, "log 20", r"(\d+) children, (\d+) snapshots")
        assert int(match[1]) == children
        machine.type("poweroff\r")
        machine.wait_off()
    sound_on_the_way(image, int(match[2]))
    forced_to_end(image)


def test_programs_are_sound(image):
    """The programs that there are, the hostile ones among them, side by side."""
    seed = SEEDS[0] | 1
    print(f"PERDURE_SEED={seed}")
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("stop primes")
        machine.command(f"run -m 64M hostile 60000 {seed}")
        machine.command("run -g selftest")
        for kind in FAULTS:
            machine.command(f"run -n fault-{kind} fault {kind}")
        for program in ("press", "spin", "hello", "exchange", "traffic"):
            machine.command(f"run {program}")
        machine.command("kill spin")
        taken = 0
        ended = 0
        while taken < 40:
            said = machine.command(f"snapshot way-{taken}")
            assert "is kept" in said, said
            taken += 1
            # On a slow disk there are too few before it has ended.
            if (told := machine.command("log 1000").count("hostile ended")) > ended:
                if taken > 5:
                    break
                ended = told
                machine.command(f"run -m 64M hostile 60000 {seed + 2 * ended}")
        machine.type("poweroff\r")
        machine.wait_off()
    sound_on_the_way(image, taken)

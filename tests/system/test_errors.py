# SPDX-License-Identifier: MIT
"""test_errors.py - an error on each request of a commit, in a running system.

QEMU's blkdebug is put in front of the disk of the running machine, and lets one chosen
request fail, or two, or all from that one on.  Every write and every flush of a commit
has its turn, so each phase has: pages, map nodes, free map, record, the flushes, and what
follows a failed one.  And a sector that cannot be read at all, with the shell behind it.
"""

import json
import re

import pytest
from conftest import STORE_OFFSET, cat, demo, mkstore, mkstore_json, verify

from away import modern
from console import BACK, KERNEL, SECTOR, kernel_command, machine_number, object_range, power_off, send_break
from faults import FAILING, UNSAVED, attach, blkdebug, failing, requests
from machine import Machine
from test_disk import works
from test_programs import wait_for


def prepare(machine, number):
    """All is durable; then something changes."""
    machine.command("checkpoint")
    machine.command(f"echo {number} > /notes/number")


def outlived(machine, kind, first, last, number):
    """The commit meets the errors, and is done all the same; that is the whole oracle while
    it runs."""
    prepare(machine, number)
    with machine.changed:
        start = len(machine.text)
    with failing(machine, kind, first, last):
        machine.type("checkpoint\r")
        # It may have had fewer requests than at the first time.
        done = machine.wait("^perdure> " if last else f"{UNSAVED}|^perdure> ")[0] == "perdure> "
    if not done:
        machine.wait("^perdure> ")
    machine.command("checkpoint")
    said = machine.text[start:]
    assert not re.search("faulted|stopped|given up|panic|read-only", said), said
    assert "unsaved" not in machine.command("store")
    assert machine.command("cat /notes/number").split()[-1] == str(number)


def test_each_request_of_a_commit(image):
    with Machine(image, memory=64, drive=False, disk=FAILING, arguments=blkdebug(image)) as machine:
        machine.wait_prompt()
        machine.command("interval 1h")
        prepare(machine, 0)
        before = requests(machine)
        machine.command("checkpoint")
        after = requests(machine)
        number = met = 0
        for kind in ("write", "flush"):
            asked = after[kind][0] - before[kind][0]
            assert asked
            for index in range(1, asked + 1):
                for last in (index, index + 1, 0):
                    number += 1
                    failed = requests(machine)[kind][1]
                    outlived(machine, kind, index, last, number)
                    met += requests(machine)[kind][1] > failed
        assert met >= 6 and met >= number * 2 / 3, (met, number)
        machine.cut()
    verify(image)
    assert cat(image, "/notes/number") == f"{number}\n"


def bad_sector(image, sector, *more):
    """A disk of which this sector is never read."""
    rules = f"inject-error.0.event=read_aio,inject-error.0.iotype=read,inject-error.0.sector={sector}"
    rules = ",".join([rules, *more])
    arguments = ["-blockdev", f"driver=file,node-name=bare,filename={image}",
                 "-blockdev", f"driver=blkdebug,node-name=debug,image=bare,{rules}",
                 "-blockdev", "driver=raw,node-name=disk,file=debug"]
    return Machine(image, drive=False, disk=modern("rerror=report"), arguments=arguments)


def machine_sector(image, number):
    """Where the machine's own page lies."""
    page = object_range(image, number)[0]
    place = json.loads(mkstore("map", image, str(page), "--json").stdout)["generations"][0]
    return STORE_OFFSET // SECTOR + place["sector"]


def exchanges_on(machine):
    """exchange has got its answers, and none is missing or came twice."""
    before = demo(machine, "exchange")["sent"]
    wait_for(machine, "cat /demo/exchange", rf"sent (?!{before} )\d+ .* lost 0 repeated 0")


WRITES_FAIL = "inject-error.1.event=write_aio,inject-error.1.iotype=write"


@pytest.mark.parametrize("more", [(), (WRITES_FAIL,)], ids=["alone", "disk"])
def test_caller_behind_a_bad_sector(image, more):
    """An answer waits for the page of its caller: while the whole disk fails as long as it
    takes, else for a while, and then it is said that there is none."""
    with Machine(image) as machine:
        machine.wait_prompt()
        exchanges_on(machine)
        machine.command("stop peer")
        wait_for(machine, "ps", r"exchange +calls")
        power_off(machine)
    exchange, peer = (machine_number(image, name) for name in ("exchange", "peer"))
    with bad_sector(image, machine_sector(image, exchange), *more) as machine:
        machine.wait_prompt()
        if more:
            machine.wait(UNSAVED)
        assert re.search(rf"{exchange} +no page", machine.command("ps"))
        machine.command("continue peer")
        machine.wait(rf"machine {peer} waits for the page at address 0x\w+: the disk")
        if not more:
            # First a note cannot be sent, for which peer ends.
            machine.wait(rf"machine {exchange} waits for an answer that it cannot be given")
        attach(machine, "bare")
        if more:
            exchanges_on(machine)
        else:
            # With nothing to send, stopped between a note and the call behind it, it goes on.
            if not wait_for(machine, "ps", r"peer +receives|\A(?![\s\S]* peer )")[0]:
                wait_for(machine, "log 50", "peer: failed: cannot reach exchange")
            wait_for(machine, "ps", r"exchange +calls")
            machine.command("kill exchange")
            assert "exchange" not in machine.command("ps")
        works(machine)
        power_off(machine)
    verify(image)


def test_shell_behind_a_bad_sector(image):
    """A new one takes its place, a second time as well.  The old one goes when it can be read
    again, and what others destroy meanwhile goes at once."""
    with Machine(image) as machine:
        machine.wait_prompt()
        power_off(machine)
    shell = machine_number(image, "shell")
    alive = mkstore_json("info", image)["objects"]["alive"]
    with bad_sector(image, machine_sector(image, shell)) as machine:
        machine.wait(rf"the shell cannot run \(machine {shell}\): the disk reported an error")
        for again in range(2):
            if again:
                send_break(machine)
            machine.wait(rf"^{KERNEL}")
            kernel_command(machine, "restart", r"^perdure> ")
            # It may have to say that the terminal is back before it reads.
            machine.type("checkpoint\r")
            machine.wait("is durable")
            machine.wait(r"^perdure> ")
        for number in range(20):
            machine.command(f"cp /bin/shell /notes/copy{number}")
        for number in range(20):
            machine.command(f"rm /notes/copy{number}")
        machine.command("checkpoint")
        power_off(machine)
    # The copies would be twenty, the two shells with their guards are some fifteen.
    assert mkstore_json("info", image)["objects"]["alive"] < alive + 20
    with Machine(image) as machine:
        machine.wait_prompt()
        while machine.command("ps").count("shell") > 1:
            pass
        assert machine.command("ps").count("guard") == 1
        power_off(machine)
    verify(image)


def test_snapshot_behind_a_bad_sector(image):
    """No other is taken for it, by the shell or by the kernel's console."""
    with Machine(image) as machine:
        machine.wait_prompt()
        for name in ("one", "two", "three"):
            machine.command(f"snapshot {name}")
        machine.command("checkpoint")
        power_off(machine)
    snapshots = mkstore_json("snapshots", image)["snapshots"]
    number = next(s["number"] for s in snapshots if s["name"] == "three")
    generation = next(s["generation"] for s in snapshots if s["name"] == "two")
    entries = mkstore_json("dump", image, "node", "catalogue", "1", "0")["entries"]
    sector = next(e["sector"] for e in entries if e["index"] == number)
    with bad_sector(image, STORE_OFFSET // SECTOR + sector) as machine:
        machine.wait_prompt()
        for named in ("three", "missing", f"#{number}", "@9999", "-0s"):
            assert f"{named}: the disk reported an error" in machine.command(f"delete {named}")
        assert "#99: there is no snapshot 99" in machine.command("delete #99")
        assert re.search(r"failed +cannot be read", machine.command("snapshots"))
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        for named in ("three", "missing", "@9999", "-0s"):
            assert f"{named}: the disk reported an error" in kernel_command(machine, f"delete {named}")
        assert "one: done" in kernel_command(machine, "delete one")
        kernel_command(machine, "continue", BACK)
        assert "two is deleted" in machine.command(f"delete @{generation}")
        power_off(machine)
    assert [s["name"] for s in mkstore_json("snapshots", image)["snapshots"] if not s["dying"]] == ["three"]
    verify(image)

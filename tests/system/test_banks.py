# SPDX-License-Identifier: MIT
"""test_banks.py - each program has a bank of its own: it cannot make more than that from it, and
when it is killed nothing of it is left but files."""

import re
import subprocess

import pytest

from console import KERNEL, power_off, send_break, until
from conftest import cat, mkstore, mkstore_json, program_command, verify, wait_for
from machine import LIMIT_S, Machine

PAGES = 4096  # of a bank, when nothing is said
ADDRESSES = 1 << 26
OWN = 1  # the shell's bank
ROW = re.compile(r"^( *)(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)(?:  (.*)|\n +(.*))?$", re.M)


class Bank:
    def __init__(self, row):
        self.depth = len(row[1])
        self.number, self.pages, self.limit, self.objects, self.addresses, self.address_limit = map(
            int, row.groups()[1:7])
        self.weight = int(row[8])
        self.machines = row[9] or row[10] or ""

    def figures(self):
        return self.pages, self.objects, self.addresses


def banks(machine):
    """The banks by number, in the order in which they are shown."""
    said = machine.command("banks")
    assert all(len(line) < 80 for line in said.splitlines()), said
    assert said.split()[:8] == ["BANK", "PAGES", "LIMIT", "OBJECTS", "ADDRESSES", "LIMIT", "WEIGHT", "MACHINES"]
    rows = [Bank(row) for row in ROW.finditer(said)]
    assert rows and rows[0].number == OWN and rows[0].depth == 0, said
    return {row.number: row for row in rows}


def bank_of(machine, name):
    """The only bank that pays for a machine of this name."""
    found = [bank for bank in banks(machine).values() if re.search(rf"\d {name}(,|$)", bank.machines)]
    assert len(found) == 1, machine.command("banks")
    return found[0]


def set_aside(all_banks, number):
    """What a bank has set aside for those that were made from it."""
    rows = list(all_banks.values())
    at = next(i for i, row in enumerate(rows) if row.number == number)
    below = []
    for row in rows[at + 1:]:
        if row.depth <= rows[at].depth:
            break
        if row.depth == rows[at].depth + 1:
            below.append(row)
    return (sum(1 + row.limit for row in below), len(below), sum(row.address_limit for row in below))


def only_own(machine, before):
    """Waits until there is no bank but the shell's, charged as it was before."""
    want = rf"1 +{before[0]} +\d+ +{before[1]} +{before[2]} "
    wait_for(machine, "banks", rf"^BANK.*\n{want}[^\n]*(\n {{8}}[^\n]*)?\n*$", LIMIT_S)
    assert list(banks(machine)) == [OWN]
    assert banks(machine)[OWN].figures() == before


def said(machine, name, pattern):
    log = wait_for(machine, "log 50", rf"(?s).*(?:{name}:? {pattern}|: failed: ).*", LIMIT_S)[0]
    assert ": failed: " not in log, log
    return re.search(f"{name}:? {pattern}", log)


def begin(machine):
    """What the shell's bank is charged with, when nothing else changes that."""
    machine.wait_prompt()
    machine.command("stop primes")
    # The shell's own memory grows to what it needs. What it starts has a name that no test waits for.
    machine.command("run -n once tenant objects mate")
    said(machine, "once", "stays")
    said(machine, "mate", "stays")
    machine.command("banks")
    machine.command("kill once")
    machine.command("ps")
    machine.command("snapshots")
    # Without what was set aside for that one.
    until(lambda: banks(machine)[OWN].pages < PAGES)
    return banks(machine)[OWN].figures()


@pytest.fixture
def tenant(image, tmp_path):
    """An image with the program on it."""
    subprocess.run(program_command("tests/system/tenant.c", tmp_path / "tenant"), check=True)
    mkstore("put", image, tmp_path / "tenant", "/bin/tenant")
    return image


def test_limits(tenant):
    """What is said is what a bank can give, and what it is charged with is exact."""
    with Machine(tenant) as machine:
        before = begin(machine)
        machine.command("run -n plain tenant")
        machine.command("run -m 1M -a 1G -n small tenant")
        machine.command("run -m 5000001 -n odd tenant")
        said(machine, "odd", "stays")
        plain, small, odd = (bank_of(machine, name) for name in ("plain", "small", "odd"))
        assert (plain.limit, plain.address_limit) == (PAGES, ADDRESSES)
        assert (small.limit, small.address_limit) == (256, 1 << 18)
        assert (odd.limit, odd.address_limit) == (1221, ADDRESSES)
        now = banks(machine)
        assert [bank.depth for bank in now.values()] == [0, 1, 1, 1]
        # A machine, its table, its port, its memory; of the same program each is charged the same.
        assert plain.objects == 4 and plain.figures() == small.figures() == odd.figures()
        aside = set_aside(now, OWN)
        assert now[OWN].figures() == tuple(map(sum, zip(before, aside)))
        for name in ("plain", "small", "odd"):
            assert re.fullmatch(rf"machine \d+ {name} destroyed\n", machine.command(f"kill {name}"))
        only_own(machine, before)
        power_off(machine)
    verify(tenant)


def test_a_quarter(tenant):
    """Where little is left, nobody gets more than a quarter of it without having asked."""
    with Machine(tenant) as machine:
        before = begin(machine)
        machine.command("run -m 920M -a 127T -n big tenant")
        said(machine, "big", "stays")
        own = banks(machine)[OWN]
        machine.command("run -n part tenant")
        said(machine, "part", "stays")
        part = bank_of(machine, "part")
        assert part.limit == (own.limit - own.pages) // 4 < PAGES
        assert part.address_limit == (own.address_limit - own.addresses) // 4 < ADDRESSES
        machine.command("kill part")
        machine.command("kill big")
        only_own(machine, before)
        power_off(machine)
    verify(tenant)


def test_bad_sizes(tenant):
    with Machine(tenant) as machine:
        before = begin(machine)
        for size in ("0", "x", "16Q", "-1", "99999999999T"):
            for option in ("-m", "-a"):
                answer = machine.command(f"run {option} {size} hello")
                assert f"run: {option} {size}: a size is a number above 0, like 16M" in answer
        assert "something is missing" in machine.command("run -m")
        # More than there is: what, how much is left, and what to do.
        answer = machine.command("run -m 1T hello")
        assert re.match(r"run: hello: its bank of 1\.0 TiB, .* [\d.]+ MiB are left, .*`banks`.* -m ", answer)
        answer = machine.command("run -a 200T hello")
        assert re.match(r"run: hello: .* addresses for 200\.0 TiB, is beyond .*`banks`", answer)
        # Too little to begin with.
        answer = machine.command("run -m 4K hello")
        assert re.match(r"run: hello: cannot make .* of 4\.0 KiB, .* does not suffice; -m .*`banks`", answer)
        assert "does not suffice; -m and -a give more" in machine.command("run -a 4K hello")
        only_own(machine, before)
        power_off(machine)
    verify(tenant)


@pytest.mark.parametrize("word, most", [("fill", PAGES), ("grow", ADDRESSES >> 18)])
def test_own_limit(tenant, word, most):
    """A program that takes all that it can get comes to its own limit, and nobody else does."""
    with Machine(tenant) as machine:
        before = begin(machine)
        machine.command(f"run -n greedy tenant {word}")
        got = said(machine, "greedy", r"\w+ (\d+) (?:pages|GiB): the bank's allowance is used up")
        greedy = bank_of(machine, "greedy")
        assert most * 9 // 10 < int(got[1]) < most
        if word == "fill":
            assert greedy.pages == greedy.limit == PAGES
        else:
            assert greedy.addresses <= greedy.address_limit < greedy.addresses + (1 << 21)
        # Others find what they found before.
        machine.command("run -m 4M -n other tenant objects helper below")
        said(machine, "other", "stays")
        machine.command("echo there is room > /notes/x")
        assert machine.command("cat /notes/x") == "there is room\n"
        machine.command("rm /notes/x")
        machine.command("kill other")
        assert bank_of(machine, "greedy").figures() == greedy.figures()
        assert re.fullmatch(r"machine \d+ greedy destroyed\n", machine.command("kill greedy"))
        only_own(machine, before)
        power_off(machine)
    verify(tenant)


KILLED = [
    ("objects", 0),
    ("helper helper helper helper helper helper", 6),
    ("objects below helper", 4),
    ("guest helper drop", 1),
    ("below objects drop", 3),
]


@pytest.mark.parametrize("words, others", KILLED)
def test_kill_leaves_nothing(tenant, words, others):
    """Whatever a program has made goes with it, also if it has done away with its bank; not
    what it has put into a directory."""
    with Machine(tenant) as machine:
        before = begin(machine)
        machine.command("run -n saver tenant save end")
        said(machine, "saver", "ended")
        machine.command("rm /notes/saved")
        machine.command("checkpoint")
        only_own(machine, before)
        power_off(machine)
    first = mkstore_json("info", tenant)["objects"]
    with Machine(tenant) as machine:
        machine.wait_prompt()
        assert banks(machine)[OWN].figures() == before
        machine.command(f"run -n victim tenant {words} save")
        said(machine, "victim", "stays")
        if "guest" in words:
            said(machine, "guest", "ended")
        # Of what is below there is a helper, too.
        count = words.count("helper") + 2 * words.count("below")
        wait_for(machine, "log 100", rf"(?s)((below|helper): stays.*){{{count}}}", LIMIT_S)
        now = banks(machine)
        for number, bank in now.items():
            if number != OWN:
                aside = set_aside(now, number)
                assert all(total >= part for total, part in zip(bank.figures(), aside))
        # One page, and an object: the file that it has saved.
        aside = set_aside(now, OWN)
        assert now[OWN].pages == before[0] + aside[0] + 1
        assert now[OWN].objects == before[1] + aside[1] + 1
        answer = machine.command("kill victim")
        assert re.match(r"machine \d+ victim destroyed\n", answer)
        if others:
            assert re.search(rf"with its bank {others} more: \d+ (helper|below|idle)", answer)
            assert ("more" in answer.split(":", 1)[1]) == (others > 4)
        names = {row.split()[1] for row in machine.command("ps").splitlines()}
        assert not names & {"victim", "helper", "below", "guest", "idle"}
        assert machine.command("cat /notes/saved") == "saved\n"
        machine.command("rm /notes/saved")
        only_own(machine, before)
        power_off(machine)
    assert mkstore_json("info", tenant)["objects"] == first
    verify(tenant)


def test_kill_one_of_several(tenant):
    """A helper is its program's: the one that ends, ends what is below its own bank only."""
    with Machine(tenant) as machine:
        before = begin(machine)
        machine.command("run -n upper tenant below guest lose")
        said(machine, "upper", "stays")
        said(machine, "helper", "stays")
        said(machine, "guest", "ended")
        rows = banks(machine)
        assert [bank.depth for bank in rows.values()] == [0, 1, 2]
        lower = bank_of(machine, "below")
        assert lower.depth == 2 and lower.limit == 300 and "helper" in lower.machines
        assert machine.command("cat /notes/lost") == "lost\n"
        answer = machine.command("kill helper")
        assert re.search(r"with its bank 1 more: \d+ below\n", answer)
        upper = bank_of(machine, "upper")
        wait_for(machine, "banks", rf"^BANK(.*\n)*? {upper.number} .* upper\n*$")
        assert "upper" in machine.command("ps")
        # A bank goes by its number, too.
        answer = machine.command(f"kill {upper.number}")
        assert re.fullmatch(rf"bank {upper.number} destroyed, and with it \d+ upper\n", answer)
        assert "no longer exists" in machine.command("cat /notes/lost")
        machine.command("rm /notes/lost")
        only_own(machine, before)
        # The shell's own machines are killed one by one.
        assert re.fullmatch(r"machine \d+ peer destroyed\n", machine.command("kill peer"))
        assert "counter" in machine.command("ps")
        assert "that is this shell" in machine.command("kill shell")
        assert "no such machine" in machine.command(f"kill {OWN}")
        power_off(machine)
    verify(tenant)


@pytest.mark.parametrize("words", ["objects helper end", "objects below destroy", "helper destroy",
                                   "fill destroy"])
def test_the_end_of_a_program(tenant, words):
    """One that ends, or that destroys what pays for it, gives all back, and nothing hangs."""
    with Machine(tenant) as machine:
        before = begin(machine)
        for _ in range(3):
            machine.command(f"run -n ends tenant {words}")
            only_own(machine, before)
            assert "ends" not in machine.command("ps")
        assert "ends: stays" not in machine.command("log 50")
        assert "failed" not in machine.command("log 50")
        machine.command("run hello")
        said(machine, "hello", "ended")
        only_own(machine, before)
        power_off(machine)
    verify(tenant)


def test_an_empty_bank(tenant):
    """A program that has done away with its bank and ends leaves it, and `kill` ends that."""
    with Machine(tenant) as machine:
        before = begin(machine)
        machine.command("run -n leaves tenant objects drop end")
        said(machine, "leaves", "ended")
        left = [bank for bank in banks(machine).values() if bank.number != OWN]
        assert [bank.depth for bank in left] == [1, 2]
        answer = machine.command(f"kill {left[0].number}")
        assert re.fullmatch(rf"bank {left[0].number} destroyed, and with it \d+ idle\n", answer)
        only_own(machine, before)
        power_off(machine)
    verify(tenant)


def test_power_cut(tenant):
    """In the midst of what a kill has begun: the rest goes in the next life."""
    with Machine(tenant) as machine:
        before = begin(machine)
        machine.command("run -n saver tenant save end")
        said(machine, "saver", "ended")
        machine.command("rm /notes/saved")
        machine.command("run -m 64M -n victim tenant objects below helper below save fill")
        said(machine, "victim", "stays")
        machine.command("interval 0")
        # Typed in one, so that little of it is cleared away when that is saved.
        machine.type("kill victim\rcheckpoint\r")
        machine.wait(r"victim destroyed")
        machine.wait(r"checkpoint: generation \d+ is durable")
        machine.cut()
    verify(tenant)
    with Machine(tenant) as machine:
        machine.wait_prompt()
        assert "victim" not in machine.command("ps")
        assert machine.command("cat /notes/saved") == "saved\n"
        machine.command("rm /notes/saved")
        only_own(machine, before)
        power_off(machine)
    assert cat(tenant, "/demo/count")
    verify(tenant)


def test_a_shell_without_the_right(tenant):
    """As in an older system: machines can be killed, banks cannot be seen, and a new shell can."""
    with Machine(tenant) as machine:
        machine.wait_prompt()
        machine.command("run -g -n takes tenant reduce end")
        said(machine, "takes", "ended")
        machine.command("run -n victim tenant helper")
        said(machine, "victim", "stays")
        answer = machine.command("banks")
        assert "may not see" in answer and "`restart`" in answer and ROW.search(answer)[2] == str(OWN)
        assert re.fullmatch(r"machine \d+ victim destroyed\n", machine.command("kill victim"))
        # With it goes the bank that it holds, of which it is the owner.
        wait_for(machine, "ps", r"^((?!helper|victim)[^\0])*$")
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        machine.type("restart\r")
        machine.wait(r"^perdure> ")
        assert list(banks(machine)) == [OWN]
        power_off(machine)
    verify(tenant)


def test_taken_back(tenant):
    """Memory that is attached through a capability is withdrawn when the bank ends from which that
    hangs, and so is what the bank has paid for: who goes on writing there stands."""
    with Machine(tenant) as machine:
        begin(machine)
        for word in "derived", "paid":
            machine.command(f"run -n {word} tenant {word}")
            said(machine, word, "writes")
            wait_for(machine, f"state {word}", "(?s)status +faulted", LIMIT_S)
            assert f"{word}: still writes" not in machine.command("log 50")
            machine.command(f"kill {word}")

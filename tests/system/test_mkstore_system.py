# SPDX-License-Identifier: MIT
"""test_mkstore_system.py - the host tool and the running system, turn by turn on one image."""

from conftest import cat, mkstore, mkstore_json
from stores import IN_USE, OK, READERS, get, names, on, put, sound
from test_programs import wait_for

from machine import Machine

READING = [words for words in READERS if words[0] not in ("cat", "scrub", "verify")]


def test_turn_by_turn(image, tmp_path):
    """What one writes the other reads; and work by mkstore is no run of the system."""
    letter = b"from outside\n" * 1000
    put(image, tmp_path, letter, "/notes/letter")
    info = mkstore_json("info", image)
    assert info["fresh"] and info["resumes"] == 0
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "fresh"
        assert "from outside" in machine.command("cat /notes/letter")
        machine.command("echo from inside > /notes/answer")
        machine.command("rm /notes/letter")
        machine.command("checkpoint")
        machine.cut()
    assert cat(image, "/notes/answer").rstrip() == "from inside"
    assert "letter" not in names(image, "/notes")
    info = mkstore_json("info", image)
    assert info["stop"] == "power cut" and info["resumes"] == 1 and info["uptime_ns"] > 0
    # Changed offline after a power cut: still to be resumed from a power cut.
    put(image, tmp_path, b"second\n", "/notes/second")
    mkstore("mkdir", image, "/new")
    mkstore("mv", image, "/notes/answer", "/new")
    assert mkstore_json("info", image)["uptime_ns"] == info["uptime_ns"]
    sound(image)
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "power cut"
        assert "second" in machine.command("cat /notes/second")
        assert "from inside" in machine.command("cat /new/answer")
        machine.type("poweroff\r")
        machine.wait_off()
    put(image, tmp_path, b"third\n", "/notes/third")
    assert mkstore_json("info", image)["clean"]
    sound(image)
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "clean"
        assert "third" in machine.command("cat /notes/third")
    sound(image)


def test_machines_seen_from_outside(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        for command, pattern in [
            ("cat /demo/count", "[1-9]"),
            ("cat /demo/exchange", "received [1-9]"),
            ("cat /demo/primes", "found [1-9]"),
            ("ps", " traffic .* (red|green|amber|walk)"),
        ]:
            wait_for(machine, command, pattern)
        machine.command("checkpoint")
        machine.cut()
    machines = {m["name"]: m for m in mkstore_json("ps", image)["machines"]}
    assert machines["counter"]["state"] in ("sleep", "ready", "receive")
    assert machines["counter"]["cpu_ns"] > 0 and machines["counter"]["messages_sent"] > 0
    assert machines["primes"]["cpu_ns"] > 0
    assert machines["traffic"]["state_name"]
    assert machines["exchange"]["messages_received"] > 0
    sound(image)


def test_banks_of_programs(image):
    """Each program has a bank below that of the shell, and what it pays for adds up."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("run -n second traffic")
        wait_for(machine, "ps", " second ")
        machine.command("checkpoint")
        machine.cut()
    sound(image)
    banks = mkstore_json("banks", image)["banks"]
    (bank,) = (b for b in banks if [m["name"] for m in b["machines"]] == ["second"])
    assert bank["state"] == "lives" and bank["depth"] > 0
    assert 0 < bank["pages"] <= bank["limit_pages"]
    assert bank["pages"] < bank["addresses"] <= bank["limit_addresses"]
    parent = next(b for b in banks if b["object"] == bank["parent"])
    assert parent["pages"] > bank["limit_pages"]
    assert parent["addresses"] > bank["limit_addresses"]
    assert sum(b["objects"] for b in banks) == mkstore_json("info", image)["objects"]["alive"]
    text = mkstore("banks", image).stdout
    indent = "  " * bank["depth"]
    assert f"\n{indent}{bank['object']} " in text and text.count(" second\n") == 1


def test_snapshots_offline(image, tmp_path):
    """Taken, restored and deleted with the system off, worked in with it on."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("echo first > /notes/state")
        machine.command("checkpoint")
        machine.cut()
    mkstore("snapshot", image, "one")
    count = int(cat(image, "/demo/count"))
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("echo second > /notes/state")
        machine.command("run hello")
        machine.command("checkpoint")
        machine.cut()
    versions = mkstore_json("info", image)["object_version"]
    mkstore("restore", image, "one", "--keep", "two")
    sound(image)
    assert cat(image, "/notes/state") == "first\n"
    assert int(cat(image, "/demo/count")) == count
    info = mkstore_json("info", image)
    assert info["restored"] and info["object_version"] >= versions
    with Machine(image) as machine:
        assert machine.wait_prompt().reason == "restored"
        assert "restore" in machine.command("uptime")
        assert "first" in machine.command("cat /notes/state")
        machine.command("echo third > /notes/state")
        machine.command("checkpoint")
        machine.cut()
    sound(image)
    assert int(cat(image, "/demo/count")) >= count
    mkstore("restore", image, "two")
    assert cat(image, "/notes/state") == "second\n"
    mkstore("delete", image, "--all")
    assert mkstore_json("snapshots", image)["snapshots"] == []
    sound(image)
    with Machine(image) as machine:
        machine.wait_prompt()
        assert "second" in machine.command("cat /notes/state")
    sound(image)


def test_running_system_is_left_alone(image, tmp_path):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("interval 20s")
        for command in [*READERS, ["mkdir", "/x"], ["snapshot", "x"], ["delete", "--all"]]:
            result = mkstore(*on(image, command), code=IN_USE)
            assert "in use" in result.stderr
        # A look at what was committed last.  If the system commits twice meanwhile,
        # what is read may be gone: then it is an error, and the next look succeeds.
        for command in READING:
            codes = (mkstore(*on(image, command), "--live", code=None).returncode for _ in range(20))
            assert OK in codes, command
        machine.command("echo still here > /notes/state")
        assert "still here" in machine.command("cat /notes/state")
    assert get(image, tmp_path, "/notes/welcome").startswith(b"Welcome")
    sound(image)


def test_log_from_outside(image):
    """What the shell shows of the log, a stopped image tells too; also as it was before."""
    assert mkstore_json("log", image)["text"] == ""
    with Machine(image) as machine:
        machine.wait_prompt()
        # They speak whenever they like.
        for other in ("traffic", "primes"):
            machine.command(f"stop {other}")
        machine.command("run hello")
        wait_for(machine, "log", "hello ended")
        early = machine.command("log")
        machine.command("snapshot early")
        machine.command("run hello")
        wait_for(machine, "log", "(?s)hello ended.*hello ended")
        machine.command("checkpoint")
        machine.cut()
    said = mkstore("log", image).stdout
    assert said.count("hello") >= 2 * early.count("hello")
    before = mkstore("log", image, "--snapshot", "early").stdout
    assert said.startswith(before) and early.split() == before.split()
    as_json = mkstore_json("log", image)
    assert as_json["text"] == said and as_json["end_bytes"] == len(said)

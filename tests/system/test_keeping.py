# SPDX-License-Identifier: MIT
"""test_keeping.py - rename, lookup, retention and growth, offline and in the running system."""

import os
import re
import resource
import struct
import subprocess
import time
import zlib

import pytest
from conftest import MKSTORE, WORK, make_image, mkstore, mkstore_json, verify
from stores import FAILED, IN_USE, NO_STORE, USAGE, sound, store

from machine import LIMIT_S, Machine

RULE = "10s,60m,24h,7d,20%"


def snapshots(image):
    return mkstore_json("snapshots", image)["snapshots"]


def by_name(image):
    return {s["name"]: s for s in snapshots(image)}


# ---- offline ------------------------------------------------------------------------------


def test_rename(store):
    mkstore("snapshot", store, "one")
    mkstore("snapshot", store, "two")
    said = mkstore_json("rename", store, "one", "three words long")
    assert said["number"] == 1 and said["name"] == "three words long"
    assert mkstore("rename", store, "#2", "one").stdout == ""
    assert set(by_name(store)) == {"three words long", "one"}
    assert by_name(store)["one"]["number"] == 2
    for words, code, said in (
        (["one", "three words long"], FAILED, "already"),
        (["nobody", "x"], FAILED, "nobody"),
        (["#7", "x"], FAILED, "there is no snapshot 7"),
        (["one"], USAGE, "usage"),
    ):
        assert said in mkstore("rename", store, *words, code=code).stderr
    assert set(by_name(store)) == {"three words long", "one"}
    sound(store)


def test_names_that_mean_something_else(store):
    """What stands for a number, a generation, an age or the present state is no name."""
    mkstore("snapshot", store, "one")
    before = store.read_bytes()
    for name, why in (
        ("", "1 to 63 bytes"),
        ("x" * 64, "1 to 63 bytes"),
        ("a\nb", "control character"),
        ("live", "present state"),
        ("#3", "begins with"),
        ("#", "begins with"),
        ("@5", "begins with"),
        ("-10m", "begins with"),
        ("auto-99999", "the system gives"),
        ("before-restore-4", "the system gives"),
        ("before-receive-4", "the system gives"),
    ):
        for command in (
            ["snapshot", store, "--", name],
            ["rename", store, "--", "one", name],
            ["restore", store, "one", f"--keep={name}"],
            ["receive", store, f"--name={name}"],
        ):
            said = mkstore(*command, code=USAGE).stderr
            assert "cannot name a snapshot" in said and why in said
    assert store.read_bytes() == before
    for name in ("alive", "live2", "auto-", "auto-x", "auto-1x", "a#1", "10m", "3"):
        mkstore("snapshot", store, name)
        assert name in by_name(store)
    sound(store)


def test_lookup(store):
    for name in ("a", "b", "c"):
        mkstore("mkdir", store, f"/at-{name}")
        mkstore("snapshot", store, name)
    generation = by_name(store)["b"]["generation"]
    assert mkstore_json("rename", store, f"@{generation + 1}", "b2")["number"] == 2
    assert mkstore_json("rename", store, "-0s", "newest")["number"] == 3
    assert mkstore_json("rename", store, "#1", "a2")["number"] == 1
    for text, why in (
        ("-10d", "no snapshot is that old"),
        ("-4294967295d", "no snapshot is that old"),
        ("@0", "no snapshot is of generation 0 or older"),
        ("#0", "there is no snapshot 0"),
        ("#9", "there is no snapshot 9"),
        ("-1w", "not an age: write it like -30s"),
        ("-x", "not an age"),
        ("@", "not a generation"),
        ("#1x", "not the number of a snapshot"),
        ("none", "snapshot 'none': there is none"),
        ("\x1b[2J", "snapshot '\\x1b[2J': there is none"),
    ):
        for command in (["delete"], ["restore"], ["rename", "x"], ["send"], ["diff", "live"]):
            words = [command[0], store, "--", text, *command[1:]]
            assert why in mkstore(*words, code=FAILED).stderr
    assert mkstore_json("diff", store, "#1", "@1000000")["after"]["generation"] > generation
    assert mkstore_json("diff", store, "--", "-0s", "live")["objects"] == []
    mkstore("restore", store, f"@{generation}", "--keep", "kept")
    names = mkstore("ls", store).stdout
    assert "at-b" in names and "at-c" not in names
    mkstore("delete", store, "-0s")
    assert "kept" not in by_name(store)
    sound(store)


def test_held(store, tmp_path):
    """What is replaced after a snapshot is held for it until it is deleted."""
    data = tmp_path / "data"
    data.write_bytes(os.urandom(1 << 20))
    mkstore("put", store, data, "/data")
    mkstore("snapshot", store, "before")
    mkstore("rm", store, "/data")
    mkstore("mkdir", store, "/x")
    mkstore("snapshot", store, "after")
    held = by_name(store)["before"]["held_sectors"]
    assert 2048 <= held <= 2048 + 200
    used = mkstore_json("info", store)["used_sectors"]
    assert re.search(r"^ +1 .* 1\.\d MiB  .* before", mkstore("snapshots", store).stdout, re.M)
    mkstore("delete", store, "before")
    assert used - mkstore_json("info", store)["used_sectors"] >= 2048
    assert by_name(store)["after"]["held_sectors"] == 0


def test_retention_rules(store):
    assert mkstore_json("retention", store)["rule"] == "off"
    for rule, shown in (
        (RULE, RULE),
        ("5s", "5s,0m,0h,0d,20%"),
        ("30s,2.5%,1d", "30s,0m,0h,1d,2.5%"),
        ("off", "off"),
    ):
        assert mkstore_json("retention", store, rule)["rule"] == shown
        assert mkstore_json("retention", store)["rule"] == shown
    for rule, why in (
        ("", "write it like"),
        ("10", "write it like"),
        ("10m", "least time between two is missing"),
        ("0s", "a second between two"),
        ("10s,", "write it like"),
        ("10s,5x", "write it like"),
        ("10s 5m", "write it like"),
        ("1.5s", "write it like"),
        ("1s,101%", "more than 100 %"),
        ("10s,70000m", "too large"),
        ("10s,99999999999m", "too large"),
        ("10s,888m,1d", "more than 896 snapshots"),
        ("1s,900m", "more than 896 snapshots"),
    ):
        said = mkstore("retention", store, rule, code=USAGE).stderr
        assert "is no rule for automatic snapshots: " in said and why in said
    assert "--live" in mkstore("retention", store, "10s", "--live", code=USAGE).stderr
    assert mkstore_json("retention", store, "10s,888m")["rule"] == "10s,888m,0h,0d,20%"
    mkstore("retention", store, "off")
    assert mkstore_json("retention", store) == {"rule": "off", "automatic": 0, "held_sectors": 0}
    sound(store)


def test_retention_at_creation(tmp_path):
    image, manifest = tmp_path / "a.img", tmp_path / "manifest"
    manifest.write_text("retention 20s,5m\n")
    create = ("create", image, "--size", "16M", "--force")
    mkstore(*create)
    assert mkstore_json("retention", image)["rule"] == "off"
    mkstore(*create, "--manifest", manifest)
    assert mkstore_json("retention", image)["rule"] == "20s,5m,0h,0d,20%"
    mkstore(*create, "--manifest", manifest, "--retention", "off")
    assert mkstore_json("retention", image)["rule"] == "off"
    assert "rule" in mkstore(*create, "--retention", "often", code=USAGE).stderr
    manifest.write_text("retention often\n")
    assert "manifest:1:" in mkstore(*create, "--manifest", manifest, code=FAILED).stderr


# ---- growing offline ------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["65M", "2G", "3G", "300G"])
def test_grow_file(store, tmp_path, size):
    """The map of the free sectors becomes one, then two levels taller; snapshots are as before."""
    mkstore("snapshot", store, "small")
    mkstore("rm", store, "/notes/hello")
    said = mkstore_json("grow", store, size)
    assert said["before_sectors"] == 131072 and said["sectors"] == os.path.getsize(store) // 512
    assert sound(store)["sectors"] == said["sectors"]
    data = tmp_path / "data"
    data.write_bytes(os.urandom(3 << 20))
    mkstore("put", store, data, "/data")
    sound(store)
    mkstore("get", store, "/data", tmp_path / "back")
    assert data.read_bytes() == (tmp_path / "back").read_bytes()
    mkstore("restore", store, "small")
    assert "Hello" in mkstore("cat", store, "/notes/hello").stdout
    mkstore("get", store, "/data", tmp_path / "x", code=FAILED)
    assert sound(store)["sectors"] == said["sectors"]


def test_grow_full(tmp_path):
    """A full store takes more when it has grown."""
    image, data = tmp_path / "a.img", tmp_path / "data"
    data.write_bytes(os.urandom(12 << 20))
    mkstore("create", image, "--size", "8M", "--allowance", "64M")
    mkstore("put", image, data, "/data", code=FAILED)
    mkstore("grow", image, "32M")
    mkstore("put", image, data, "/data")
    sound(image)


def test_grow_refuses(store):
    before = os.path.getsize(store)
    for size, code, said in (
        ("32M", FAILED, "cannot shrink"),
        ("64M", FAILED, "fills its place"),
        ("max", FAILED, "fills its place"),
        ("1", USAGE, "no size"),
        ("1000000001", USAGE, "no size"),
        ("larger", USAGE, "no size"),
        ("99999T", USAGE, "at most 65536 TiB"),
    ):
        assert said in mkstore("grow", store, size, code=code).stderr
    assert os.path.getsize(store) == before
    mkstore("grow", "/dev/null", "1G", code=NO_STORE)
    # The most that this process may write stands for the most that a file system takes.
    words = [MKSTORE, "grow", store, "128M"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (before, before))
    result = subprocess.run(
        words, preexec_fn=limit, restore_signals=False, capture_output=True, text=True, check=False
    )
    assert result.returncode == FAILED and "takes no file so large" in result.stderr
    assert os.path.getsize(store) == before
    os.truncate(store, before + 4096)
    mkstore("grow", store, "max", code=FAILED)
    os.truncate(store, before + 65536)
    assert mkstore_json("grow", store, "max")["sectors"] == (before + 65536) // 512
    sound(store)


def test_grow_image(image):
    """A disk image: the partition is extended and both of its tables are whole."""
    before = mkstore_json("info", image)["sectors"]
    said = mkstore_json("grow", image, "3G")
    assert said["sectors"] > before + (3 << 20)
    # Without its first table the second one, at the new end, says the same.
    with open(image, "r+b") as disk:
        disk.seek(512)
        first = disk.read(512)
        disk.seek(512)
        disk.write(bytes(512))
    assert sound(image)["sectors"] == said["sectors"]
    assert "partition table" in mkstore("grow", image, "4G", code=FAILED).stderr
    assert os.path.getsize(image) == 3 << 30
    with open(image, "r+b") as disk:
        disk.seek(512)
        disk.write(first)
    with Machine(image) as machine:
        machine.wait_prompt()
        assert "GiB in all" in machine.command("store")
        mkstore("grow", image, "4G", code=IN_USE)


def test_grow_image_with_another_behind(image):
    """A partition behind the store's is in the way: nothing changes."""
    size = os.path.getsize(image)
    os.truncate(image, 2 << 30)
    with open(image, "r+b") as disk:
        disk.seek(512)
        header = bytearray(disk.read(92))
        disk.seek(1024)
        entries = bytearray(disk.read(128 * 128))
        at = next(n for n in range(0, len(entries), 128) if not any(entries[n : n + 16]))
        entries[at : at + 16] = bytes(range(1, 17))
        struct.pack_into("<QQ", entries, at + 32, size // 512 + 2048, size // 512 + 4095)
        struct.pack_into("<I", header, 88, zlib.crc32(entries))
        struct.pack_into("<I", header, 16, 0)
        struct.pack_into("<I", header, 16, zlib.crc32(header))
        disk.seek(512)
        disk.write(header)
        disk.seek(1024)
        disk.write(entries)
    for larger in ("max", "3G"):
        assert "another partition" in mkstore("grow", image, larger, code=FAILED).stderr
        assert os.path.getsize(image) == 2 << 30
    sound(image)


# ---- the running system -------------------------------------------------------------------------


def test_grow_running(image):
    """The disk becomes larger under the running system, which takes it: beyond 2 GiB the map
    of the free sectors is a level taller.  A snapshot from before can still be gone back to."""
    with Machine(image) as machine:
        machine.wait_prompt()
        assert "fills its disk" in machine.command("grow")
        machine.command("echo small > /notes/small")
        machine.command("snapshot small")
        machine.command("rm /notes/small")
        machine.qmp("block_resize", device="disk", size=3 << 30)
        assert re.search(r"grow: from \S+ \S+ to \S+ GiB", machine.command("grow"))
        assert "fills its disk" in machine.command("grow")
        machine.command("echo large > /notes/large")
        machine.command("checkpoint")
        machine.cut()
    assert sound(image)["sectors"] > 5 << 20
    assert mkstore("cat", image, "/notes/large").stdout == "large\n"
    with Machine(image) as machine:
        machine.wait_prompt()
        assert "large" in machine.command("cat /notes/large")
    mkstore("restore", image, "small")
    assert mkstore("cat", image, "/notes/small").stdout == "small\n"
    assert sound(image)["sectors"] > 5 << 20


def test_rename_and_retention_running(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("snapshot first")
        machine.command("snapshot second")
        assert "there is one" in machine.command("rename first second")
        assert "no such snapshot" in machine.command("rename third x")
        assert "snapshot 1 is renamed now" in machine.command("rename #1 renamed")
        assert "renamed" in machine.command("snapshots")
        assert "no generations" in machine.command("retention")
        assert "not a rule: write it like" in machine.command("retention often")
        assert "more than 896" in machine.command("retention 1s,60000m")
        for name, why in (("live", "present state"), ("#1", "begins with"), ("auto-7", "system")):
            for command in ("snapshot", "rename second"):
                said = machine.command(f"{command} {name}")
                assert "cannot name a snapshot" in said and why in said
        assert "of generation 0 or older" in machine.command("delete @0")
        assert "every 2 s" in machine.command("retention 2s,5m,20%")
        # Taken at full commits; removing a file makes one.
        deadline = time.monotonic() + 3 * LIMIT_S
        while machine.command("snapshots").count("auto-") < 4:
            assert time.monotonic() < deadline
            machine.command("echo x > /notes/x")
            machine.command("rm /notes/x")
            machine.command("checkpoint")
        # The one that is listed can be thinned out before it is renamed.
        said = ""
        while "is mine now" not in said:
            assert time.monotonic() < deadline, said
            number = re.search(r"^ *(\d+) .* auto-", machine.command("snapshots"), re.M)[1]
            said = machine.command(f"rename #{number} mine")
        assert "no generations" in machine.command("retention off")
        machine.command("delete -0s")
        machine.cut()
    verify(image)
    found = by_name(image)
    assert not found["mine"]["automatic"] and found["renamed"]["number"] == 1


def test_which_is_missing(image):
    """In the shell and from outside the same is said, and what there is instead."""
    ages = "no snapshot is that old; the oldest is 'one', taken 20"
    with Machine(image) as machine:
        machine.wait_prompt()
        assert "-1h: there are no snapshots" in machine.command("restore -1h")
        machine.command("snapshot one")
        machine.command("snapshot two")
        for missing, said in (("-1h", ages), ("#7", "there is no snapshot 7"),
                              ("@0", "no snapshot is of generation 0 or older"),
                              ("1", "no such snapshot; a number is written #1"),
                              ("tow", "no such snapshot. Did you mean `two`?")):
            for command in ("restore {}", "delete {}", "rename {} x", "cp --snapshot {} /bin /x",
                            "cat --snapshot {} /notes/welcome", "ls --snapshot {}", "tree --snapshot {}"):
                assert said in machine.command(command.format(missing)), command
        told = re.search("no snapshot is .*", machine.command("restore -1h"))[0]
        machine.command("checkpoint")
    assert told in mkstore("restore", image, "--", "-1h", code=FAILED).stderr
    assert "a number is written '#NUMBER'" in mkstore("restore", image, "1", code=FAILED).stderr


def test_kept_by_default():
    """The system as it is shipped keeps generations and restores one by its age."""
    path = os.path.join(WORK, "default.img")
    make_image(path)
    assert mkstore_json("retention", path)["rule"] == RULE
    with Machine(path) as machine:
        machine.wait_prompt()
        machine.command("echo old > /notes/state")
        deadline = time.monotonic() + 3 * LIMIT_S
        while machine.command("snapshots").count("auto-") < 2:
            assert time.monotonic() < deadline
            machine.command("echo x > /notes/x")
            machine.command("rm /notes/x")
        machine.type("restore -1s\r")
        machine.wait_prompt()
        # How it came to be is never cut off.
        assert re.search(r" automatic +before-restore", machine.command("snapshots"))
        machine.cut()
    verify(path)
    os.unlink(path)

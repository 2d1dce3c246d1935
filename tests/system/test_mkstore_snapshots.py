# SPDX-License-Identifier: MIT
"""test_mkstore_snapshots.py - snapshots without the system running."""

import random
import re

from conftest import mkstore, mkstore_json
from stores import (  # noqa: F401 (fixtures)
    FAILED,
    get,
    names,
    put,
    sound,
    store,
)


# ---- snapshots --------------------------------------------------------------------------


def snapshots(image):
    return {s["name"]: s for s in mkstore_json("snapshots", image)["snapshots"]}


def test_snapshot_restore_delete(store, tmp_path):
    mkstore("snapshot", store, "one")
    used = sound(store)["used_sectors"]
    put(store, tmp_path, random.Random(1).randbytes(1 << 20), "/it")
    put(store, tmp_path, b"changed", "/room")
    said = mkstore_json("snapshot", store, "two")
    assert said["snapshots"] == 2
    found = snapshots(store)
    assert found["two"]["parent"] == found["one"]["number"]
    assert found["two"]["pages"] > found["one"]["pages"] + 255
    mkstore("restore", store, "one")
    assert names(store) == ["bin", "notes", "room"]
    assert mkstore("cat", store, "/room").stdout == "\0" * 5
    sound(store)
    kept = [name for name in snapshots(store) if name.startswith("before-restore-")]
    assert len(kept) == 1
    mkstore("restore", store, "two", "--keep", "mine")
    found = snapshots(store)
    assert found[kept[0]]["automatic"] and not found["mine"]["automatic"]
    assert mkstore("cat", store, "/room").stdout == "changed"
    assert len(get(store, tmp_path, "/it")) == 1 << 20
    mkstore("restore", store, "one", "--keep", "again")
    sound(store)
    for name in ["two", "mine", "again", kept[0]]:
        mkstore("delete", store, name)
        assert name not in snapshots(store)
        sound(store)
    # Nothing but the snapshot and what it shares with the live state is left.
    assert sound(store)["used_sectors"] <= used + 16
    mkstore("delete", store, "one")
    assert mkstore_json("snapshots", store)["snapshots"] == []
    sound(store)


def test_restore_says_which(store, tmp_path):
    """By number, generation or age: the name, generation and time of what was taken."""
    mkstore("snapshot", store, "x y")
    found = snapshots(store)["x y"]
    put(store, tmp_path, b"changed", "/room")
    for form in (f"#{found['number']}", f"@{found['generation']}"):
        said = mkstore("restore", store, form).stdout
        assert re.fullmatch(rf"restored 'x y', generation {found['generation']} of 20.* UTC\n", said)
    assert "restored 'before-restore-" in mkstore("restore", store, "-0s").stdout
    assert mkstore("restore", store, "x y").stdout == ""
    assert mkstore_json("restore", store, f"#{found['number']}")["name"] == "x y"
    sound(store)


def test_reading_inside(store, tmp_path):
    """One lost file costs no restore: what reads objects reads them in any snapshot."""
    data = random.Random(4).randbytes(300000)
    put(store, tmp_path, data, "/notes/large")
    reads = [["ls", "/notes"], ["tree"], ["cat", "/notes/hello"], ["ls", "/notes/large"], ["ps"],
             ["banks"]]

    def look(*words):
        return [mkstore(command, store, *rest, *words).stdout for command, *rest in reads]

    before = look()
    taken = mkstore_json("snapshot", store, "x y")
    generation = mkstore_json("info", store)["generation"]
    put(store, tmp_path, b"lost", "/notes/large")
    put(store, tmp_path, b"other", "/notes/hello")
    mkstore("mkdir", store, "/after")
    mkstore("snapshot", store, "later")
    image = store.read_bytes()
    assert look() != before
    number = mkstore_json("snapshots", store)["snapshots"][0]["number"]
    for form in ("x y", f"#{number}", f"@{generation}"):
        assert look("--snapshot", form) == before, taken
    assert look("--snapshot", "-0s") == look()
    target = tmp_path / "large"
    mkstore("get", store, "/notes/large", target, "--snapshot=x y")
    assert target.read_bytes() == data
    assert mkstore_json("ps", store, "--snapshot", "x y")["generation"] == generation
    for form, why in (("none", "there is none"), ("-9d", "no snapshot is that old"),
                      ("#77", "no snapshot 77")):
        said = mkstore("cat", store, "/notes/hello", "--snapshot", form, code=FAILED)
        assert why in said.stderr and not said.stdout
    assert store.read_bytes() == image
    sound(store)


def test_room(tmp_path):
    """More than `info` says does not go in, and of that nearly all does."""
    store, source = tmp_path / "small.img", tmp_path / "source"
    mkstore("create", store, "--size", "16M", "--allowance", "64M")
    info = mkstore_json("info", store)
    assert 300 <= info["reserve_blocks"] <= 360
    assert info["free_blocks"] * 8 <= info["sectors"] - 2080 - info["used_sectors"]
    room = info["free_blocks"] - info["reserve_blocks"]
    text = mkstore("info", store).stdout
    assert re.search(r"^room +at most 1\d\.\d MiB for new pages; 1\.\d MiB held in reserve$", text, re.M)
    content = random.Random(9).randbytes((room + 1) * 4096)
    source.write_bytes(content)
    assert "full" in mkstore("put", store, source, "/more", code=FAILED).stderr
    source.write_bytes(content[: (room - 100) * 4096])
    mkstore("put", store, source, "/more")
    left = mkstore_json("info", store)
    assert left["free_blocks"] - left["reserve_blocks"] <= 100
    # Full, but not stuck.
    mkstore("rm", store, "/more")
    mkstore("snapshot", store, "one")
    sound(store)


def test_snapshot_where_there_is_room(tmp_path):
    """It is not refused for what a mount does not know yet to be free."""
    store = tmp_path / "small.img"
    mkstore("create", store, "--size", "4M")
    put(store, tmp_path, random.Random(8).randbytes(1400000), "/data")
    mkstore("snapshot", store, "one")
    assert set(snapshots(store)) == {"one"}
    sound(store)


def test_deleting_all_leaves_what_was(store, tmp_path):
    """To the byte: the extents of pages, before and after a life with snapshots."""
    put(store, tmp_path, random.Random(1).randbytes(300000), "/room2")
    # What deltas have replaced is in use until the next full commit: these are.
    mkstore("snapshot", store, "s")
    mkstore("delete", store, "s")
    before = sound(store)
    generator = random.Random(4)
    for number in range(12):
        mkstore("snapshot", store, f"s{number}")
        put(store, tmp_path, generator.randbytes(generator.randrange(65536)), "/room")
        if number % 4 == 3:
            mkstore("restore", store, f"s{generator.randrange(number)}")
    mkstore("restore", store, "s0", "--keep", "last")
    sound(store)
    said = mkstore_json("delete", store, "--all")
    assert said["snapshots"] == 0
    after = sound(store)
    for figure in ["pages", "page_sectors", "zero_pages", "raw_pages", "compressed_pages"]:
        assert after[figure] == before[figure], figure
    assert after["snapshots"] == 0
    assert get(store, tmp_path, "/room2") == random.Random(1).randbytes(300000)


def test_snapshots_refuse(store):
    mkstore("snapshot", store, "one")
    before = store.read_bytes()
    assert "taken" in mkstore("snapshot", store, "one", code=FAILED).stderr
    assert "there is none" in mkstore("restore", store, "none", code=FAILED).stderr
    assert "there is none" in mkstore("delete", store, "none", code=FAILED).stderr
    assert "taken" in mkstore("restore", store, "one", "--keep", "one", code=FAILED).stderr
    assert store.read_bytes() == before
    text = mkstore("snapshots", store).stdout
    assert re.search(r"^ +1 +- +\d+ +\S+ KiB +0 B  \d{4}-\d\d-\d\d \S+ UTC  one *$", text, re.M)


def test_counters_survive_restore(store, tmp_path):
    """Object versions go on above all that were ever handed out."""
    mkstore("snapshot", store, "one")
    for number in range(5):
        put(store, tmp_path, b"x", f"/{number}")
    versions = mkstore_json("info", store)["object_version"]
    mkstore("restore", store, "one")
    info = mkstore_json("info", store)
    assert info["object_version"] >= versions and info["restored"]
    put(store, tmp_path, b"y", "/new")
    assert mkstore_json("info", store)["object_version"] > versions
    sound(store)


def test_stop_is_carried_over(store, tmp_path):
    """What mkstore does to a store is no run of the system."""
    put(store, tmp_path, b"x", "/x")
    mkstore("snapshot", store, "one")
    info = mkstore_json("info", store)
    assert info["fresh"] and info["resumes"] == 0 and info["generation"] == 3
    mkstore("restore", store, "one")
    mkstore("delete", store, "--all")
    assert mkstore_json("info", store)["restored"]


# ---- an entry of the catalogue is damaged -------------------------------------------------


def test_damaged_entry(store, tmp_path):
    """The others are listed, restored and renamed, and new ones are taken."""
    for number in (1, 2, 3):
        put(store, tmp_path, b"%d" % number, "/state")
        mkstore("snapshot", store, f"s{number}")
    # Damage in the newest generation could mean that the power had gone.
    put(store, tmp_path, b"x", "/one")
    put(store, tmp_path, b"x", "/two")
    entries = mkstore_json("dump", store, "node", "catalogue", "1", "0")["entries"]
    sector = next(entry["sector"] for entry in entries if entry["index"] == 2)
    with open(store, "r+b") as file:
        file.seek(sector * 512 + 20)
        byte = file.read(1)[0]
        file.seek(sector * 512 + 20)
        file.write(bytes([byte ^ 0x40]))
    listed = mkstore("snapshots", store, code=FAILED)
    assert re.search(r"^ +2 .*\(cannot be read\)$", listed.stdout, re.M)
    assert re.search(r" s1 *$", listed.stdout, re.M) and re.search(r" s3 *$", listed.stdout, re.M)
    assert "salvage" in listed.stderr and "sector" in listed.stderr
    mkstore("snapshot", store, "new")
    mkstore("restore", store, "s1")
    assert mkstore("cat", store, "/state").stdout == "1"
    mkstore("rename", store, "s1", "s2")
    mkstore("restore", store, "s3", "--keep", "kept")
    assert mkstore("cat", store, "/state").stdout == "3"
    for command in (["restore", "#2"], ["delete", "#2"], ["delete", "s3"], ["restore", "nobody"]):
        said = mkstore(command[0], store, command[1], code=FAILED).stderr
        assert "salvage" in said and "key 2" in said
    # What the first restore replaced is thinned like those that the system keeps.
    assert "automatic              1" in mkstore("retention", store).stdout
    # Nothing but this one place is damaged, and what counts on it.
    seen = mkstore("verify", store, code=FAILED)
    assert (seen.stdout + seen.stderr).count("error: checksum") == 1
    saved = str(tmp_path / "saved")
    mkstore("salvage", store, saved, code=None)
    assert {"s2", "s3", "new", "kept"} <= set(snapshots(saved))

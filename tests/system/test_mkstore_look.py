# SPDX-License-Identifier: MIT
"""test_mkstore_look.py - map, dump and stats: what a store is made of."""

import json
import random
import re

import pytest
from conftest import mkstore, mkstore_json
from stores import (  # noqa: F401 (fixtures)
    FAILED,
    IDENTITY,
    NO_STORE,
    SECTOR,
    USAGE,
    put,
    sound,
    store,
)

PAGE = 4096
SYSTEM_PAGE = 0x100000

SYSTEM = ["--manifest", "disk/system.manifest", "--files", "build/user"]


def dump(image, *words):
    return mkstore_json("dump", image, *words)


def content_of(image, row):
    """The bytes of a raw extent, straight from the file."""
    return image.read_bytes()[row["sector"] * SECTOR:(row["sector"] + row["sectors"]) * SECTOR]


# ---- map ----------------------------------------------------------------------------------


def test_map_follows_a_page(store, tmp_path):
    generator = random.Random(3)
    contents = [generator.randbytes(3 * PAGE) for _ in range(3)]
    for number, content in enumerate(contents):
        put(store, tmp_path, content, "/it")
        if not number:
            first = mkstore_json("map", store, "/it")["generations"][-1]
            assert first["generation"] == 1 and first["place"] == "absent"
        mkstore("snapshot", store, f"s{number}")
    said = mkstore_json("map", store, "/it", "--offset", PAGE)
    assert said["page"] * PAGE == said["address"] and said["path"] == "/it"
    rows = said["generations"]
    named = {row["name"]: row for row in rows if row["in"] == "snapshot"}
    for number, content in enumerate(contents):
        row = named[f"s{number}"]
        assert row["place"] == "stored" and row["codec"] == "raw" and row["length"] == PAGE
        assert content_of(store, row) == content[PAGE:2 * PAGE]
        assert row["birth"] <= row["generation"]
    assert rows[0]["in"] == "live" and rows[0]["sector"] == named["s2"]["sector"]
    ring = [row for row in rows if row["in"] == "ring"]
    info = mkstore_json("info", store)
    assert [row["generation"] for row in ring] == list(range(info["generation"] - 1, 0, -1))
    # In time nothing is left of what led there.
    assert ring[-1]["place"] in ("absent", "overwritten")
    # By number and by address it is the same page.
    del said["path"]
    assert mkstore_json("map", store, said["page"]) == said
    assert mkstore_json("map", store, hex(said["page"])) == said
    assert mkstore_json("map", store, f"@{said['address'] + 17}") == said
    assert len(mkstore_json("map", store, said["page"], "--ring", 1)["generations"]) == 5
    text = mkstore("map", store, said["page"]).stdout
    assert re.search(r"^live +\d+ stored +\d+ +8 raw +4096 +\d+", text, re.M)


def test_map_of_what_was_overwritten(store, tmp_path):
    """Old generations of the ring lose their pages in time; that is no damage."""
    generator = random.Random(4)
    for _ in range(40):
        put(store, tmp_path, generator.randbytes(40 * PAGE), "/it")
    rows = mkstore_json("map", store, "/it")["generations"]
    places = {row["place"] for row in rows if row["in"] == "ring"}
    assert places <= {"stored", "overwritten", "absent"} and "overwritten" in places
    assert all(row["place"] == "stored" for row in rows[:2])


def test_map_tells_damage(store, tmp_path):
    put(store, tmp_path, random.Random(5).randbytes(PAGE), "/it")
    mkstore("snapshot", store, "kept")
    row = mkstore_json("map", store, "/it")["generations"][0]
    image = bytearray(store.read_bytes())
    image[row["sector"] * SECTOR] ^= 1
    store.write_bytes(image)
    result = mkstore("map", store, "/it", "--json", code=FAILED)
    rows = json.loads(result.stdout)["generations"]
    assert {r["place"] for r in rows if r["in"] in ("live", "snapshot")} == {"damaged"}
    assert f"sector {row['sector']}" in result.stderr and "checksum" in result.stderr


def test_map_refuses(store):
    assert "no such name" in mkstore("map", store, "/none", code=FAILED).stderr
    assert "behind that" in mkstore("map", store, "/room", "--offset", 1 << 30, code=FAILED).stderr
    rows = mkstore_json("map", store, 5)["generations"]
    assert {row["place"] for row in rows} == {"absent"}


# ---- dump ---------------------------------------------------------------------------------


def test_dump_superblock_and_ring(store):
    block = dump(store, "superblock")
    assert block == dump(store, "copy")
    assert block["checksum_matches"] and block["sector_size"] == SECTOR
    assert len(block["identity"]) == len(IDENTITY)
    mkstore("snapshot", store, "one")
    info = mkstore_json("info", store)
    ring = dump(store, "ring")["ring"]
    assert [row["holds"] for row in ring] == ["full"] * info["generation"]
    newest = ring[-1]
    assert newest["generation"] == info["generation"]
    record = dump(store, "record")
    assert record["used_sectors"] == info["used_sectors"] and record["label"] == "tested"
    assert record["identity"] == info["identity"]
    assert dump(store, "record", info["generation"]) == record
    slot = dump(store, "slot", newest["slot"])
    assert slot.pop("holds") == "full" and slot == record
    assert dump(store, "slot", 63)["holds"] == "empty"


def test_dump_trees(store, tmp_path):
    """From the root of the space down to a page, by the references alone."""
    put(store, tmp_path, random.Random(6).randbytes(PAGE), "/it")
    mapped = mkstore_json("map", store, "/it")
    page, place = mapped["page"], mapped["generations"][0]
    height = dump(store, "record")["space"]["height"]
    generation = dump(store, "record")["base"]
    for level in range(height, 0, -1):
        key = page >> 7 * level
        node = dump(store, "node", "space", level, hex(key), "--generation", generation)
        index = page >> 7 * (level - 1) & 127
        child = [row for row in node["entries"] if row["index"] == index]
        assert child or place["birth"] > generation
        if not child:
            break
        assert child[0]["birth"] <= node["birth"]
    content = dump(store, "page", page)
    assert content["sector"] == place["sector"]
    assert bytes.fromhex(content["bytes"]) == content_of(store, place)
    raw = dump(store, "sector", place["sector"], 8)
    assert raw["bytes"] == content["bytes"]
    text = mkstore("dump", store, "page", SYSTEM_PAGE).stdout
    assert "|MRSYSTEM" in text and "\n*\n" in text


def test_dump_free_map_is_what_is_used(store):
    used = dump(store, "free-map", 0)["used"]
    assert sum(run["sectors"] for run in used) == dump(store, "record")["used_sectors"]
    assert all(a["last_sector"] + 1 < b["first_sector"] for a, b in zip(used, used[1:]))
    assert used[0]["first_sector"] >= 2080


def test_dump_snapshots(store, tmp_path):
    put(store, tmp_path, b"first", "/room")
    mkstore("snapshot", store, "one")
    put(store, tmp_path, b"changed", "/room")
    mkstore("snapshot", store, "two")
    entry = dump(store, "snapshot", "two")
    assert entry["number"] == 2 and entry["parent"] == 1 and entry["name"] == "two"
    assert dump(store, "snapshot", 2) == entry == dump(store, "snapshot", "#2")
    page = mkstore_json("map", store, "/room")["page"]
    old = dump(store, "page", page, "--snapshot", "one")
    new = dump(store, "page", page, "--snapshot", "two")
    assert bytes.fromhex(new["bytes"]).startswith(b"changed")
    assert not bytes.fromhex(old["bytes"]).startswith(b"changed")
    top = dump(store, "node", "catalogue", 1, 0)
    assert [row["index"] for row in top["entries"]] == [1, 2]
    assert dump(store, "node", "space", entry["root"]["height"], 0, "--snapshot", "two")["birth"]


def test_dump_objects(store, tmp_path):
    """As every list of objects has them, living and gone."""
    put(store, tmp_path, bytes(3 * PAGE), "/it")
    mkstore("snapshot", store, "one")
    entry = next(e for e in mkstore_json("ls", store)["entries"] if e["name"] == "it")
    it, (bank,) = dump(store, "object", entry["object"]), mkstore_json("banks", store)["banks"]
    assert it["state"] == "living" and it["type"] == 1 and it["size"] == 3 * PAGE
    assert it["first_page"] * PAGE == entry["address"] and it["version"] > 7
    assert it["bank"] == 1 and it["bank_version"] == 0 and "next_free" not in it
    first = dump(store, "object", 1)
    assert first["size"] == bank["pages"] and first["limit"] == bank["limit_pages"]
    assert first["addresses"] == bank["addresses"] and first["objects"] == bank["objects"]
    # The newest is the first in the list, and what it was before comes behind it.
    assert first["first_object"] == entry["object"] and first["depth"] == it["previous"] == 0
    assert dump(store, "object", it["next"])["previous"] == entry["object"]
    text = mkstore("dump", store, "object", entry["object"]).stdout
    assert re.search(r"^type +1 segment$", text, re.M)
    mkstore("rm", store, "/it")
    gone = dump(store, "object", entry["object"])
    assert gone["state"] == "free" and gone["next"] == 0 and "bank_version" not in gone
    assert dump(store, "object", 1)["first_object"] == it["next"]
    assert dump(store, "object", entry["object"], "--snapshot", "one") == it


def test_dump_of_a_damaged_store(store):
    """What can still be seen of a store that nothing else opens."""
    image = bytearray(store.read_bytes())
    image[40] ^= 1
    image[8 * SECTOR + 40] ^= 1
    store.write_bytes(image)
    mkstore("info", store, code=NO_STORE)
    result = mkstore("dump", store, "superblock", "--json", code=FAILED)
    block = json.loads(result.stdout)
    assert not block["checksum_matches"] and block["write_unit"] == 512
    assert "checksum" in result.stderr
    assert "|PRDURE1" in mkstore("dump", store, "sector", 0, code=FAILED).stdout
    assert "no generation" in mkstore("dump", store, "record", code=NO_STORE).stderr


def test_dump_of_a_damaged_slot(store):
    mkstore("snapshot", store, "one")
    image = bytearray(store.read_bytes())
    image[32 * SECTOR + 100] ^= 1
    store.write_bytes(image)
    result = mkstore("dump", store, "slot", 0, "--json", code=FAILED)
    slot = json.loads(result.stdout)
    assert slot["holds"] == "damaged" and "checksum" in slot["damage"]
    assert bytes.fromhex(slot["bytes"]) == image[32 * SECTOR:33 * SECTOR]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["record", 77], FAILED, "no sound record of generation 77"),
        (["snapshot", "none"], FAILED, "no snapshot 'none'"),
        (["page", 5], FAILED, "no such page"),
        (["page", "five"], USAGE, "no page"),
        (["page", SYSTEM_PAGE, "--snapshot", "none"], FAILED, "no snapshot"),
        (["page", SYSTEM_PAGE, "--generation", "x"], FAILED, "no generation"),
        (["object", 1 << 24], USAGE, "no object"),
        (["object", 1, "--snapshot", "none"], FAILED, "no snapshot"),
        (["free-map", 0, "--snapshot", "x"], FAILED, "nothing else"),
        (["free-map", 1 << 40], USAGE, "free map"),
        (["node", "tree", 1, 0], USAGE, "no tree"),
        (["node", "space", 0, 0], USAGE, "level 0"),
        (["node", "space", 9, 0], USAGE, "no level"),
        (["node", "space", 1, 9], FAILED, "no such page or node"),
        (["slot", 64], USAGE, "no slot"),
        (["slot"], USAGE, "too few words for 'dump slot'; usage: mkstore dump IMAGE slot N"),
        (["ring", 1], USAGE, "too many words for 'dump ring'"),
        (["sector", 1 << 40], USAGE, "no sector"),
        (["sector", 0, 0], USAGE, "there are"),
        (["sector", 0, 5000], USAGE, "number of sectors"),
        (["sector", (64 << 11) - 1, 2], USAGE, "there are 1 sectors"),
    ],
)
def test_dump_refuses(store, words, code, message):
    before = store.read_bytes()
    result = mkstore("dump", store, *words, code=code)
    assert message in result.stderr and result.stdout == ""
    assert store.read_bytes() == before
    sound(store)


# ---- stats --------------------------------------------------------------------------------

DATA_SECTOR = 2080
PARTS = ["live", "snapshot", "shared", "replaced", "free_map", "catalogue"]


def stats(image, *words):
    """Every used sector is in one part, every free one in another."""
    said = mkstore_json("stats", image, *words)
    assert sum(said[f"{part}_sectors"] for part in PARTS) == said["used_sectors"]
    assert said["free_sectors"] == said["sectors"] - DATA_SECTOR - said["used_sectors"]
    assert said["used_sectors"] == sound(image)["used_sectors"]
    assert said["damaged"] == 0
    return said


def owner(said, name):
    return next(row for row in said["owners"] if row["name"] == name)


def test_stats_say_what_deleting_gives_back(store, tmp_path):
    generator = random.Random(7)
    sizes = [40, 3, 17, 1]
    put(store, tmp_path, generator.randbytes(60 * PAGE), "/it")
    for number, size in enumerate(sizes):
        put(store, tmp_path, generator.randbytes(size * PAGE), "/it")
        mkstore("snapshot", store, f"s{number}")
    put(store, tmp_path, generator.randbytes(60 * PAGE), "/it")
    before = stats(store)
    assert [row["snapshot"] for row in before["owners"]] == [0, 1, 2, 3, 4]
    for row in before["owners"]:
        assert row["sectors"] == row["exclusive_sectors"] + row["shared_sectors"]
    # s0 alone has the 37 pages that s1 overwrote, or rather cut off.
    assert owner(before, "s0")["exclusive_sectors"] >= 37 * 8
    for name in ["s2", "s0", "s3", "s1"]:
        before = stats(store)
        exclusive = owner(before, name)["exclusive_sectors"]
        mkstore("delete", store, name)
        after = stats(store)
        for kind in ["page_sectors", "node_sectors"]:
            exclusive -= before[kind] - after[kind]
        assert exclusive == 0, name
    assert after["snapshot_sectors"] == after["shared_sectors"] == 0
    assert [row["name"] for row in after["owners"]] == [""]


def test_stats_by_object(store, tmp_path):
    generator = random.Random(8)
    put(store, tmp_path, generator.randbytes(10 * PAGE), "/notes/random")
    put(store, tmp_path, b"text " * 20000, "/notes/text")
    mkstore("snapshot", store, "kept")
    put(store, tmp_path, generator.randbytes(10 * PAGE), "/notes/random")
    said = stats(store, "--objects")
    objects = {row["path"]: row for row in said["objects"]}
    assert objects["/notes/random"]["pages"] == 10
    assert objects["/notes/random"]["exclusive_sectors"] == objects["/notes/random"]["sectors"] == 80
    assert objects["/notes/text"]["shared_sectors"] == objects["/notes/text"]["sectors"] < 80
    assert objects["/notes/text"]["pages"] == 25
    live = owner(said, "")
    assert sum(row["pages"] for row in said["objects"]) == live["pages"]
    assert {row["type"] for row in said["objects"] if row["object"] is None} == {"system"}
    text = mkstore("stats", store, "--objects").stdout
    assert re.search(r"^ +\d+ segment +10 +40.0 KiB +40.0 KiB +0 B  /notes/random$", text, re.M)


def test_objects_in_deep_directories_are_named(store, tmp_path):
    """A path is whole or no path, however deep it leads."""
    path = "/".join(f"d{number}" for number in range(1, 120))
    (tmp_path / "deep" / path).mkdir(parents=True)
    content = random.Random(4).randbytes(3 * PAGE)
    (tmp_path / "deep" / path / "last").write_bytes(content)
    mkstore("put", store, tmp_path / "deep", "/deep")
    path = f"/deep/{path}/last"
    assert path in [row["path"] for row in stats(store, "--objects")["objects"]]
    # Damage says whose it is.
    mkstore("mkdir", store, "/later")
    image = bytearray(store.read_bytes())
    image[image.index(content[PAGE:PAGE + 512]) + 99] ^= 1
    store.write_bytes(image)
    assert path in mkstore("scrub", store, code=FAILED).stdout


def test_stats_of_compression_and_commits(store, tmp_path):
    generator = random.Random(9)
    before = stats(store)
    put(store, tmp_path, generator.randbytes(50 * PAGE), "/raw")
    put(store, tmp_path, b"again and again " * 256 * 50, "/packed")
    said = stats(store, "--commits", 64)
    assert said["raw_pages"] == before["raw_pages"] + 50
    assert said["compressed_pages"] >= before["compressed_pages"] + 50
    assert len(said["commits"]) == mkstore_json("info", store)["generation"]
    newest = said["commits"][0]
    assert newest["pages"] >= 50 and newest["page_sectors"] >= 50
    assert said["commits"][1]["page_sectors"] >= 50 * 8
    assert len(stats(store, "--commits", 0)["commits"]) == 0
    assert said["live_runs"] <= said["live_extents"]
    assert said["largest_run_blocks"] * 8 <= said["free_sectors"]


def test_stats_of_a_damaged_store(store, tmp_path):
    """What can be reached is counted, and the exit code says that it is not all."""
    put(store, tmp_path, random.Random(10).randbytes(20 * PAGE), "/it")
    page = mkstore_json("map", store, "/it")["page"]
    mkstore("snapshot", store, "kept")
    put(store, tmp_path, b"so that the snapshot's commit is not the newest", "/room")
    node = dump(store, "node", "space", 1, page >> 7)
    image = bytearray(store.read_bytes())
    image[node["sector"] * SECTOR] ^= 1
    store.write_bytes(image)
    result = mkstore("stats", store, "--json", code=FAILED)
    said = json.loads(result.stdout)
    assert said["damaged"] == 2 and f"sector {node['sector']}" in result.stderr
    assert owner(said, "")["pages"] > 0


def test_a_thousand_snapshots(store, tmp_path):
    """Every commit, list and figure still works, in little time."""
    for number in range(1001):
        mkstore("snapshot", store, f"s{number}")
    put(store, tmp_path, b"changed", "/room")
    mkstore("snapshot", store, "last")
    said = stats(store)
    assert len(said["owners"]) == 1003
    assert owner(said, "s500")["exclusive_sectors"] == owner(said, "last")["exclusive_sectors"] == 0
    assert len(mkstore_json("snapshots", store)["snapshots"]) == 1002
    mkstore("delete", store, "s500")
    assert len(mkstore_json("map", store, "/room", "--ring", 0)["generations"]) == 1002


def test_reserve_table(tmp_path):
    """What docs/mkstore.md says is held in reserve."""
    row = r"(?m)^\| (\d+) ([MG])iB[^|]*\| ([\d.]+ .iB) \| ([\d.]+ .iB)? ?\|$"
    with open("docs/mkstore.md", encoding="utf-8") as page:
        rows = re.findall(row, page.read())
    assert len(rows) == 5
    for number, unit, *reserves in rows:
        for reserve, words in zip(reserves, ([], SYSTEM)):
            path = tmp_path / f"{number}{unit}{len(words)}"
            if reserve:
                mkstore("create", path, "--size", number + unit, *words)
                assert f"; {reserve} held in reserve" in mkstore("info", path).stdout
                path.unlink()

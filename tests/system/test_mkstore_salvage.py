# SPDX-License-Identifier: MIT
"""test_mkstore_salvage.py - what can be read of a damaged store, and nothing else, is saved."""

import json
import os
import random
import shutil

import pytest
from conftest import mkstore, mkstore_json
from stores import (  # noqa: F401 (fixtures)
    FAILED,
    NO_STORE,
    SECTOR,
    USAGE,
    get,
    gpt,
    names,
    put,
    store,
)

PAGE = 4096
RING, SLOT, SLOTS = 32, 32, 64


def spoil(image, sector, count=1):
    with open(image, "r+b") as file:
        file.seek(sector * SECTOR)
        file.write(random.Random(sector).randbytes(count * SECTOR))


def salvage(image, target, *options, code=None):
    words = ["salvage", image, target, "--json", *options]
    return json.loads(mkstore(*words, code=code).stdout)


def sound_store(image):
    """Whole as a store; objects may miss what was lost."""
    report = json.loads(mkstore("verify", image, "--json", code=None).stdout)
    bad = [f for f in report["findings"] if f["severity"] == "error" and f["code"] != "object"]
    assert bad == []
    return report


def content(image, path, *options):
    target = image.parent / "content"
    target.unlink(missing_ok=True)
    mkstore("get", image, path, target, "--force", *options, code=None)
    return target.read_bytes() if target.exists() else None


@pytest.fixture
def tree(store, tmp_path):  # noqa: F811
    """Snapshots in a tree, files of all kinds; path -> bytes of the live state."""
    generator = random.Random(11)
    put(store, tmp_path, generator.randbytes(400000), "/random")
    put(store, tmp_path, b"text that repeats itself, " * 9000, "/text")
    mkstore("snapshot", store, "one")
    put(store, tmp_path, generator.randbytes(300000), "/more")
    mkstore("snapshot", store, "two")
    put(store, tmp_path, bytes(70000) + b"end", "/zeros")
    mkstore("rm", store, "/text")
    mkstore("restore", store, "one", "--keep", "kept")
    put(store, tmp_path, generator.randbytes(200000), "/other")
    mkstore("snapshot", store, "three")
    mkstore("delete", store, "two")
    put(store, tmp_path, generator.randbytes(100000), "/last")
    return store


def files(image):
    return {"/" + name for name in names(image)} - {"/bin", "/notes"} | {"/notes/hello", "/bin/data"}


def snapshot_files(image, name, folder):
    """Everything that a snapshot holds, in a copy where it is live."""
    copy = folder / "restored.img"
    shutil.copyfile(image, copy)
    mkstore("restore", copy, name)
    found = {path: content(copy, path) for path in files(copy)}
    copy.unlink()
    return found


def test_whole(tree, tmp_path):
    """Without damage: everything, in the same tree, under the same names and times."""
    target = tmp_path / "new.img"
    before = tree.read_bytes()
    report = salvage(tree, target, code=0)
    assert tree.read_bytes() == before
    assert report["whole"] and report["snapshots_lost"] == 0 and report["objects"] == []
    assert mkstore_json("verify", target)["ok"]
    old = {s["name"]: s for s in mkstore_json("snapshots", tree)["snapshots"] if s["name"]}
    new = {s["name"]: s for s in mkstore_json("snapshots", target)["snapshots"] if s["name"]}
    assert set(old) == set(new) == {"one", "kept", "three"}
    for name, snapshot in old.items():
        for what in ("pages", "wall_ns", "uptime_ns"):
            assert new[name][what] == snapshot[what], (name, what)
        assert snapshot_files(tree, name, tmp_path) == snapshot_files(target, name, tmp_path)
    assert new["three"]["parent"] == new["one"]["number"]
    assert new["kept"]["parent"] == new["one"]["number"]
    assert files(tree) == files(target)
    for path in files(tree):
        assert content(tree, path) == content(target, path), path
    one, other = mkstore_json("info", tree), mkstore_json("info", target)
    for what in ("label", "fresh", "resumes", "object_version", "pages", "uptime_ns"):
        assert one[what] == other[what], what
    assert one["identity"] != other["identity"]
    # It is a store to go on with.
    put(target, tmp_path, b"goes on", "/next")
    mkstore("delete", target, "--all")
    assert mkstore_json("verify", target)["ok"]


def test_random_damage(tree, tmp_path):
    """Whatever is hit: the new store is sound, and what `get` can still read is in it."""
    used = mkstore_json("verify", tree)["totals"]["used_sectors"]
    pristine = {name: snapshot_files(tree, name, tmp_path) for name in ("one", "kept", "three")}
    hit = 0
    for seed in range(14):
        generator = random.Random(seed)
        damaged, target = tmp_path / "damaged.img", tmp_path / "new.img"
        shutil.copyfile(tree, damaged)
        for _ in range(generator.choice([1, 3, 10, 40])):
            spoil(damaged, 2080 + generator.randrange(used + 100), generator.choice([1, 1, 8]))
        report = salvage(damaged, target, "--force")
        hit += not report["whole"]
        sound_store(target)
        live = {s["number"]: s for s in report["states"]}[0]
        if report["generation"] == report["newest_generation"]:
            for path in files(tree):
                old = content(damaged, path, "--keep-going")
                assert old is None or old == content(target, path), path
        if not live["lost"] and report["generation"] == report["newest_generation"]:
            assert all(content(tree, path) == content(target, path) for path in files(tree))
        for state in report["states"]:
            if state["number"] and not state["lost"]:
                assert snapshot_files(target, state["name"], tmp_path) == pristine[state["name"]]
    assert hit > 5


def test_lost_pages_are_zeros_and_named(tree, tmp_path):
    whole = content(tree, "/last")
    # Not in the newest generation, which would be taken for a torn one.
    for name in "abc":
        mkstore("mkdir", tree, "/" + name)
    target = tmp_path / "new.img"
    at = tree.read_bytes().find(whole[5 * PAGE:5 * PAGE + 512])
    assert at > 0
    spoil(tree, at // SECTOR)
    text = mkstore("salvage", tree, target, code=FAILED).stdout
    assert "lost: 1 pages of /last, the first at byte 20480" in text
    assert "of the present state" in text
    saved = content(target, "/last")
    assert saved == whole[:5 * PAGE] + bytes(PAGE) + whole[6 * PAGE:]
    # Only there: no snapshot has that page.
    assert "snapshot" not in text.replace("3 snapshots", "")
    assert mkstore_json("verify", target)["ok"]


@pytest.mark.parametrize("record", [False, True], ids=["record kept", "record lost"])
def test_superblocks_lost(tree, tmp_path, record):
    target = tmp_path / "new.img"
    expected = {path: content(tree, path) for path in files(tree)}
    spoil(tree, 0, 16)
    assert mkstore("info", tree, code=NO_STORE)
    slots = records(tree)
    if record:
        spoil(tree, slots[max(slots)][0], 2)
    report = salvage(tree, target, code=FAILED if record else 0)
    assert report["whole"] != record
    sound_store(target)
    if record:
        assert report["generation"] <= max(slots) - 1
        assert content(target, "/random") == expected["/random"]
    else:
        assert {path: content(target, path) for path in files(target)} == expected


def records(image):
    """The valid-looking records: generation -> (slot's place, sector of the space's root)."""
    data = image.read_bytes()
    found = {}
    for at in range(RING * SECTOR, (RING + SLOT * SLOTS) * SECTOR, SLOT * SECTOR):
        if data[at:at + 8] == b"PPRECORD":
            root = int.from_bytes(data[at + 176:at + 180], "little")
            found[int.from_bytes(data[at + 40:at + 48], "little")] = (at // SECTOR, root)
    return found


def test_present_state_lost(tree, tmp_path):
    """The root of the newest generation's map: an older generation is taken, and if
    all roots in the ring are lost, the last snapshot."""
    target = tmp_path / "new.img"
    for name in "abc":
        mkstore("mkdir", tree, "/" + name)
    found = records(tree)
    newest = max(found)
    spoil(tree, found[newest][1])
    report = salvage(tree, target, code=FAILED)
    assert report["generation"] < newest and not report["live_lost"]
    sound_store(target)
    for _, root in found.values():
        spoil(tree, root)
    report = salvage(tree, target, "--force", code=FAILED)
    sound_store(target)
    assert report["live_lost"] or report["generation"] < newest


def refused_cut(image):
    """Nobody else opens it, and who is asked names the way out."""
    for command in ("info", "verify"):
        assert "mkstore salvage" in mkstore(command, image, code=NO_STORE).stderr


def test_cut_behind_all_data(tree, tmp_path):
    """An image that was cut off where nothing was: nothing is lost."""
    expected = {path: content(tree, path) for path in files(tree)}
    target = tmp_path / "new.img"
    os.truncate(tree, 60 << 20)
    refused_cut(tree)
    before = tree.read_bytes()
    result = mkstore("salvage", tree, target, "--json", code=0)
    assert "only 60.0 MiB are left of the 64.0 MiB" in result.stderr
    report = json.loads(result.stdout)
    assert report["whole"] and [s["lost"] for s in report["states"]] == [[]] * 4
    assert tree.read_bytes() == before
    assert mkstore_json("verify", target)["ok"]
    assert mkstore_json("info", target)["sectors"] == (64 << 20) // SECTOR
    assert {path: content(target, path) for path in files(target)} == expected
    # The whole image gives the same.
    os.truncate(tree, 64 << 20)
    again = salvage(tree, target, "--force", code=0)
    assert again["states"] == report["states"]


def test_cut_within_the_data(tree, tmp_path):
    """What lay behind the cut is listed, and nothing else; all before it is saved."""
    new = random.Random(22).randbytes(40 * PAGE)
    mkstore("snapshot", tree, "whole")
    expected = {path: content(tree, path) for path in files(tree)}
    # A delta: its references lie in the record, and its pages at the end.
    put(tree, tmp_path, new, "/small")
    rows = [mkstore_json("map", tree, "/small", "--offset", n * PAGE, "--ring", 0)
            for n in range(40)]
    places = [row["generations"][0]["sector"] for row in rows]
    cut = sorted(places)[15]
    behind = [n for n in range(40) if places[n] >= cut]
    assert len(behind) == 25
    os.truncate(tree, cut * SECTOR)
    refused_cut(tree)
    target = tmp_path / "new.img"
    report = salvage(tree, target, code=FAILED)
    assert not report["whole"] and not report["live_lost"] and report["snapshots_lost"] == 0
    assert report["generation"] == report["newest_generation"]
    states = {state["name"]: state["lost"] for state in report["states"]}
    lost = [n for run in states.pop("") for n in range(run["first_page"], run["end_page"])]
    assert lost == [rows[n]["page"] for n in behind]
    assert set(states) == {"one", "kept", "three", "whole"} and not any(states.values())
    assert [(o["path"], o["pages"]) for o in report["objects"]] == [("/small", 25)]
    assert mkstore_json("verify", target)["ok"]
    saved = content(target, "/small")
    for n in range(40):
        here = bytes(PAGE) if n in behind else new[n * PAGE:(n + 1) * PAGE]
        assert saved[n * PAGE:(n + 1) * PAGE] == here, n
    for path, data in expected.items():
        assert content(target, path) == data
    text = mkstore("salvage", tree, target, "--force", code=FAILED).stdout
    assert "lost: 25 pages of /small" in text


@pytest.mark.parametrize("sectors", [30000, 36000])
def test_cut_disk_image(tmp_path, sectors):
    """The partition table says where the store was, and the records how large."""
    disk, target = tmp_path / "disk.img", tmp_path / "new.img"
    gpt(disk, 40960, 2048, 36863)
    mkstore("create", disk)
    data = random.Random(24).randbytes(300000)
    put(disk, tmp_path, data, "/it")
    os.truncate(disk, sectors * SECTOR)
    refused_cut(disk)
    report = salvage(disk, target, code=0)
    assert report["whole"]
    assert mkstore_json("info", target)["sectors"] == 34816
    assert content(target, "/it") == data
    assert mkstore_json("verify", target)["ok"]
    # Cut in front of the store: nothing is left of it.
    os.truncate(disk, 2048 * SECTOR)
    target.unlink()
    assert "truncated" in mkstore("salvage", disk, target, code=NO_STORE).stderr
    assert not target.exists()


def test_refusals(tree, tmp_path):
    target = tmp_path / "new.img"
    before = tree.read_bytes()
    assert "is the store" in mkstore("salvage", tree, tree, "--force", code=FAILED).stderr
    target.write_bytes(b"mine")
    assert "exists" in mkstore("salvage", tree, target, code=FAILED).stderr
    assert target.read_bytes() == b"mine"
    target.unlink()
    assert "no size" in mkstore("salvage", tree, target, "--size", "5", code=USAGE).stderr
    nothing = tmp_path / "nothing.img"
    nothing.write_bytes(bytes(8 << 20))
    assert "nothing can be salvaged" in mkstore("salvage", nothing, target, code=NO_STORE).stderr
    assert not target.exists()
    missing = tmp_path / "no" / "such"
    assert "cannot create" in mkstore("salvage", tree, missing, code=FAILED).stderr
    assert tree.read_bytes() == before


def test_too_small_a_target(tree, tmp_path):
    put(tree, tmp_path, random.Random(5).randbytes(6 << 20), "/large")
    target = tmp_path / "new.img"
    said = mkstore("salvage", tree, target, "--size", "5M", code=FAILED).stderr
    assert "full" in said and "--size" in said
    assert not target.exists()

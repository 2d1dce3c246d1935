# SPDX-License-Identifier: MIT
"""test_mkstore_scrub.py - reading everything, and telling what is damaged."""

import json
import random
import signal
import subprocess
import time

from conftest import MKSTORE, MKSTORE_SECONDS, mkstore, mkstore_json
from stores import (  # noqa: F401 (fixtures)
    FAILED,
    SECTOR,
    USAGE,
    put,
    sound,
    store,
)


def spoil(image, sector, count=1):
    with open(image, "r+b") as file:
        file.seek(sector * SECTOR)
        old = bytearray(file.read(count * SECTOR))
        for at in range(0, len(old), SECTOR):
            old[at] ^= 0x55
        file.seek(sector * SECTOR)
        file.write(old)


def test_all_that_is_used(store, tmp_path):
    """What verify says is used is what scrub reads, snapshots included."""
    put(store, tmp_path, random.Random(1).randbytes(1 << 20), "/it")
    mkstore("snapshot", store, "one")
    put(store, tmp_path, random.Random(2).randbytes(1 << 19), "/it")
    mkstore("snapshot", store, "two")
    mkstore("rm", store, "/it")
    mkstore("snapshot", store, "three")
    used = sound(store)["used_sectors"]
    before = store.read_bytes()
    report = mkstore_json("scrub", store)
    assert report["ok"] and report["complete"] and report["damage"] == []
    assert report["totals"]["sectors"] == used
    assert report["totals"]["snapshots"] == 3
    assert store.read_bytes() == before


def test_damage_and_who_sees_it(store, tmp_path):
    mkstore("snapshot", store, "one")
    put(store, tmp_path, random.Random(1).randbytes(1 << 20), "/it")
    mkstore("snapshot", store, "two")
    mkstore("rm", store, "/it")
    mkstore("snapshot", store, "three")
    generator = random.Random(7)
    places = mkstore_json("scrub", store)["totals"]["sectors"]
    sound(store)
    found = 0
    sectors = [2080 + generator.randrange(places + 200) for _ in range(40)]
    for sector in sectors:
        spoil(store, sector)
        report = json.loads(mkstore("scrub", store, "--json", code=None).stdout)
        assert report["ok"] == (report["damage"] == [])
        for damage in report["damage"]:
            assert damage["sector"] <= sector < damage["sector"] + damage["sectors"]
            assert damage["problem"] == "checksum"
            if damage["tree"] == "space":
                assert damage["live"] or damage["snapshots"]
        found += len(report["damage"])
        spoil(store, sector)
    assert found > 10
    assert mkstore_json("scrub", store)["ok"]


def test_superblocks(store):
    for sector in [0, 8]:
        before = store.read_bytes()
        spoil(store, sector + 3)
        spoiled = store.read_bytes()
        said = mkstore("scrub", store, code=FAILED)
        assert "damaged: superblock" in said.stdout and "scrub --repair" in said.stderr
        assert store.read_bytes() == spoiled
        said = mkstore("scrub", store, "--repair")
        assert "written anew" in said.stderr
        assert store.read_bytes() == before
    # Any writing command does so too.
    spoil(store, 0)
    mkstore("snapshot", store, "x")
    sound(store)


def test_records(store):
    """The newest commit record and the one before it; older ones are history."""
    for name in ("one", "two", "three"):
        mkstore("snapshot", store, name)
    slots = sorted(mkstore_json("dump", store, "ring")["ring"], key=lambda slot: -slot["generation"])
    generation, slot = slots[1]["generation"], slots[1]["slot"]
    sector = 32 + 32 * slot
    spoil(store, sector)
    said = mkstore("scrub", store, code=FAILED).stdout
    place = f"commit record in slot {slot}: 1 sectors from {sector}, of generation {generation}"
    assert f"damaged: {place}: stored data does not match its checksum" in said
    report = json.loads(mkstore("scrub", store, "--json", code=FAILED).stdout)
    assert [damage["tree"] for damage in report["damage"]] == ["commit record"]
    assert (report["damage"][0]["key"], report["damage"][0]["sector"]) == (slot, sector)
    # A commit later its place is that of an older one.
    mkstore("mkdir", store, "/later")
    assert mkstore_json("scrub", store)["ok"]


def test_stopped_and_gone_on(store, tmp_path):
    state = tmp_path / "state"
    put(store, tmp_path, random.Random(1).randbytes(24 << 20), "/it")
    whole = mkstore_json("scrub", store)["totals"]["sectors"]
    process = subprocess.Popen(
        [MKSTORE, "scrub", str(store), "--rate", "2", "--state", str(state)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not state.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=MKSTORE_SECONDS)
    assert process.returncode == FAILED and "not finished" in out and "goes on" in err
    assert state.exists()
    # The store changes in between.
    mkstore("mkdir", store, "/between")
    report = mkstore_json("scrub", store, "--state", state)
    assert report["resumed"] and report["complete"] and report["ok"]
    assert whole <= report["totals"]["sectors"] <= whole + 200
    assert not state.exists()
    assert not mkstore_json("scrub", store, "--state", state)["resumed"]


def test_refusals(store, tmp_path):
    state = tmp_path / "state"
    assert "no rate" in mkstore("scrub", store, "--rate", "0", code=USAGE).stderr
    assert "no rate" in mkstore("scrub", store, "--rate", "fast", code=USAGE).stderr
    state.write_bytes(b"something else")
    assert "not the state" in mkstore("scrub", store, "--state", state, code=FAILED).stderr
    assert state.read_bytes() == b"something else"
    missing = tmp_path / "no" / "where"
    assert "cannot create" in mkstore("scrub", store, "--state", missing, code=FAILED).stderr

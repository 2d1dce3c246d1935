# SPDX-License-Identifier: MIT
"""test_mkstore_damage.py - work goes on beside damage, or ends and says so."""

import json
import random

from conftest import mkstore, mkstore_json
from stores import FAILED, SECTOR, get, names, put, store  # noqa: F401 (fixture)

NODE_PAGES = 128


def spoil_node(image, page):
    """Damages the map node above the page."""
    node = mkstore_json("dump", image, "node", "space", "1", str(page // NODE_PAGES))
    with open(image, "r+b") as file:
        file.seek(node["sector"] * SECTOR + 40)
        file.write(bytes(8))


def first_page(image, path):
    return mkstore_json("map", image, path)["page"]


def errors(image):
    report = json.loads(mkstore("verify", image, "--json", code=None).stdout)
    return [f for f in report["findings"] if f["severity"] == "error"]


def test_remove_over_a_damaged_node(store, tmp_path):  # noqa: F811
    """What cannot be read is given up, the rest comes back, and the store goes on."""
    data = random.Random(3).randbytes(3000000)
    put(store, tmp_path, data, "/victim")
    used = mkstore_json("info", store)["used_sectors"]
    put(store, tmp_path, b"whole", "/other")
    first = first_page(store, "/victim")
    spoil_node(store, first + 2 * NODE_PAGES)
    assert mkstore("get", store, "/victim", tmp_path / "part", code=FAILED)

    mkstore("rm", store, "/victim")
    assert "victim" not in names(store)
    assert get(store, tmp_path, "/other") == b"whole"
    # All but one node's pages of 733 came back.
    assert mkstore_json("info", store)["used_sectors"] < used - (733 - NODE_PAGES) * 8
    for turn in range(6):
        put(store, tmp_path, data, f"/again{turn}")
        assert get(store, tmp_path, f"/again{turn}") == data
        assert first_page(store, f"/again{turn}") != first
    assert all(f["code"] != "object" for f in errors(store))


def test_deletion_that_damage_stops(store, tmp_path):  # noqa: F811
    """It ends, says why and what to do, and everything else goes on."""
    generator = random.Random(5)
    mkstore("snapshot", store, "before")
    put(store, tmp_path, generator.randbytes(1500000), "/file")
    mkstore("snapshot", store, "victim")
    first = first_page(store, "/file")
    put(store, tmp_path, generator.randbytes(1500000), "/more")
    mkstore("rm", store, "/file")
    mkstore("snapshot", store, "after")
    node = mkstore_json("dump", store, "node", "space", "1", str(first // NODE_PAGES + 1),
                        "--snapshot", "victim")
    with open(store, "r+b") as file:
        file.seek(node["sector"] * SECTOR + 40)
        file.write(bytes(8))
    failed = mkstore("delete", store, "victim", code=FAILED)
    assert "cannot delete the snapshot victim" in failed.stderr
    assert "salvage" in failed.stderr and "damage in the way" in failed.stderr
    generation = mkstore_json("info", store)["generation"]
    assert generation < 40
    failed = mkstore("delete", store, "before", code=FAILED)
    assert "damage in the way" in failed.stderr
    put(store, tmp_path, b"goes on", "/new")
    mkstore("snapshot", store, "another")
    mkstore("restore", store, "after")
    assert get(store, tmp_path, "/more")
    report = json.loads(mkstore("salvage", store, tmp_path / "new.img", "--json", code=None).stdout)
    assert report["snapshots_lost"] == 0

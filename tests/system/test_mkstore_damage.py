# SPDX-License-Identifier: MIT
"""test_mkstore_damage.py - work goes on beside damage, or ends and says so."""

import json
import random
import re
import shutil

from conftest import mkstore, mkstore_json
from stores import FAILED, SECTOR, get, names, put, store, system  # noqa: F401 (fixtures)

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


def machine_page(image, name):
    """The first page of the machine of that name, out of the object table; and its number."""
    number = next(m for m in mkstore_json("ps", image)["machines"] if m["name"] == name)["object"]
    table = bytes.fromhex(mkstore_json("dump", image, "page", str(0x200000 + number // 64))["bytes"])
    return int.from_bytes(table[number % 64 * 64 + 16:][:8], "little"), number


def test_damaged_pages_have_names(system, tmp_path):  # noqa: F811
    """verify, scrub and diff say whose a page is that they name: by path, or which machine."""
    image = tmp_path / "store.img"
    shutil.copy(system, image)
    mkstore("mkdir", image, "/deep")
    put(image, tmp_path, random.Random(1).randbytes(60000), "/deep/lost")
    mkstore("snapshot", image, "then")
    put(image, tmp_path, b"short", "/deep/lost")
    for n in range(3):
        mkstore("mkdir", image, f"/n{n}")
    said = mkstore("diff", image, "then", "live", "--pages").stdout
    assert re.search(r"removed +pages \d+ to \d+ of /deep/lost \(segment \d+\)", said), said
    runs = mkstore_json("diff", image, "then", "live", "--pages")["runs"]
    page, number = machine_page(image, "counter")
    # In the snapshot only, in the live state only, and in both.
    pages = [run["first_page"] for run in runs if run["what"] == "removed"]
    assert len(pages) == 1
    for page in [*pages, first_page(image, "/bin/hello"), page]:
        found = mkstore_json("map", image, str(page))["generations"]
        sector = next(g["sector"] for g in reversed(found) if g["place"] == "stored")
        with open(image, "r+b") as file:
            file.seek(sector * SECTOR + 9)
            file.write(b"damaged!")
    said, scrubbed = (mkstore(word, image, code=FAILED).stdout for word in ("verify", "scrub"))
    told = [f["owner"] for f in errors(image)]
    for name in (r"/deep/lost \(segment \d+\)", r"/bin/hello \(segment \d+\)", f"machine {number}"):
        assert re.search(f"error: .*page.*, of {name}", said), said
        assert re.search(f"damaged: space, page 0x[0-9a-f]+ of {name}: ", scrubbed), scrubbed
        assert any(re.fullmatch(name, owner or "") for owner in told), told

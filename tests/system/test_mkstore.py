# SPDX-License-Identifier: MIT
"""test_mkstore.py - the host tool: every subcommand on a store in a file."""

import json
import os
import random
import re
import subprocess

import pytest
from conftest import MKSTORE, mkstore, mkstore_json
from stores import (  # noqa: F401 (fixtures)
    FAILED,
    IDENTITY,
    OK,
    READERS,
    SECTOR,
    USAGE,
    get,
    names,
    on,
    put,
    sound,
    store,
    system,
)

HELLO = f"program /p {os.getcwd()}/build/user/hello.elf\nmachine m program /p\n"
LONG = f"end\nmachine n program /p arguments \"{'x' * 600}\"\nend"
COMMANDS = """create info ls tree cat get put mkdir mv rm ps snapshot snapshots restore delete
rename retention grow verify map dump stats""".split()


# ---- the command line ---------------------------------------------------------------


def test_help():
    overall = mkstore("--help").stdout
    for command in COMMANDS:
        assert f"  {command} " in overall
        text = mkstore(command, "--help").stdout
        assert text.startswith(f"usage: mkstore {command} ")
        assert "--json" in text
        assert mkstore("help", command).stdout == text
    assert mkstore("help").stdout == overall
    described = json.loads(mkstore("help", "--json").stdout)
    assert described == json.loads(mkstore("--help", "--json").stdout)
    for command in described:
        assert f"  {command['name']} " in overall and command["summary"] in overall
        text = mkstore(command["name"], "--help").stdout
        assert all(option["name"] in text and option["help"] in text
                   for option in command["options"])
        for words in (["help", command["name"], "--json"], [command["name"], "--help", "--json"]):
            assert json.loads(mkstore(*words).stdout) == command
    assert mkstore(code=USAGE).stderr.startswith("usage:")


def test_version():
    assert re.fullmatch(r"mkstore \d+\.\d+.* \(store format 1\)\n", mkstore("--version").stdout)


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["help", "frobnicate"],
        ["info"],
        ["info", "a", "b"],
        ["info", "a", "--frobnicate"],
        ["cat", "a"],
        ["put", "a", "b", "c", "d", "e"],
        ["delete", "a"],
        ["delete", "a", "b", "--all"],
        ["snapshot", "a", ""],
        ["snapshot", "a", "x" * 64],
        ["snapshot", "a", "x\ny"],
        ["restore", "a", "b", "--keep", ""],
        ["put", "a", "/dev/null", "/x", "--max", "lots"],
        ["get", "a", "/x", "-", "--json"],
        ["create", "a", "--size", "1M"],
        ["create", "a", "--size", "5000001"],
        ["create", "a", "--identity", "xyz"],
        ["create", "a", "--created", "now"],
        ["create", "a", "--write-unit", "1024"],
        ["create", "a", "--label", "x" * 64],
        ["stats", "a", "--commits", "all"],
        ["map", "a"],
        ["map", "a", "page"],
        ["map", "a", "0x"],
        ["map", "a", "@12x"],
        ["map", "a", str(1 << 52)],
        ["map", "a", "1", "--offset", "1"],
        ["map", "a", "/x", "--offset", "far"],
        ["map", "a", "1", "--ring", "all"],
        ["dump", "a"],
        ["dump", "a", "everything"],
        ["dump", "a", "slot"],
        ["dump", "a", "ring", "1"],
        ["dump", "a", "node", "space", "1"],
    ],
)
def test_wrong_usage(tmp_path, words):
    words = [str(tmp_path / "a") if word == "a" else word for word in words]
    result = mkstore(*words, code=USAGE)
    assert result.stderr.startswith("mkstore: ") and result.stdout == ""
    assert not os.path.exists(tmp_path / "a")


def test_output_closed(store):
    """What cannot be written is an error."""
    with open("/dev/full", "w", encoding="ascii") as full:
        for command in READERS:
            result = subprocess.run(
                [MKSTORE, *map(str, on(store, command))], stdout=full, stderr=subprocess.PIPE, check=False
            )
            assert result.returncode == FAILED, command
            assert b"cannot write" in result.stderr


# ---- create --------------------------------------------------------------------------


def test_create(store):
    info = mkstore_json("info", store)
    assert info["label"] == "tested" and info["fresh"] and info["stop"] == "fresh"
    assert info["generation"] == 1 and info["resumes"] == 0 and info["uptime_ns"] == 0
    assert info["sectors"] * SECTOR == 64 << 20 == os.path.getsize(store)
    assert info["objects"]["checkpoint_ns"] == 250_000_000
    assert names(store) == ["bin", "notes", "room"]
    assert mkstore("cat", store, "/notes/hello").stdout == "Hello,\nworld!\n"
    assert mkstore("cat", store, "/room").stdout == "\0" * 5
    sound(store)


def test_create_empty(tmp_path):
    path = tmp_path / "empty.img"
    made = mkstore_json("create", path, "--size", "4M", "--identity", IDENTITY, "--label", "näme")
    assert made["identity"] == IDENTITY and made["label"] == "näme" and made["generation"] == 1
    assert names(path) == []
    sound(path)


def test_create_reproducible(tmp_path, store):
    images = []
    for number in range(2):
        path = tmp_path / f"{number}.img"
        words = ["--manifest", "disk/system.manifest", "--files", "build/user", "--size", "64M"]
        mkstore("create", path, *words, "--identity", IDENTITY, "--created", "1000")
        images.append(path.read_bytes())
    assert images[0] == images[1]
    assert mkstore_json("info", path)["wall_ns"] == 1000
    assert mkstore_json("info", store)["identity"] != IDENTITY


def test_create_source_date_epoch(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    mkstore("create", tmp_path / "a.img", "--size", "4M")
    assert mkstore_json("info", tmp_path / "a.img")["wall_ns"] == 1_700_000_000 * 10**9


def test_create_refuses_to_overwrite(store, tmp_path):
    before = store.read_bytes()
    assert "there is a store already" in mkstore("create", store, code=FAILED).stderr
    assert store.read_bytes() == before
    other = tmp_path / "other"
    other.write_bytes(b"\0" * 5000 + b"precious" + b"\0" * (8 << 20))
    assert "not empty" in mkstore("create", other, code=FAILED).stderr
    mkstore("create", other, "--force")
    assert sound(other)["sectors"] == os.path.getsize(other) // 4096 * 8
    mkstore("create", store, "--force")
    assert names(store) == []
    sound(store)


def test_create_write_unit(tmp_path):
    path = tmp_path / "unit.img"
    words = ["--manifest", "disk/system.manifest", "--files", "build/user", "--size", "64M"]
    mkstore("create", path, *words, "--write-unit", "4096")
    for number in range(5):
        put(path, tmp_path, b"%d" % number * 3000, f"/{number % 2}")
    sound(path)


@pytest.mark.parametrize(
    "text, message",
    [
        ("nonsense", ":1: 'nonsense'"),
        ("\n\nfile /x missing.bin", ":3: cannot open"),
        ("program /p manifest\nmachine m program /p\nend", ":1: 'manifest' cannot be loaded: "),
        (HELLO + "grant 16 /p read control\nend", ":2: cannot set up the machine 'm': "),
        (HELLO + LONG, ":4: cannot set up the machine 'n': "),
    ],
)
def test_create_bad_manifest(tmp_path, text, message):
    """Says in which line; and leaves no half-made file."""
    (tmp_path / "manifest").write_text(text)
    path = tmp_path / "new.img"
    words = ["--manifest", tmp_path / "manifest", "--files", tmp_path]
    result = mkstore("create", path, *words, code=FAILED)
    assert message in result.stderr
    assert not path.exists()


def test_create_too_small_for_the_system(tmp_path):
    (tmp_path / "large").write_bytes(random.Random(1).randbytes(8 << 20))
    (tmp_path / "manifest").write_text("file /large large")
    path = tmp_path / "new.img"
    words = ["--manifest", tmp_path / "manifest", "--files", tmp_path, "--size", "4M"]
    result = mkstore("create", path, *words, code=FAILED)
    assert "allowance" in result.stderr or "full" in result.stderr
    assert not path.exists()


def test_what_is_no_option(store):
    for word in ("--json=1", "--verbose=yes", "--help="):
        said = mkstore("info", store, word, code=USAGE).stderr
        assert f"{word} takes no value" in said
    assert "has no option '--jsonx'" in mkstore("info", store, "--jsonx", code=USAGE).stderr


# ---- looking -------------------------------------------------------------------------


def test_ls(store):
    entries = {entry["name"]: entry for entry in mkstore_json("ls", store)["entries"]}
    assert entries["bin"]["type"] == "directory" and entries["bin"]["entries"] == 1
    room = entries["room"]
    assert room["type"] == "segment" and room["alive"]
    assert room["size_bytes"] == 5 and room["most_bytes"] == 65536
    assert {"read", "write"} <= set(room["rights"])
    text = mkstore("ls", store, "/bin").stdout
    assert re.fullmatch(r"segment +\S+ +8448  data\n", text)
    assert names(store, "/bin/data") == ["data"]
    assert names(store, "//notes//") == ["hello"]


def test_ls_refuses(store):
    """With a word on the standard error, and nothing on the standard output."""
    for command in ("ls", "tree"):
        for path in ("/nothing", "/bin/data/x") + (("/room",) if command == "tree" else ()):
            for options in ([], ["--json"]):
                result = mkstore(command, store, path, *options, code=FAILED)
                assert result.stdout == "" and path in result.stderr, (command, path)
    assert "no such name" in mkstore("ls", store, "/nothing", code=FAILED).stderr
    assert "another type" in mkstore("ls", store, "/bin/data/x", code=FAILED).stderr


def test_tree(store):
    paths = [entry["path"] for entry in mkstore_json("tree", store)["entries"]]
    assert paths == ["/bin", "/bin/data", "/notes", "/notes/hello", "/room"]
    text = mkstore("tree", store).stdout
    assert text.splitlines()[0].startswith("bin/") and "    data " in text
    assert [e["path"] for e in mkstore_json("tree", store, "/bin")["entries"]] == ["/bin/data"]
    mkstore("tree", store, "/room", code=FAILED)


def test_cat(store):
    assert mkstore_json("cat", store, "/notes/hello")["text"] == "Hello,\nworld!\n"
    # Bytes that are no text survive JSON, in Python's own way.
    text = mkstore_json("cat", store, "/bin/data")["text"]
    assert os.fsencode(text) == bytes(range(256)) * 33
    assert "only segments" in mkstore("cat", store, "/bin", code=FAILED).stderr


def test_names_are_made_safe(store, tmp_path):
    name = "a\x1b[2Jb\udcff"
    put(store, tmp_path, b"x", f"/{name}")
    assert name in names(store)
    assert "a\\x1b[2Jb\\xff" in mkstore("ls", store).stdout
    assert "a\\x1b[2Jb\\xff" in mkstore("tree", store).stdout


def test_ps(system):
    machines = {m["name"]: m for m in mkstore_json("ps", system)["machines"]}
    assert {"shell", "counter", "primes", "exchange", "traffic"} <= set(machines)
    for machine in machines.values():
        assert machine["state"] == "ready" and machine["cpu_ns"] == 0
        assert machine["fault"] == "none" and machine["rip"] > 64 << 30
    assert machines["shell"]["priority"] > machines["primes"]["priority"]
    text = mkstore("ps", system).stdout
    assert re.search(r"^ +\d+ counter +ready +- +\d+ +00:00:00", text, re.M)


def test_banks(system):
    """The first one pays for all, and for each machine in it."""
    info = mkstore_json("info", system)["objects"]
    (bank,) = mkstore_json("banks", system)["banks"]
    assert bank["object"] == 1 and bank["depth"] == 0 and bank["state"] == "lives"
    assert bank["pages"] == info["charged_pages"] and bank["limit_pages"] == info["limit_pages"]
    assert bank["pages"] < bank["addresses"] < bank["limit_addresses"]
    machines = mkstore_json("ps", system)["machines"]
    assert bank["machines"] == [{"object": m["object"], "name": m["name"]} for m in machines]
    text = mkstore("banks", system).stdout
    names = ", ".join(m["name"] for m in machines)
    row = rf"^1 +lives +{bank['pages']} .* {bank['objects']} +{bank['weight']}  {names}$"
    assert re.search(row, text, re.M)


def test_banks_to_the_page(store, tmp_path):
    (before,) = mkstore_json("banks", store)["banks"]
    put(store, tmp_path, bytes(5 * 4096 + 1), "/six")
    (bank,) = mkstore_json("banks", store)["banks"]
    assert bank["pages"] == before["pages"] + 6 and bank["objects"] == before["objects"] + 1
    assert bank["addresses"] >= before["addresses"] + 6
    mkstore("rm", store, "/six")
    assert mkstore_json("banks", store)["banks"] == [before]


def test_system_is_sound(system):
    totals = sound(system)
    assert totals["pages"] > 100
    entries = {e["path"]: e for e in mkstore_json("tree", system)["entries"]}
    for line in open("disk/system.manifest", encoding="utf-8"):
        words = line.split()
        if words and words[0] in ("program", "segment", "text", "directory"):
            assert words[1] in entries
    shell = entries["/bin/shell"]
    assert shell["size_bytes"] == os.path.getsize("build/user/shell.elf")


# ---- bytes in and out ------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 3 << 20])
@pytest.mark.parametrize("kind", ["random", "zeros", "text"])
def test_round_trip(store, tmp_path, size, kind):
    content = {
        "random": random.Random(size).randbytes(size),
        "zeros": bytes(size),
        "text": (b"all work and no play makes a dull system " * (size // 40 + 1))[:size],
    }[kind]
    put(store, tmp_path, content, "/it")
    assert get(store, tmp_path, "/it") == content
    assert mkstore_json("ls", store, "/it")["entries"][0]["size_bytes"] == size
    sound(store)


def test_round_trip_larger_than_the_cache(tmp_path):
    """150 MiB of all kinds of pages, through a cache of 64 MiB."""
    path, source, target = tmp_path / "big.img", tmp_path / "source", tmp_path / "target"
    mkstore("create", path, "--size", "1G")
    generator = random.Random(7)
    with open(source, "wb") as file:
        for _ in range(50):
            file.write(generator.randbytes(1 << 20))
            file.write(bytes(1 << 20))
            file.write(b"%d " % generator.randrange(10**9) * 99999)
        file.truncate(150 << 20)
    said = mkstore_json("put", path, source, "/big")
    assert said["size_bytes"] == 150 << 20 and said["generation"] > 2
    mkstore("get", path, "/big", target)
    assert subprocess.run(["cmp", source, target], check=False).returncode == 0
    assert names(path) == ["big"]
    sound(path)


def test_put_existing(store, tmp_path):
    """Overwritten in place: the same object, and no rest of the old bytes."""
    number = mkstore_json("ls", store, "/room")["entries"][0]["object"]
    for content in [b"x" * 65536, b"short", b"", b"y" * 5000]:
        put(store, tmp_path, content, "/room")
        assert get(store, tmp_path, "/room") == content
        entry = mkstore_json("ls", store, "/room")["entries"][0]
        assert entry["object"] == number and entry["most_bytes"] == 65536
        sound(store)
    (tmp_path / "source").write_bytes(b"z" * 65537)
    result = mkstore("put", store, tmp_path / "source", "/room", code=FAILED)
    assert "can grow to 64.0 KiB only" in result.stderr
    assert get(store, tmp_path, "/room") == b"y" * 5000


def test_put_existing_is_atomic(store, tmp_path):
    """8 MiB in place are one commit."""
    for seed in range(2):
        generation = mkstore_json("info", store)["generation"]
        put(store, tmp_path, random.Random(seed).randbytes(8 << 20), "/large")
        assert mkstore_json("info", store)["generation"] == generation + 1


def test_put_targets(store, tmp_path):
    source = tmp_path / "my file"
    source.write_bytes(b"mine")
    mkstore("put", store, source)
    mkstore("put", store, source, "/notes")
    mkstore("put", store, source, "/notes/other", "--max", "1M")
    assert "my file" in names(store)
    assert names(store, "/notes") == ["hello", "my file", "other"]
    assert mkstore_json("ls", store, "/notes/other")["entries"][0]["most_bytes"] == 1 << 20
    piped = subprocess.run(
        [MKSTORE, "put", store, "-", "/piped"], input=b"through a pipe" * 9999, check=False
    )
    assert piped.returncode == OK
    assert get(store, tmp_path, "/piped") == b"through a pipe" * 9999
    sound(store)


def test_put_refuses(store, tmp_path):
    before = store.read_bytes()
    source = tmp_path / "source"
    source.write_bytes(b"12345")
    assert "no such name" in mkstore("put", store, source, "/a/b", code=FAILED).stderr
    assert "No such file" in mkstore("put", store, tmp_path / "none", "/a", code=FAILED).stderr
    assert "is the store itself" in mkstore("put", store, tmp_path, "/a", code=FAILED).stderr
    mkstore("put", store, source, "/a", "--max", "4", code=USAGE)
    said = mkstore("put", store, source, "/" + "x" * 256, code=FAILED).stderr
    assert "ends in a name of 256 bytes, at most 255" in said
    assert store.read_bytes() == before
    mkstore("mkdir", store, "/source")
    assert "'/source' is a directory" in mkstore("put", store, source, "//", code=FAILED).stderr
    assert mkstore_json("put", store, source, "/source/")["path"] == "/source/source"


def test_put_beyond_the_allowance(tmp_path):
    path = tmp_path / "small.img"
    mkstore("create", path, "--size", "8M")
    (tmp_path / "source").write_bytes(random.Random(3).randbytes(7 << 20))
    before = path.read_bytes()
    assert "allowance" in mkstore("put", path, tmp_path / "source", "/big", code=FAILED).stderr
    assert path.read_bytes() == before


def test_put_into_a_full_store(tmp_path):
    """What does not fit is taken back, whatever was committed on the way."""
    path = tmp_path / "small.img"
    mkstore("create", path, "--size", "8M", "--allowance", "1G")
    before = mkstore_json("info", path)["objects"]
    for size in (7, 200):
        (tmp_path / "source").write_bytes(random.Random(3).randbytes(size << 20))
        result = mkstore("put", path, tmp_path / "source", "/big", code=FAILED)
        assert result.stderr.count("\n") == 1 and "the store is full" in result.stderr
        assert names(path) == []
        assert mkstore_json("info", path)["objects"] == before
        sound(path)
    put(path, tmp_path, b"still works", "/small")
    assert get(path, tmp_path, "/small") == b"still works"
    # Compressed, more goes in than the store is large.
    (tmp_path / "source").write_bytes(b"compressible " * (1 << 20))
    mkstore("put", path, tmp_path / "source", "/large")
    mkstore("rm", path, "/large")
    sound(path)


def test_put_killed(tmp_path):
    """Killed half-way, a put leaves a whole store, and a part that rm removes."""
    path, source = tmp_path / "store.img", tmp_path / "source"
    mkstore("create", path, "--size", "1G")
    objects = mkstore_json("info", path)["objects"]
    source.write_bytes(random.Random(8).randbytes(50 << 20) * 8)
    with subprocess.Popen([MKSTORE, "put", path, source, "/big"]) as process:
        while mkstore("info", path, "--json", "--live", code=None).stdout.find('"generation": 1,') > 0:
            assert process.poll() is None, "ended before anything was committed"
        process.kill()
    assert mkstore_json("verify", path)["ok"]
    (partial,) = names(path)
    assert partial.startswith(".partial-")
    mkstore("rm", path, f"/{partial}")
    assert mkstore_json("info", path)["objects"] == objects
    sound(path)


def test_get_refuses(store, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    assert "--force" in mkstore("get", store, "/bin/data", target, code=FAILED).stderr
    assert target.read_bytes() == b"precious"
    mkstore("get", store, "/nothing", target, "--force", code=FAILED)
    assert target.read_bytes() == b"precious"
    assert mkstore_json("get", store, "/bin/data", target, "--force") == {
        "path": "/bin/data",
        "file": str(target),
        "size_bytes": 8448,
        "damaged_pages": 0,
    }
    assert len(target.read_bytes()) == 8448
    assert mkstore("get", store, "/notes/hello", "-").stdout == "Hello,\nworld!\n"


def test_get_damaged(store, tmp_path):
    """A page that is damaged is named; never zeros or other bytes in silence."""
    content = random.Random(5).randbytes(5 * 4096)
    put(store, tmp_path, content, "/it")
    # Another commit, or the damage would look like a commit that was cut off.
    mkstore("mkdir", store, "/later")
    image = bytearray(store.read_bytes())
    place = image.find(content[8192:8192 + 512])
    assert place > 0
    image[place] ^= 1
    store.write_bytes(image)
    target = tmp_path / "damaged"
    result = mkstore("get", store, "/it", target, code=FAILED)
    assert "bytes 8192 to 12287" in result.stderr and "checksum" in result.stderr
    assert not target.exists()
    mkstore("cat", store, "/it", code=FAILED)
    result = mkstore("get", store, "/it", target, "--keep-going", "--json", code=FAILED)
    assert json.loads(result.stdout)["damaged_pages"] == 1
    assert target.read_bytes() == content[:8192] + bytes(4096) + content[12288:]
    assert "Hello" in mkstore("cat", store, "/notes/hello").stdout
    report = mkstore("verify", store, "--json", code=FAILED)
    findings = json.loads(report.stdout)["findings"]
    assert [f["code"] for f in findings if f["severity"] == "error"] == ["checksum"]
    assert findings[0]["sector"] is not None and findings[0]["page"] is not None
    # Runs of damaged pages are told as such.
    for page in (0, 3, 4):
        image[image.find(content[page * 4096 : page * 4096 + 512])] ^= 1
    store.write_bytes(image)
    said = mkstore("get", store, "/it", target, "--keep-going", "--force", code=FAILED).stderr
    assert re.findall(r"bytes \d+ to \d+", said) == ["bytes 0 to 4095", "bytes 8192 to 20479"]
    assert target.read_bytes() == bytes(4096) + content[4096:8192] + bytes(12288)


# ---- names -----------------------------------------------------------------------------


def test_mkdir_mv_rm(store):
    before = mkstore_json("info", store)["objects"]
    mkstore("mkdir", store, "/new")
    mkstore("mkdir", store, "/new/inner")
    mkstore("mv", store, "/notes/hello", "/new/inner/greeting")
    assert names(store, "/notes") == []
    assert "Hello" in mkstore("cat", store, "/new/inner/greeting").stdout
    mkstore("mv", store, "/new/inner/greeting", "/new")
    assert names(store, "/new") == ["greeting", "inner"]
    mkstore("mv", store, "/new/greeting", "/notes/hello")
    sound(store)
    assert "not empty" in mkstore("rm", store, "/new", code=FAILED).stderr
    mkstore("rm", store, "/new/inner")
    assert mkstore_json("rm", store, "/new")["path"] == "/new"
    assert mkstore_json("info", store)["objects"] == before
    sound(store)


def test_rm_recursive(store, tmp_path):
    """A directory with all that is below it, in one commit."""
    before = mkstore_json("info", store)
    folder = tmp_path / "folder"
    for number in range(120):
        place = folder / f"{number % 7}" / f"{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / str(number)).write_text(str(number))
    (folder / "empty").mkdir()
    mkstore("put", store, folder, "/folder")
    mkstore("mkdir", store, "/beside")
    assert "not empty" in mkstore("rm", store, "/folder", code=FAILED).stderr
    assert "either --keep or" in mkstore("rm", store, "/folder", "--recursive", "--keep", code=USAGE).stderr
    generation = mkstore_json("info", store)["generation"]
    removed = mkstore_json("rm", store, "/folder", "--recursive")
    assert (removed["path"], removed["generation"]) == ("/folder", generation + 1)
    assert names(store) == ["beside", "bin", "notes", "room"]
    mkstore("rm", store, "/beside", "--recursive")
    assert mkstore_json("info", store)["objects"] == before["objects"]
    mkstore("rm", store, "/notes/hello", "--recursive")
    assert "is the root directory" in mkstore("rm", store, "/", "--recursive", code=FAILED).stderr
    assert names(store) == ["bin", "notes", "room"] and names(store, "/notes") == []
    mkstore("put", store, __file__, "/bin/shell")
    mkstore("mkdir", store, "/away")
    assert "--force" in mkstore("rm", store, "/bin", "--recursive", code=FAILED).stderr
    mkstore("mv", store, "/bin/shell", "/away/shell", "--force")
    mkstore("rm", store, "/away", "--recursive")
    assert "away" not in names(store)
    sound(store)


def test_names_refuse(store):
    before = store.read_bytes()
    assert "taken" in mkstore("mkdir", store, "/bin", code=FAILED).stderr
    assert "no such name" in mkstore("mkdir", store, "/a/b", code=FAILED).stderr
    long = "/bin/" + "x" * 256
    for path, why in [("/", "is the root directory"), ("", "is empty"), (long, "256 bytes, at most 255")]:
        assert why in mkstore("mkdir", store, path, code=FAILED).stderr
        assert why in mkstore("rm", store, path, code=FAILED).stderr
        assert why in mkstore("mv", store, path, "/x", code=FAILED).stderr
    assert "'/room' to '" + long in mkstore("mv", store, "/room", long, code=FAILED).stderr
    assert "that ends in a name of 256" in mkstore("mv", store, "/room", long, code=FAILED).stderr
    assert "no such name" in mkstore("mv", store, "/a", "/b", code=FAILED).stderr
    assert "taken" in mkstore("mv", store, "/bin/data", "/room", code=FAILED).stderr
    assert "no such name" in mkstore("rm", store, "/a", code=FAILED).stderr
    for target in ["/bin", "/bin/x", "/bin/bin"]:
        said = mkstore("mv", store, "/bin", target, code=FAILED).stderr
        assert f"cannot move '/bin' to '{target}': a directory cannot be put below itself" in said
    assert store.read_bytes() == before


def test_rm_gives_space_back(store, tmp_path):
    used = sound(store)["used_sectors"]
    objects = mkstore_json("info", store)["objects"]
    put(store, tmp_path, random.Random(2).randbytes(2 << 20), "/it")
    assert sound(store)["used_sectors"] > used + 4096
    mkstore("rm", store, "/it")
    mkstore("mkdir", store, "/x")
    mkstore("rm", store, "/x")
    # The range at rest is remembered in a page of its own, and its path.
    assert sound(store)["used_sectors"] <= used + 64
    assert mkstore_json("info", store)["objects"] == objects


def test_rm_keep(store):
    objects = mkstore_json("info", store)["objects"]["alive"]
    mkstore("rm", store, "/room", "--keep")
    assert "room" not in names(store)
    assert mkstore_json("info", store)["objects"]["alive"] == objects
    # Nobody holds it: that is said, is no damage, and can be changed.
    report = mkstore_json("verify", store)
    assert report["ok"] and [f["severity"] for f in report["findings"]] == ["warning"]
    lost = report["findings"][0]["object"]
    assert report["totals"]["unreached_objects"] == 1
    assert "mkstore reattach" in mkstore("verify", store).stdout
    assert [row["path"] for row in mkstore_json("reattach", store)["reattached"]] == [
        f"/lost+found/segment-{lost}"
    ]
    assert f"segment-{lost}" in names(store, "/lost+found")
    assert mkstore_json("reattach", store)["reattached"] == []
    sound(store)

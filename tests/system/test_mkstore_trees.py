# SPDX-License-Identifier: MIT
"""test_mkstore_trees.py - whole folders and tar streams, into a store and out of it."""

import io
import json
import os
import random
import subprocess
import tarfile

import pytest
from conftest import MKSTORE, mkstore, mkstore_json
from stores import (  # noqa: F401 (fixtures)
    FAILED,
    USAGE,
    names,
    put,
    sound,
    store,
)

from machine import Machine

OLD_NS = 981173106_789000000  # in 2001


def make_folder(path, seed=1):
    """A bit of everything that a store can hold; what is in it, by path."""
    source = random.Random(seed)
    contents = {f"many/f{n}": source.randbytes(source.randrange(3000)) for n in range(300)}
    contents |= {"large": source.randbytes(1 << 20), "empty": b"", "sparse": bytes(1 << 20)}
    contents |= {f"{'d' * 120}/{'e' * 120}/{'f' * 255}": b"deep", "many/" + "n" * 150: b"long",
                 "spaces and \xfc\t": b"names"}
    for name, data in contents.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        when = OLD_NS + source.randrange(10**18)
        os.utime(file, ns=(when, when))
    (path / "nothing").mkdir()
    return contents


def seen(path):
    """Names, contents and times of a folder."""
    found = {}
    for folder, _, files in os.walk(path):
        found[os.path.relpath(folder, path)] = None
        for name in files:
            file = os.path.join(folder, name)
            with open(file, "rb") as data:
                found[os.path.relpath(file, path)] = data.read(), os.stat(file).st_mtime_ns
    return found


def feed(image, data, *words, code=0):
    """`put - --tar` of these bytes."""
    command = [MKSTORE, "put", str(image), "-", *words, "--tar"]
    result = subprocess.run(command, input=data, capture_output=True, check=False)
    assert result.returncode == code, result.stderr
    return result.stderr.decode(errors="replace")


def tar_of(folder, form):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        tar.add(folder, ".")
    return stream.getvalue()


def member(name, data=b"", **fields):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=fields.pop("form", tarfile.GNU_FORMAT)) as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for field, value in fields.items():
            setattr(info, field, value)
        tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def test_folder(store, tmp_path):
    """In and out: names, contents and times are the same, and it is one commit."""
    contents = make_folder(tmp_path / "folder")
    before = mkstore_json("info", store)["generation"]
    said = mkstore_json("put", store, tmp_path / "folder", "/notes")
    assert said["generation"] == before + 1 == mkstore_json("info", store)["generation"]
    assert said["files"] == len(contents) and said["left_out"] == 0
    assert said["size_bytes"] == sum(map(len, contents.values()))
    sound(store)
    assert mkstore_json("get", store, "/notes/folder", tmp_path / "out")["files"] == len(contents)
    assert seen(tmp_path / "out") == seen(tmp_path / "folder")
    # Under a name of its own, with a slash behind the folder's; and each only once.
    mkstore("put", store, f"{tmp_path}/folder/", "/copy")
    mkstore("get", store, "/copy", f"{tmp_path}/out2/")
    assert seen(tmp_path / "out2") == seen(tmp_path / "folder")
    image = store.read_bytes()
    for place in ("/notes", "/notes/hello"):
        said = mkstore("put", store, tmp_path / "folder", place, code=FAILED).stderr
        assert "the name is taken" in said
    assert "exists" in mkstore("get", store, "/copy", tmp_path / "out", code=FAILED).stderr
    assert "--max" in mkstore("put", store, tmp_path / "folder", "--max", "5M", code=USAGE).stderr
    assert store.read_bytes() == image
    # One file has its time, too.
    mkstore("put", store, tmp_path / "folder/large", "/one")
    mkstore("get", store, "/one", tmp_path / "one")
    assert os.stat(tmp_path / "one").st_mtime_ns == os.stat(tmp_path / "folder/large").st_mtime_ns
    sound(store)


def test_what_a_store_has_nothing_for(store, tmp_path):
    """Links and the like are refused, or left out with a word each; nothing in silence."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_bytes(b"mine")
    os.symlink("file", folder / "link")
    os.mkfifo(folder / "pipe")
    image = store.read_bytes()
    assert "'link' is a symbolic link" in mkstore("put", store, folder, code=FAILED).stderr
    assert store.read_bytes() == image
    said = mkstore("put", store, folder, "--skip")
    assert "left out 'link'" in said.stderr and "left out 'pipe': it is a pipe" in said.stderr
    assert names(store, "/folder") == ["file"]
    sound(store)
    # Out of the store: names that a folder of the host cannot have.
    mkstore("put", store, folder / "file", "/folder/..")
    assert "cannot have" in mkstore("get", store, "/folder", tmp_path / "out", code=FAILED).stderr
    assert sorted(os.listdir(tmp_path)) == ["data.bin", "folder", "manifest", "store.img"]
    mkstore("get", store, "/folder", tmp_path / "out", "--skip")
    assert os.listdir(tmp_path / "out") == ["file"]
    # Nor does a stream lead out of the folder into which it is unpacked.
    assert "cannot have" in mkstore("get", store, "/folder", "-", "--tar", code=FAILED).stderr
    mkstore("get", store, "/folder", tmp_path / "out.tar", "--tar", "--skip")
    with tarfile.open(tmp_path / "out.tar") as stream:
        assert stream.getnames() == ["file"]
    mkstore("mv", store, "/folder/..", "/folder/gone")
    mkstore("mkdir", store, "/folder/..")
    mkstore("put", store, folder / "file", "/folder/../x")
    said = mkstore("get", store, "/folder", tmp_path / "out3.tar", "--tar", "--skip", code=FAILED).stderr
    assert "cannot have" in said and not (tmp_path / "out3.tar").exists()
    said = mkstore("get", store, "/folder", tmp_path / "out2", "--skip", code=FAILED).stderr
    assert "cannot have" in said and not (tmp_path / "out2").exists()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_in(store, tmp_path, form):
    folder = tmp_path / "folder"
    make_folder(folder)
    stream = tar_of(folder, form)
    before = mkstore_json("info", store)["generation"]
    feed(store, stream, "/new")
    assert mkstore_json("info", store)["generation"] == before + 1
    mkstore("get", store, "/new", tmp_path / "out")
    wanted = seen(folder)
    found = seen(tmp_path / "out")
    for name, file in wanted.items():
        # GNU's header has whole seconds.
        unit = 10**9 if form == tarfile.GNU_FORMAT else 1000
        assert found[name] == file or (found[name][0] == file[0] and
                                       abs(found[name][1] - file[1]) < unit), name
    assert len(found) == len(wanted)
    # Into a directory: what is at the top goes there, if every name is free.
    (tmp_path / "file.tar").write_bytes(stream)
    mkstore("put", store, tmp_path / "file.tar", "/", "--tar")
    assert set(names(store)) == {"bin", "notes", "room", "new", *os.listdir(folder)}
    sound(store)
    image = store.read_bytes()
    assert "the name is taken" in feed(store, member("./hello", b"x"), "/notes", code=FAILED)
    assert store.read_bytes() == image


def test_tar_out(store, tmp_path):
    """What others read: Python's reader and tar itself, with all names and times."""
    folder = tmp_path / "folder"
    contents = make_folder(folder)
    mkstore("put", store, folder)
    mkstore("snapshot", store, "then")
    result = subprocess.run([MKSTORE, "get", store, "/folder", "-", "--tar"], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(result.stdout)) as tar:
        files = {entry.name: entry for entry in tar if entry.isfile()}
        assert {name: tar.extractfile(name).read() for name in files} == contents
    mkstore("get", store, "/folder", tmp_path / "out.tar", "--tar")
    assert (tmp_path / "out.tar").read_bytes() == result.stdout
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "xf", tmp_path / "out.tar", "-C", tmp_path / "out"], check=True)
    assert seen(tmp_path / "out") == seen(folder)
    assert "exists" in mkstore("get", store, "/folder", tmp_path / "out.tar", "--tar", code=FAILED).stderr
    # And back again; also as it was.
    feed(store, result.stdout, "/again")
    mkstore("get", store, "/again", tmp_path / "again")
    assert seen(tmp_path / "again") == seen(folder)
    mkstore("get", store, "/folder", tmp_path / "then", "--snapshot", "then")
    assert seen(tmp_path / "then") == seen(folder)



def changed(stream, offset, data):
    """The header's field, and a checksum that is right."""
    block = bytearray(stream)
    block[offset:offset + len(data)] = data
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block)


GOOD = member("a/b", b"x" * 1000)
HOSTILE = {
    "absolute": (member("/etc/passwd", b"x"), "'/etc/passwd' is an absolute path"),
    "up": (member("a/../../x", b"x"), "leads out of its folder"),
    "up at the end": (member("a/..", b"x"), "leads out of its folder"),
    "symbolic link": (member("l", type=tarfile.SYMTYPE, linkname="/etc"), "'l' is a symbolic link"),
    "hard link": (member("l", type=tarfile.LNKTYPE, linkname="f"), "'l' is a hard link"),
    "device": (member("dev", type=tarfile.CHRTYPE), "'dev' is a device"),
    "pipe": (member("p", type=tarfile.FIFOTYPE), "'p' is a pipe"),
    "sparse": (member("f", b"data", form=tarfile.PAX_FORMAT,
                      pax_headers={"GNU.sparse.major": "1"}), "byte 512: a sparse member"),
    "old sparse": (member("s", type=b"S"), "'s' is a sparse file"),
    "unknown": (member("u", type=b"Z"), "'u' is a member of a type"),
    "long name": (member("n" * 256, b"x"), "more than 255 bytes"),
    "not a stream": (b"\x1f\x8b" + bytes(2000), "byte 0: this is no tar stream"),
    "nothing": (b"", "byte 0: the stream is cut off"),
    "cut in a header": (GOOD[:300], "byte 0: the stream is cut off"),
    "cut in the bytes": (GOOD[:900], "'a/b': it ends before its size"),
    "cut in the padding": (GOOD[:512 + 1010], "byte 1512: the stream is cut off"),
    "no end": (GOOD[:512 + 1024], "byte 1536: the stream is cut off"),
    "damaged header": (GOOD[:512 + 1024] + b"\1" * 1024, "byte 1536: no header of a member"),
    "flipped": (GOOD[:10] + b"z" + GOOD[11:], "byte 0: this is no tar stream"),
    "no size": (changed(GOOD, 124, b"zz"), "byte 0: a size that is none"),
    "negative size": (changed(GOOD, 124, b"\xff" * 12), "byte 0: a size that is none"),
    "huge": (changed(GOOD, 124, b"\x80\0\0\0\0\x40" + bytes(6)), "cannot write 'a/b'"),
    "larger than the store": (changed(GOOD, 124, b"00400000000\0"), "cannot write 'a/b'"),
    "huge name": (changed(member("n" * 200, b"x"), 124, b"77777777777\0"), "more than 1 MiB"),
    "below a file": (GOOD[:1536] + member("a/b/c", b"x"), "cannot write 'a/b/c'"),
    "file as directory": (GOOD[:1536] + member("a", b"x"), "cannot write 'a'"),
    "pax": (changed(member("p" * 200, b"x", form=tarfile.PAX_FORMAT), 0, b"x")[:512] +
            b"9999 path=x\n".ljust(512, b"\0") + bytes(1024), "a pax line that is none"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_streams(store, name):
    """What and where, and nothing was put."""
    stream, message = HOSTILE[name]
    image = store.read_bytes()
    said = feed(store, stream, "/new", code=FAILED)
    assert message in said, said
    assert store.read_bytes() == image


def test_streams_with_other_things(store, tmp_path):
    """--skip leaves out links, and what follows is read on; of two files the later counts."""
    stream = member("l", type=tarfile.SYMTYPE, linkname="x")[:512] + GOOD[:1536]
    stream += member("u", b"y" * 700, type=b"Z")[:1536] + member("a/b", b"later")
    said = feed(store, stream, "/new", "--skip")
    assert "left out 'l'" in said and "left out 'u'" in said
    mkstore("get", store, "/new", tmp_path / "out")
    assert {name: data and data[0] for name, data in seen(tmp_path / "out").items()} == {
        ".": None, "a": None, "a/b": b"later"}
    sound(store)


def test_any_byte_changed(store, tmp_path):
    """Each flip in a stream: refused without a change, or the store is sound with it."""
    source = random.Random(3)
    for _ in range(40):
        stream = bytearray(member("d/" + "n" * 150, b"q" * 600, form=tarfile.PAX_FORMAT, mtime=1.5))
        stream[source.randrange(3072)] ^= 1 << source.randrange(8)
        image = store.read_bytes()
        result = subprocess.run([MKSTORE, "put", store, "-", "/new", "--tar"], input=bytes(stream),
                                capture_output=True, check=False)
        assert result.returncode in (0, FAILED), result
        if result.returncode:
            assert store.read_bytes() == image
        else:
            sound(store)
            mkstore("rm", store, "/new/" + names(store, "/new")[0], code=None)
            store.write_bytes(image)


def test_full_store(tmp_path):
    """What does not fit is taken back, also where earlier commits were needed."""
    image = tmp_path / "small.img"
    mkstore("create", image, "--size", "16M")
    put(image, tmp_path, b"mine", "/mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    for n in range(20):
        (folder / f"f{n}").write_bytes(random.Random(n).randbytes(1 << 20))
    before = sound(image)
    said = mkstore("put", image, folder, code=FAILED).stderr
    assert "full" in said or "allowance" in said
    assert names(image) == ["mine"]
    after = sound(image)
    assert after["used_sectors"] <= before["used_sectors"] + 64
    for n in range(14):
        (folder / f"f{n}").unlink()
    mkstore("put", image, folder)
    sound(image)


def test_more_than_one_commit(tmp_path):
    """A stream that is cut off behind what has been committed already: all is taken back."""
    store = tmp_path / "large.img"
    mkstore("create", store, "--size", "256M")
    data = random.Random(9).randbytes(80 << 20)
    stream = GOOD[:1536] + member("big", data)
    said = feed(store, stream[:75 << 20], "/new", code=FAILED)
    assert "ends before its size" in said
    assert names(store) == [] and mkstore_json("info", store)["generation"] > 2
    sound(store)
    feed(store, stream, "/new")
    assert names(store, "/new") == ["a", "big"]
    sound(store)


def test_times_of_what_was_changed(image, tmp_path):
    """A time is that of the bytes that were put: not of what a program made of them."""
    for name in ("kept", "changed"):
        (tmp_path / name).write_bytes(b"from outside")
        os.utime(tmp_path / name, ns=(OLD_NS, OLD_NS))
        mkstore("put", image, tmp_path / name, "/notes", "--max", "64K")
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("echo from within > /notes/changed")
        machine.command("checkpoint")
    mkstore("get", image, "/notes", tmp_path / "out")
    result = subprocess.run([MKSTORE, "get", image, "/notes", "-", "--tar"], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(result.stdout)) as tar:
        times = {entry.name: float(entry.mtime) for entry in tar}
    assert os.stat(tmp_path / "out/kept").st_mtime_ns == OLD_NS
    assert abs(times["kept"] - OLD_NS / 1e9) < 1e-3
    assert os.stat(tmp_path / "out/changed").st_mtime > 1.7e9 and times["changed"] > 1.7e9
    assert json.loads(mkstore("verify", image, "--json").stdout)["ok"]

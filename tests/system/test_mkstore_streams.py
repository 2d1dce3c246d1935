# SPDX-License-Identifier: MIT
"""test_mkstore_streams.py - diff, send and receive, as they are used."""

import hashlib
import io
import json
import os
import pty
import random
import re
import shutil
import struct
import subprocess

import pytest
from conftest import MKSTORE, mkstore, mkstore_json
from machine import Machine
from stores import (  # noqa: F401 (fixtures)
    FAILED,
    USAGE,
    get,
    names,
    put,
    sound,
    store,
)

HEADER = struct.Struct("<QIIQ16sQQQQQQQ32sQQQQQ64s64s208xQ")
FRAME = struct.Struct("<IIQIIQQQ")


def snapshots(image):
    return {s["name"]: s for s in mkstore_json("snapshots", image)["snapshots"]}


def send(image, *words):
    result = subprocess.run([MKSTORE, "send", str(image), *map(str, words)], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def receive(image, stream, *words, code=0):
    """What it said, on both outputs."""
    command = [MKSTORE, "receive", str(image), *map(str, words)]
    result = subprocess.run(command, input=stream, capture_output=True, check=False)
    said = (result.stdout + result.stderr).decode()
    assert result.returncode == code, said
    return said


def send_receive(source, image, *words):
    """One store into the other through a pipe; what the receiver said."""
    with subprocess.Popen([MKSTORE, "send", str(source), *words], stdout=subprocess.PIPE) as sender:
        command = [MKSTORE, "receive", str(image)]
        result = subprocess.run(command, stdin=sender.stdout, capture_output=True, check=False)
    assert (sender.returncode, result.returncode) == (0, 0), result.stderr
    return result.stdout.decode()


def frames(stream):
    """Where the frames are, and the payload of each; the whole stream, bytes or a file, is looked at."""
    file = io.BytesIO(stream) if isinstance(stream, bytes) else stream
    at = len(file.read(HEADER.size))
    while head := file.read(FRAME.size):
        magic, kind, sequence, length, *_ = FRAME.unpack(head)
        assert magic == 0x4D524650 and kind in (1, 2) and sequence >= 1
        payload = file.read(length)
        assert len(payload) == length
        yield at, kind, payload
        at += FRAME.size + length


def pages_digest(stream):
    """All that a stream says of pages, without which store they come from."""
    digest = hashlib.blake2b()
    for _, kind, payload in frames(stream):
        if kind == 1:
            digest.update(payload)
    return digest.hexdigest()


def state_digest(image, name):
    """The same of a snapshot's whole stream, however large."""
    with subprocess.Popen([MKSTORE, "send", str(image), name], stdout=subprocess.PIPE) as sender:
        digest = pages_digest(sender.stdout)
    assert sender.returncode == 0
    return digest


@pytest.fixture
def other(tmp_path):
    """A store that create has just laid down."""
    (tmp_path / "other.manifest").write_text('label "other"\ntext /greeting "hello"\n')
    path = tmp_path / "other.img"
    mkstore("create", path, "--manifest", tmp_path / "other.manifest", "--size", "64M")
    return path


@pytest.fixture
def history(store, tmp_path):
    """Snapshots one, two, and changes since."""
    mkstore("snapshot", store, "one")
    put(store, tmp_path, random.Random(1).randbytes(1 << 20), "/it")
    put(store, tmp_path, b"changed", "/room")
    mkstore("snapshot", store, "two")
    mkstore("rm", store, "/notes/hello")
    put(store, tmp_path, random.Random(2).randbytes(1 << 20), "/more")
    return store


# ---- diff -------------------------------------------------------------------------------


def test_diff(history, tmp_path):
    said = mkstore_json("diff", history, "one", "two")
    found = {entry["path"]: entry for entry in said["objects"]}
    assert sorted(found) == ["/it", "/room"]
    assert found["/it"]["what"] == "added" and found["/it"]["after_bytes"] == 1 << 20
    assert found["/it"]["pages"] == 256
    text = mkstore("diff", history, "one", "two").stdout
    assert re.search(r"^added +segment +/it +1048576 bytes, 256 pages$", text, re.M)
    assert found["/room"]["what"] == "grown"
    assert (found["/room"]["before_bytes"], found["/room"]["after_bytes"]) == (5, 7)
    assert said["pages"]["added"] >= 257 and said["pages"]["removed"] == 0
    back = mkstore_json("diff", history, "two", "one")
    assert back["pages"]["removed"] == said["pages"]["added"]
    assert {entry["path"]: entry["what"] for entry in back["objects"]} == {"/it": "removed", "/room": "shrunk"}
    assert {entry["path"]: entry["pages"] for entry in back["objects"]} == {"/it": 256, "/room": 1}
    live = mkstore_json("diff", history, "two", "live")
    what = {entry["path"]: entry["what"] for entry in live["objects"]}
    assert what == {"/more": "added", "/notes/hello": "removed"}
    assert mkstore_json("diff", history, "two", "two")["objects"] == []
    # A page changed in the middle; an object of the same name that is another one.
    content = bytearray(get(history, tmp_path, "/more"))
    mkstore("snapshot", history, "three")
    content[500000] ^= 1
    put(history, tmp_path, bytes(content), "/more")
    mkstore("rm", history, "/room")
    put(history, tmp_path, b"another", "/room")
    said = mkstore_json("diff", history, "three", "live")
    assert {entry["path"]: entry["what"] for entry in said["objects"]} == {"/more": "changed", "/room": "replaced"}


def test_diff_runs(history):
    said = mkstore_json("diff", history, "one", "two", "--pages")
    for what in ("added", "changed", "removed"):
        assert sum(run["pages"] for run in said["runs"] if run["what"] == what) == said["pages"][what]
    places = [(run["first_page"], run["pages"]) for run in said["runs"]]
    assert places == sorted(places)
    assert all(a + n <= b for (a, n), (b, _) in zip(places, places[1:]))
    text = mkstore("diff", "--pages", history, "one", "two").stdout
    assert "added    pages " in text and "grown    segment   /room  5 -> 7 bytes, 1 page" in text


# ---- send and receive ----------------------------------------------------------------------


def test_stream(history, other, tmp_path):
    whole = send(history, "one")
    said = json.loads(receive(other, whole, "--json"))
    header = HEADER.unpack_from(whole)
    info = mkstore_json("info", history)
    assert header[4].hex() == info["identity"].replace("-", "") == said["source"].replace("-", "")
    assert said["snapshot"] == "one" and said["cleared_pages"] == 0 and said["source_generation"] == header[5]
    assert names(other) == ["bin", "notes", "room"]
    # What create had laid down is gone without a trace, the label is the store's own.
    assert list(snapshots(other)) == ["one"]
    assert mkstore_json("info", other)["label"] == "other"
    sound(other)
    receive(other, send(history, "-i", "one", "two"))
    assert get(other, tmp_path, "/room") == b"changed"
    increment = send(history, "-i", "two", "live")
    assert len(increment) < 1.2 * (1 << 20)
    said = receive(other, increment)
    assert "as the snapshot 'received-" in said
    assert names(other) == names(history) and names(other, "/notes") == []
    assert get(other, tmp_path, "/more") == random.Random(2).randbytes(1 << 20)
    sound(other)
    for name in ("one", "two"):
        assert pages_digest(send(other, name)) == pages_digest(send(history, name))
    assert pages_digest(send(other, "live")) == pages_digest(send(history, "live"))
    # Objects made from now on have versions that neither store has used.
    versions = max(mkstore_json("info", image)["object_version"] for image in (history, other))
    put(other, tmp_path, b"x", "/new")
    assert mkstore_json("info", other)["object_version"] > versions
    sound(other)


def test_increments(tmp_path):
    """Twenty increments; every generation is the same in both stores, byte for byte.

    PERDURE_STREAM_MIB: so much is in the store all the time.
    """
    mebibytes = int(os.environ.get("PERDURE_STREAM_MIB", "128"))
    generator = random.Random(7)
    content = {f"/file{number}": b"" for number in range(64)}
    digests = {}
    one, other = (tmp_path / name for name in ("one.img", "other.img"))
    (tmp_path / "manifest").write_text('label "history"\n')
    for image in (one, other):
        mkstore("create", image, "--manifest", tmp_path / "manifest", "--size", f"{3 * mebibytes + 64}M")

    def change(path):
        """New content: a part that does not compress, a part that does, and no whole pages."""
        size = generator.randrange(mebibytes << 20, (mebibytes << 20) * 5 // 4) // len(content)
        text = b"text %d " % generator.randrange(1000)
        data = generator.randbytes(size * 2 // 3) + text * (size // 3 // len(text))
        content[path] = hashlib.blake2b(data).digest()
        put(one, tmp_path, data, path)

    for path in content:
        change(path)
    mkstore("snapshot", one, "g0")
    send_receive(one, other, "g0")
    digests["g0"] = state_digest(one, "g0")
    for number in range(1, 21):
        for path in generator.sample(sorted(content), 2):
            change(path)
        gone = f"/file{number + 5}"
        mkstore("rm", one, gone)
        mkstore("snapshot", one, f"g{number}")
        assert "cleared, as the snapshot" in send_receive(one, other, "-i", f"g{number - 1}", f"g{number}")
        digests[f"g{number}"] = state_digest(one, f"g{number}")
        change(gone)
    assert len(set(digests.values())) == 21
    for name, digest in digests.items():
        assert state_digest(other, name) == digest, name
    assert list(snapshots(other)) == list(digests)
    sound(one)
    sound(other)
    # What is read there is what was written here; /file25 was gone when it was sent.
    assert {entry["path"] for entry in mkstore_json("diff", one, "g20", "live")["objects"]} == {"/file25"}
    assert sorted(names(other)) == sorted(path[1:] for path in content if path != "/file25")
    for name in names(other):
        assert hashlib.blake2b(get(other, tmp_path, f"/{name}")).digest() == content[f"/{name}"], name


def test_copies(store, tmp_path):
    """A copied file and its original are one lineage: an increment goes from one to the other
    where they have the base in common, and is refused, with the reason, where they do not."""
    mkstore("snapshot", store, "common")
    copy = tmp_path / "copy.img"
    shutil.copy(store, copy)
    before = mkstore_json("info", store)
    given = mkstore_json("identity", copy)
    info = mkstore_json("info", copy)
    assert before["copy"] is None and info["copy"] == given["copy"]
    assert info["identity"] == before["identity"] == given["identity"]
    assert given["copy"] in mkstore("info", copy).stdout
    assert mkstore_json("identity", copy)["copy"] != given["copy"]
    assert sound(copy)["generation"] == before["generation"]
    # Both go on, and generations of the same numbers become different.
    for image, data in ((store, b"one"), (copy, b"two")):
        put(image, tmp_path, data, "/new")
        mkstore("snapshot", image, "own")
        put(image, tmp_path, data, "/newer")
        mkstore("snapshot", image, "last")
    assert snapshots(store)["own"]["generation"] == snapshots(copy)["own"]["generation"]
    said = receive(copy, send(store, "-i", "own", "last"), "--name", "got", code=FAILED)
    assert "'own' has that number, but is another state: the histories differ" in said
    assert "one is a copy of the other" in said
    receive(copy, send(store, "-i", "common", "last"), "--name", "got")
    assert get(copy, tmp_path, "/newer") == b"one"
    sound(copy)
    # The same of what was received from one and is to be built on from the other.
    third = tmp_path / "third.img"
    mkstore("create", third, "--size", "64M")
    receive(third, send(store, "own"))
    said = receive(third, send(copy, "-i", "own", "last"), code=FAILED)
    assert "received from another copy of that store" in said
    mkstore("delete", third, "own")
    assert "received nothing" in receive(third, send(copy, "-i", "own", "last"), code=FAILED)


@pytest.mark.parametrize("behind", [0, 8])
def test_identity_cut_off(store, behind):
    """The power goes between the two superblocks: the later one counts, and the next who
    writes completes it; what only reads says so."""
    blocks = []
    for _ in range(2):
        with open(store, "rb") as file:
            blocks.append(file.read(4096))
        mkstore("identity", store)
    wanted = mkstore_json("info", store)["copy"]
    with open(store, "r+b") as file:
        file.seek(behind * 512)
        file.write(blocks[1])
    result = mkstore("verify", store)
    assert "a change was cut off" in result.stdout + result.stderr
    assert mkstore_json("info", store)["copy"] == wanted
    mkstore("mkdir", store, "/x")
    assert mkstore_json("verify", store)["findings"] == []
    assert mkstore_json("info", store)["copy"] == wanted


def test_replaced_is_kept(history, other, tmp_path):
    put(other, tmp_path, b"mine", "/mine")
    receive(other, send(history, "one"))
    kept = [name for name in snapshots(other) if name.startswith("before-receive-")]
    assert len(kept) == 1 and snapshots(other)[kept[0]]["automatic"]
    # An increment goes back to its base when the live state is another one.
    put(other, tmp_path, b"later", "/later")
    receive(other, send(history, "-i", "one", "two"))
    assert "mine" not in names(other) and "it" in names(other)
    kept = sorted(name for name in snapshots(other) if name.startswith("before-receive-"))
    assert len(kept) == 2
    found = []
    for name in kept:
        mkstore("restore", other, name)
        found += names(other)
    assert "mine" in found and "later" in found
    sound(other)


def test_cut_and_resumed(history, other, tmp_path):
    receive(other, send(history, "one"))
    before = mkstore_json("snapshots", other)
    stream = send(history, "-i", "one", "two")
    half = [at for at, _, _ in frames(stream)][2] + 1000
    said = receive(other, stream[:half], code=FAILED)
    assert f"cut off after {half} bytes, within frame 3" in said
    status = json.loads(mkstore("receive", "--status", "--json", other).stdout)
    assert status["receiving"] and status["from_page"] > 0
    assert f"--from-page {status['from_page']}" in said
    assert mkstore_json("info", other)["receiving"]["position"] == status["from_page"]
    assert "receiving" in mkstore("ls", other).stderr
    for command in (["put", "/dev/null", "/x"], ["snapshot", "x"], ["restore", "one"], ["delete", "one"]):
        assert "receiving" in mkstore(command[0], other, *command[1:], code=FAILED).stderr
    assert "no live state" in mkstore("send", other, "live", tmp_path / "x", code=FAILED).stderr
    sound(other)
    for bad in (stream[: half - 5000], stream[:600] + b"X" + stream[601:], b"", b"no stream at all"):
        receive(other, bad, code=FAILED)
    # The rest from where it stopped; another store gets it from the start again.
    copy = tmp_path / "copy.img"
    copy.write_bytes(other.read_bytes())
    rest = send(history, "-i", "one", "--from-page", status["from_page"], "two")
    assert len(rest) < len(stream) - (half // 2)
    receive(other, rest)
    assert "skipped_pages" in receive(copy, stream, "--json")
    for image in (other, copy):
        assert pages_digest(send(image, "two")) == pages_digest(send(history, "two"))
        sound(image)
    # Given up, it is as if nothing had been sent.
    receive(copy, send(history, "live")[:-1], code=FAILED)
    mkstore("receive", "--abort", copy)
    assert list(snapshots(copy)) == ["one", "two"] and "it" in names(copy)
    assert snapshots(copy)["one"]["generation"] == before["snapshots"][0]["generation"]
    sound(copy)


def test_killed(history, other, tmp_path):
    """A receiver that is killed goes on; the pipe's other end notices."""
    put(history, tmp_path, random.Random(3).randbytes(40 << 20), "/large")
    stream = send(history, "live")
    with subprocess.Popen([MKSTORE, "receive", str(other)], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(stream[: 39 << 20])
        process.stdin.flush()
        process.kill()
        process.stderr.read()
    status = json.loads(mkstore("receive", "--status", "--json", other).stdout)
    assert status["receiving"]
    receive(other, stream)
    assert pages_digest(send(other, "live")) == pages_digest(stream)
    sound(other)


# ---- refusals ---------------------------------------------------------------------------------


def test_refusals(history, other, tmp_path):
    before = other.read_bytes()
    said = receive(other, send(history, "-i", "one", "two"), code=FAILED)
    assert "builds on generation 2 ('one')" in said and "received nothing of that store" in said
    rest = send(history, "--from-page", "5000", "one")
    assert "all pages are needed: send with --from-page 0" in receive(other, rest, code=FAILED)
    small = tmp_path / "small.img"
    mkstore("create", small, "--manifest", tmp_path / "other.manifest", "--size", "4M")
    assert "take a larger store" in receive(small, send(history, "live"), code=FAILED)
    assert "older generation" in mkstore("send", "-i", "two", history, "one", tmp_path / "x", code=FAILED).stderr
    assert "there is none" in mkstore("send", history, "none", tmp_path / "x", code=FAILED).stderr
    assert not (tmp_path / "x").exists()
    assert other.read_bytes() == before
    receive(other, send(history, "one"))
    assert "as the snapshot 'one'" in receive(other, send(history, "one"), code=FAILED)
    mkstore("snapshot", other, "two")
    increment = send(history, "-i", "one", "two")
    assert "choose a name with --name" in receive(other, increment, code=FAILED)
    receive(other, increment, "--name", "deux")
    assert "deux" in snapshots(other)
    sound(other)


def test_usage(history, other, tmp_path):
    assert "name a file for --json" in mkstore("send", "--json", history, "one", code=USAGE).stderr
    mkstore("send", history, "one", "--from-page", "x", code=USAGE)
    assert "-i needs a value" in mkstore("send", history, "one", "-i", code=USAGE).stderr
    mkstore("receive", "--status", "--abort", other, code=USAGE)
    mkstore("receive", "--name", "x" * 64, other, code=USAGE)
    mkstore("receive", other, tmp_path / "none", code=FAILED)
    assert "not receiving" in mkstore("receive", "--abort", other, code=FAILED).stderr
    assert not json.loads(mkstore("receive", "--status", "--json", other).stdout)["receiving"]
    stream = tmp_path / "stream"
    said = json.loads(mkstore("send", "--json", history, "one", stream).stdout)
    assert said["bytes"] == stream.stat().st_size and said["base_generation"] == 0
    assert "--force" in mkstore("send", history, "one", stream, code=FAILED).stderr
    mkstore("send", "--force", "-i", "one", history, "two", stream)
    # What cannot take a stream is no file to be removed.
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    assert "No space" in mkstore("send", "--force", history, "two", full, code=FAILED).stderr
    assert full.is_symlink()
    mkstore("diff", history, "one", code=USAGE)
    assert "there is none" in mkstore("diff", history, "one", "none", code=FAILED).stderr


def test_terminal(history, other):
    """A stream neither goes to a terminal nor comes from one."""
    master, slave = pty.openpty()
    for command in (["send", history, "one"], ["receive", other]):
        result = subprocess.run(
            [MKSTORE, *map(str, command)], stdin=slave, stdout=slave, stderr=subprocess.PIPE, check=False
        )
        assert result.returncode == USAGE and b"terminal" in result.stderr
    os.close(master)
    os.close(slave)


def test_damage_is_not_sent(history, tmp_path):
    """A page that cannot be read ends the stream, with its place."""
    runs = mkstore_json("diff", history, "one", "two", "--pages")["runs"]
    assert runs
    content = bytearray(history.read_bytes())
    at = bytes(content).index(random.Random(1).randbytes(4096)[:64])
    content[at] ^= 1
    history.write_bytes(content)
    said = mkstore("send", history, "two", tmp_path / "x", code=FAILED).stderr
    assert "cannot send page" in said and f"sector {at // 512}" in said
    assert not (tmp_path / "x").exists()
    send(history, "one")


# ---- a machine ------------------------------------------------------------------------------------


def test_no_resume_while_receiving(image, store):
    """The system says why it does not start, and starts when it is over."""
    mkstore("snapshot", store, "one")
    receive(image, send(store, "one")[:-100], code=FAILED)
    with Machine(image) as machine:
        machine.wait("receiving a stream")
        machine.wait("stopped|halted")
    mkstore("receive", "--abort", image)
    with Machine(image) as machine:
        machine.wait_prompt()

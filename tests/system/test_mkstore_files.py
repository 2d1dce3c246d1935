# SPDX-License-Identifier: MIT
"""test_mkstore_files.py - how mkstore treats files of the host: what it reads, replaces, leaves."""

import fcntl
import os
import random
import resource
import signal
import stat
import struct
import subprocess

import pytest
from conftest import MKSTORE, MKSTORE_SECONDS, mkstore, mkstore_json
from stores import (  # noqa: F401 (fixtures)
    FAILED,
    IN_USE,
    NO_STORE,
    READERS,
    SECTOR,
    WRITERS,
    get,
    on,
    put,
    sound,
    store,
)

HELLO = b"Hello,\nworld!\n"


def run(arguments, code, output=subprocess.PIPE, **options):
    """mkstore in a process that was prepared; what it says."""
    result = subprocess.run([MKSTORE, *map(str, arguments)], stdout=output, stderr=subprocess.PIPE,
                            text=True, check=False, timeout=MKSTORE_SECONDS, **options)
    assert result.returncode == code, (arguments, result)
    return result


def lock(file):
    """All of QEMU's locks on an image, for writing: nobody else gets in."""
    request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 100, 200, 0)
    fcntl.fcntl(file, 37, request)  # F_OFD_SETLK


# ---- a pipe in the place of a file ---------------------------------------------------------


@pytest.fixture
def fifo(tmp_path):
    """A named pipe: who opens it blindly waits for ever, and the test's limit ends that."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("command", [*READERS, *WRITERS, ["send", "live"], ["receive", "-"]],
                         ids=lambda words: words[0])
def test_pipe_as_image(fifo, command):
    words = on(fifo, command)
    assert "neither a file nor" in run(words, NO_STORE, stdin=subprocess.DEVNULL).stderr


def test_pipe_as_new_image(store, fifo):
    assert "neither a file nor" in mkstore("create", fifo, code=FAILED).stderr
    assert "neither a file nor" in mkstore("salvage", fifo, store, code=NO_STORE).stderr
    assert "neither a file nor" in mkstore("salvage", store, fifo, "--force", code=FAILED).stderr


def test_pipe_in_a_manifest(tmp_path, fifo):
    manifest = tmp_path / "manifest"
    manifest.write_text(f"file /it {fifo}\n")
    image = tmp_path / "new.img"
    assert "no file" in mkstore("create", image, "--manifest", manifest, code=FAILED).stderr
    assert not image.exists()


def test_stream_through_a_named_pipe(store, tmp_path, fifo):
    other = tmp_path / "other.img"
    mkstore("create", other, "--size", "64M")
    with subprocess.Popen([MKSTORE, "send", "--force", store, "live", fifo]) as sender:
        mkstore("receive", other, fifo)
        assert sender.wait(MKSTORE_SECONDS) == 0
    assert get(other, tmp_path, "/notes/hello") == HELLO


# ---- what the host's system says -----------------------------------------------------------


def limited(bytes_):
    """For preexec_fn: no file may become longer."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))


def test_reason_of_a_failed_write(store, tmp_path):
    """The limit is an error like a full disk, no signal; the last generation stays."""
    generation = mkstore_json("info", store)["generation"]
    content = tmp_path / "content"
    content.write_bytes(random.Random(1).randbytes(4 << 20))
    said = run(["put", store, content, "/it"], FAILED, preexec_fn=limited(2 << 20)).stderr
    assert "the disk reported an error (File too large)" in said
    assert mkstore_json("info", store)["generation"] == generation
    sound(store)
    mkstore("put", store, content, "/it")
    assert get(store, tmp_path, "/it") == content.read_bytes()


def test_failed_create_leaves_nothing(tmp_path):
    path = tmp_path / "new.img"
    said = run(["create", path, "--size", "64M"], FAILED, preexec_fn=limited(1 << 20)).stderr
    assert "File too large" in said
    assert not path.exists()
    path.write_bytes(bytes(64 << 20))
    said = run(["create", path], FAILED, preexec_fn=limited(1 << 14)).stderr
    assert "the disk reported an error (File too large)" in said
    assert path.exists()


def test_failed_grow(store):
    said = run(["grow", store, "1G"], FAILED, preexec_fn=limited(128 << 20)).stderr
    assert "no file so large" in said
    sound(store)


# ---- closed standard descriptors ------------------------------------------------------------


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_descriptors(store, tmp_path, closed):
    """What is said is lost; it never lands in the image."""
    content = tmp_path / "content"
    content.write_bytes(random.Random(1).randbytes(4 << 20))

    def close():
        limited(2 << 20)()
        for descriptor in closed:
            os.close(descriptor)

    before = mkstore_json("info", store)["generation"]
    run(["put", "--verbose", store, content, "/it"], FAILED, preexec_fn=close)
    assert mkstore_json("info", store)["generation"] == before
    sound(store)
    expected = FAILED if 1 in closed else 0
    run(["snapshot", "--json", store, "kept"], expected, preexec_fn=close)
    sound(store)
    assert len(mkstore_json("snapshots", store)["snapshots"]) == 1


# ---- whom a lock keeps out --------------------------------------------------------------------


def test_locked_file_is_not_resized(store, tmp_path):
    """Neither a smaller store nor an empty file that somebody has open."""
    for name, bytes_, command in [
        ("small.img", 5 << 20, ["salvage", store]),
        ("empty.img", 0, ["create"]),
    ]:
        path = tmp_path / name
        path.write_bytes(bytes(bytes_))
        with open(path, "r+b") as file:
            lock(file)
            assert "in use" in mkstore(*command, path, "--force", code=IN_USE).stderr
            assert path.stat().st_size == bytes_
        mkstore(*command, path, "--force")
        sound(path)


# ---- files that are replaced -------------------------------------------------------------------

OLD = b"what was there before\n"
OUTPUTS = [["get", "/notes/hello"], ["send", "live"]]
each_output = pytest.mark.parametrize("command", OUTPUTS, ids=lambda words: words[0])


@each_output
@pytest.mark.parametrize("name", ["itself", "hard link", "symbolic link", "open"])
def test_never_over_what_is_read(store, tmp_path, command, name):
    """By whatever name the image is found, --force or not."""
    target = tmp_path / "target"
    if name == "hard link":
        os.link(store, target)
    elif name == "symbolic link":
        target.symlink_to(store)
    before = store.read_bytes()
    for force in [[], ["--force"]]:
        if name == "open":
            with open(store, "ab") as file:
                words = [*on(store, command), "-", *force]
                said = run(words, FAILED, output=file)
        else:
            said = mkstore(*on(store, command), store if name == "itself" else target, *force, code=FAILED)
        assert "is the store that is read" in said.stderr
        assert store.read_bytes() == before
    sound(store)


@each_output
def test_never_over_what_is_locked(store, tmp_path, command):
    other = tmp_path / "other.img"
    mkstore("create", other, "--size", "8M")
    before = other.read_bytes()
    with open(other, "r+b") as file:
        lock(file)
        said = mkstore(*on(store, command), other, "--force", code=IN_USE)
        assert "in use" in said.stderr
    assert other.read_bytes() == before
    mkstore(*on(store, command), other, "--force")
    assert other.read_bytes() != before


@pytest.fixture
def damaged(store, tmp_path):
    """Two thirds of /it can be read."""
    content = random.Random(3).randbytes(3 << 20)
    put(store, tmp_path, content, "/it")
    place = store.read_bytes().find(content[2 << 20:][:4096])
    assert place > 0 and place % SECTOR == 0
    with open(store, "r+b") as file:
        file.seek(place)
        file.write(bytes(4096))
    return store


@pytest.mark.parametrize("command", [["get", "/it"], ["send", "live"]], ids=lambda words: words[0])
def test_failing_leaves_the_old_file(damaged, tmp_path, command):
    place = tmp_path / "place"
    place.mkdir()
    target = place / "target"
    # Nothing was there: nothing is.
    mkstore(*on(damaged, command), target, code=FAILED)
    assert os.listdir(place) == []
    target.write_bytes(OLD)
    mkstore(*on(damaged, command), target, "--force", code=FAILED)
    assert target.read_bytes() == OLD and os.listdir(place) == ["target"]


@each_output
def test_full_disk_leaves_the_old_file(store, tmp_path, command):
    put(store, tmp_path, random.Random(3).randbytes(1 << 20), "/it")
    words = on(store, ["get", "/it"] if command[0] == "get" else command)
    place = tmp_path / "place"
    place.mkdir()
    target = place / "target"
    said = run([*words, target], FAILED, preexec_fn=limited(1 << 16)).stderr
    assert "File too large" in said and os.listdir(place) == []
    target.write_bytes(OLD)
    said = run([*words, target, "--force"], FAILED, preexec_fn=limited(1 << 16)).stderr
    assert "File too large" in said
    assert target.read_bytes() == OLD and os.listdir(place) == ["target"]
    assert "No space left" in mkstore(*words, "/dev/full", "--force", code=FAILED).stderr


def test_damage_with_keep_going(damaged, tmp_path):
    """A file with holes is what was asked for; not when it cannot be written."""
    target = tmp_path / "kept"
    target.write_bytes(OLD)
    words = ["get", damaged, "/it", target, "--force", "--keep-going"]
    said = run([*words, "--json"], FAILED, preexec_fn=limited(5 << 19))
    assert target.read_bytes() == OLD and said.stdout == ""
    mkstore(*words, code=FAILED)
    assert target.stat().st_size == 3 << 20


@each_output
def test_modes(store, tmp_path, command):
    """A new file is made as by any program, a replaced one stays what it was."""
    for mask in [0o022, 0o077]:
        target = tmp_path / f"new-{mask}"
        run([*on(store, command), target], 0, umask=mask)
        assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask
        target.chmod(0o640)
        run([*on(store, command), target, "--force"], 0, umask=mask)
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
    # A link is followed and stays one; another name of the file keeps the old bytes.
    target.write_bytes(OLD)
    os.link(target, tmp_path / "second")
    (tmp_path / "link").symlink_to(target.name)
    mkstore(*on(store, command), tmp_path / "link", "--force")
    assert (tmp_path / "link").is_symlink() and target.read_bytes() != OLD
    assert (tmp_path / "second").read_bytes() == OLD


@each_output
def test_refused_places(store, tmp_path, command):
    words = on(store, command)
    loose = tmp_path / "loose"
    loose.symlink_to("nowhere")
    for target, message in [
        (tmp_path, "Is a directory"),
        (f"{tmp_path}/new/", "cannot create"),
        (tmp_path / "no" / "where", "No such file"),
        (loose, "leads nowhere"),
        (store / "below", "Not a directory"),
    ]:
        for force in [[], ["--force"]]:
            assert message in mkstore(*words, target, *force, code=FAILED).stderr
    assert sorted(os.listdir(tmp_path)) == ["data.bin", "loose", "manifest", "store.img"]
    # The longest name that there can be.
    target = tmp_path / ("n" * 255)
    mkstore(*words, target)
    assert target.stat().st_size > 0


def test_interrupted(store, tmp_path):
    """Stopped in the middle of a stream: no part of it stays."""
    put(store, tmp_path, random.Random(3).randbytes(32 << 20), "/it")
    place = tmp_path / "place"
    place.mkdir()
    target = place / "target"
    target.write_bytes(OLD)
    stopped = False
    for _ in range(20):
        with subprocess.Popen([MKSTORE, "get", store, "/it", target, "--force"]) as process:
            while process.poll() is None and len(os.listdir(place)) < 2:
                pass
            process.send_signal(signal.SIGTERM)
            stopped = process.wait(MKSTORE_SECONDS) == -signal.SIGTERM
        if stopped:
            break
        target.write_bytes(OLD)
    assert stopped
    assert target.read_bytes() == OLD and os.listdir(place) == ["target"]


def test_state_of_a_scrub(store, tmp_path, fifo):
    """Written as a whole, beside its place, and never over something else."""
    assert "is no file" in mkstore("scrub", store, "--state", fifo, code=FAILED).stderr
    said = mkstore("scrub", store, "--state", store, code=FAILED).stderr
    assert "not the state" in said
    before = sorted(os.listdir(tmp_path))
    state = tmp_path / "state"
    said = run(["scrub", store, "--state", state], FAILED, preexec_fn=limited(16)).stderr
    assert "File too large" in said
    assert sorted(os.listdir(tmp_path)) == before
    mkstore("scrub", store, "--state", state)
    assert sorted(os.listdir(tmp_path)) == before

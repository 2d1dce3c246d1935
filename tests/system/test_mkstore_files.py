# SPDX-License-Identifier: MIT
"""test_mkstore_files.py - how mkstore treats files of the host: what it reads, replaces, leaves."""

import fcntl
import os
import random
import resource
import struct
import subprocess

import pytest
from conftest import MKSTORE, MKSTORE_SECONDS, mkstore, mkstore_json
from stores import (  # noqa: F401 (fixtures)
    FAILED,
    IN_USE,
    NO_STORE,
    READERS,
    WRITERS,
    get,
    on,
    sound,
    store,
)

HELLO = b"Hello,\nworld!\n"


def run(arguments, code, **options):
    """mkstore in a process that was prepared; what it says."""
    result = subprocess.run([MKSTORE, *map(str, arguments)], capture_output=True, text=True,
                            check=False, timeout=MKSTORE_SECONDS, **options)
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

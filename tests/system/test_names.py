# SPDX-License-Identifier: MIT
"""test_names.py - a slip of the hand loses no names: in the shell and from outside."""

import json
import os
import pathlib
import re

import pytest
from conftest import mkstore, mkstore_json, verify
from test_programs import wait_for

from console import KERNEL, kernel_command, send_break, spoil
from machine import Machine

LONG = "n" * 256


@pytest.fixture(scope="module")
def shell(base_image):
    """One running system for the tests of this file; in the end it is whole."""
    from conftest import WORK, copy_sparse

    path = os.path.join(WORK, "names.img")
    copy_sparse(base_image, path)
    os.chmod(path, 0o644)
    with Machine(path) as machine:
        machine.wait_prompt()
        yield machine
        machine.type("poweroff\r")
        machine.wait_off()
    verify(path)
    assert mkstore_json("verify", path)["totals"]["unreached_objects"] == 0
    os.unlink(path)


def test_no_directory_below_itself(shell):
    shell.command("mkdir /d1 /d1/d2 /d1/d2/d3")
    shell.command("echo here > /d1/d2/d3/file")
    for target in ("/d1/d2", "/d1/d2/d3", "/d1", "/d1/d2/d3/new"):
        said = shell.command(f"mv /d1 {target}")
        assert f"/d1 cannot be put below itself, to {target}" in said
    assert "/notes cannot be put below itself, to /notes" in shell.command("mv /notes /notes")
    assert shell.command("cat /d1/d2/d3/file") == "here\n"
    # What is no slip goes through, with all below it, and back.
    assert shell.command("mv /d1/d2 /notes") == ""
    assert shell.command("cat /notes/d2/d3/file") == "here\n"
    for path, target in (("/notes/d2/d3/file", "/notes/d2/d3"), ("/notes/d2", "/notes"),
                         ("/notes/d2/d3/file", "/notes/d2/d3/file")):
        said = shell.command(f"mv {path} {target}")
        assert f"{path} is there already, as {os.path.basename(path)}" in said
    assert shell.command("mv /d1 /notes/d2/d3/d1") == ""
    assert shell.command("mv /notes/d2 /") == ""
    assert shell.command("ls /d2/d3") .count("\n") == 2
    shell.command("rm /d2/d3/file")
    assert shell.command("rmdir /d2/d3/d1 /d2/d3 /d2") == ""


def test_no_program_is_overwritten_by_a_slip(shell):
    shell.command("echo text > /notes/text")
    shell.command("cp /bin/hello /notes/hello")
    before = shell.command("hexdump /bin/hello 0 64")
    for command in ("echo x > /bin/hello", "echo x >> /bin/hello", "ps > /bin/hello",
                    "cp /notes/text /bin/hello", "mv /notes/text /bin/hello",
                    "cp /bin/spin /bin/hello", "mv /notes/hello /bin", "cp /notes/hello /bin"):
        said = shell.command(command)
        word = command.split()[0]
        assert "is a program, and stays as it is" in said and f"`force {word} ...`" in said, command
        assert shell.command("hexdump /bin/hello 0 64") == before, command
    assert shell.command("cat /notes/text") == "text\n"
    # Everything else is as before, and who means it says so.
    assert shell.command("cp /notes/text /notes/other") == ""
    assert shell.command("cp /notes/text /notes/other") == ""
    assert shell.command("force echo x > /notes/hello") == ""
    assert shell.command("cat /notes/hello") == "x\n"
    shell.command("cp /bin/hello /notes/program")
    assert shell.command("force cp /notes/text /notes/program") == ""
    assert shell.command("cat /notes/program") == "text\n"
    shell.command("cp /bin/hello /notes/p2")
    assert shell.command("force mv /notes/text /notes/p2") == ""
    assert shell.command("cat /notes/p2") == "text\n"
    assert "usage: force" in shell.command("force")
    assert "no such command" in shell.command("force frobnicate")
    assert "usage: cp" in shell.command("force cp /notes/p2")
    shell.command("rm /notes/p2 /notes/program /notes/hello /notes/other")


def test_what_is_wrong_with_a_name_is_said(shell):
    shell.command("echo text > /notes/text")
    too_long = "a name of 256 bytes; a name has at most 255"
    for command in (f"mkdir /{LONG}", f"echo x > /notes/{LONG}", f"cp /notes/text /{LONG}",
                    f"mv /notes/text /{LONG}", f"mv /{LONG} /x", f"rm /{LONG}", f"rmdir /{LONG}",
                    f"cat /{LONG}", f"ls /{LONG}/x", f"hexdump /{LONG}", f"run /{LONG}",
                    f"mkdir /{LONG}/x"):
        assert too_long in shell.command(command), command
    fits = "n" * 255
    assert shell.command(f"mkdir /notes/{fits}") == ""
    assert shell.command(f"rmdir /notes/{fits}") == ""
    for command in ("mkdir /", "mv / /notes", "echo x > /", "cat //"):
        assert "root directory" in shell.command(command) or "no bytes" in shell.command(command)
    for command in ("mkdir ''", "mv '' /x", "mkdir '' ''", "echo x > ''"):
        assert "an empty path names nothing" in shell.command(command), command
    for command in ("ls /a/b/c", "mkdir /a/b/c", "cat /a/b/c", "mv /notes/text /a/b/c",
                    "cp /notes/text /a/b/c", "echo x > /a/b/c"):
        assert "/a/b/c: no such directory: /a" in shell.command(command), command
    for command in ("ls /notes/text/x", "mkdir /notes/text/x", "mv /bin /notes/text/x",
                    "echo x > /notes/text/x"):
        assert "/notes/text is no directory" in shell.command(command), command
    for command in (f"mkdir /{LONG}", "mkdir ''", "ls /notes/text/x"):
        assert "an argument is not valid" not in shell.command(command), command
    assert shell.command("cat /notes/text") == "text\n"
    shell.command("rm /notes/text")


def test_nothing_is_lost_with_its_name(image, tmp_path):
    """What nothing could end without its name keeps it, unless somebody means it."""
    deep = tmp_path / "deep"
    (deep / "/".join(f"d{n}" for n in range(1, 110))).mkdir(parents=True)
    mkstore("put", image, deep, "/deep")
    with Machine(image) as machine:
        machine.wait_prompt()
        wait_for(machine, "ls /demo", "port .* traffic")
        for command in ("rm /demo/traffic", "mv /notes/welcome /demo/traffic"):
            said = machine.command(command)
            assert "/demo/traffic is a port that this name does not give the right to destroy" in said
            assert f"`force {command.split()[0]} ...` takes the name alone away" in said
        assert "traffic" in machine.command("ls /demo")
        assert "welcome" in machine.command("ls /notes")
        # The name does not give the right to destroy: the light goes on without it.
        assert machine.command("force rm /demo/traffic") == ""
        assert "traffic" not in machine.command("ls /demo")
        assert re.search(r"traffic +(receives|ready) ", machine.command("ps"))
        # And `tree` goes as deep as names do.
        assert "d109/" in machine.command("tree /deep") and "d109/" in machine.command("tree")
        machine.command("snapshot deep")
        assert "d109/" in machine.command("tree --snapshot deep /deep")
        machine.type("poweroff\r")
        machine.wait_off()
    assert mkstore_json("verify", image)["totals"]["unreached_objects"] == 0


def test_names_do_not_steer_the_terminal(image, tmp_path):
    """Whoever may write a directory or a file has no way to the terminal of who looks at it."""
    evil = os.fsdecode(b"a\x1b[2Jb\xc2\x9b2J\x9bc\xc3\xa9")
    (tmp_path / "text").write_bytes(b"one\x1b[2J two\xc2\x9b2J three\x9b\x7f\ttab \xc3\xa9\n")
    mkstore("put", image, tmp_path / "text", f"/notes/{evil}")
    mkstore("put", image, tmp_path / "text", "/notes/text")
    with Machine(image) as machine:
        machine.wait_prompt()
        for command in ("ls /notes", "tree /notes"):
            assert "a.[2Jb\ufffd.2J.c\u00e9" in machine.command(command)
        assert "one.[2J two\ufffd.2J three..\ttab \u00e9" in machine.command("cat /notes/text")
        # Into an object go the bytes as they are.
        machine.command("cat /notes/text > /notes/copy")
        machine.command("checkpoint")
    assert mkstore("get", image, "/notes/copy", "-").stdout == mkstore(
        "get", image, "/notes/text", "-").stdout


def test_what_a_new_shell_is_made_of(used_image):
    """It stays unless somebody means it, also when nothing of it can be read."""
    program = json.loads(mkstore("map", used_image, "/bin/shell", "--json").stdout)["page"]
    for page in range(4):
        assert spoil(used_image, program + page)
    with Machine(used_image) as machine:
        machine.wait_prompt()
        for command in ("rm /bin/shell", "rm //bin/./shell", "mv /bin/shell /notes", "mv /bin /notes",
                        "mv /notes/kept /bin/shell", "cp /bin/hello /bin/shell", "echo x > /bin/shell",
                        "ps >> /bin/shell"):
            said = machine.command(command)
            assert "stays as it is: of /bin/shell the kernel's console makes a new shell" in said, command
            assert f"`force {command.split()[0]} ...`" in said
        assert " shell\n" in machine.command("ls /bin") and "kept" in machine.command("ls /notes")
        # All else in /bin goes without more words; and who means it says so.
        assert machine.command("rm /bin/hello") == ""
        assert machine.command("force mv /bin /notes") == ""
        assert machine.command("rm /notes/bin/shell") == ""
        assert machine.command("mv /notes/bin /") == ""
        send_break(machine)
        machine.wait(rf"^{KERNEL}")
        assert "/bin/shell: no such name; nothing was changed" in kernel_command(machine, "restart")
        machine.type("restore before\r")
        machine.wait_prompt()
        assert machine.command("force rm /bin/shell") == ""
        assert machine.command("ls /bin/shell") == "ls: /bin/shell: no such name\n"
        machine.type("poweroff\r")
        machine.wait_off()


# ---- from outside ---------------------------------------------------------------------


def test_put_keeps_programs(image, tmp_path):
    text = tmp_path / "text"
    text.write_text("text")
    for options in ([], ["--max", "1M"]):
        said = mkstore("put", image, text, "/bin/hello", *options, code=1).stderr
        assert "'/bin/hello' is a program" in said and "--force" in said
    assert mkstore("cat", image, "/bin/hello").stdout.startswith("\x7fELF")
    # A program takes the place of a program, not without a word.
    said = mkstore("put", image, "build/user/hello.elf", "/bin/spin").stderr
    assert "'/bin/spin' was a program" in said
    assert mkstore("put", image, text, "/bin/hello", "--force").stderr == ""
    assert mkstore("cat", image, "/bin/hello").stdout == "text"
    assert mkstore("put", image, text, "/bin/hello").stderr == ""
    verify(image)


def test_shell_stays_from_outside(image):
    before = pathlib.Path(image).read_bytes()
    for command in (("rm", "/bin/shell"), ("rm", "/bin/shell", "--keep"), ("mv", "/bin/shell", "/notes"),
                    ("mv", "/bin", "/x")):
        said = mkstore(command[0], image, *command[1:], code=1).stderr
        assert "of /bin/shell the system makes a new shell" in said and "--force" in said
    assert pathlib.Path(image).read_bytes() == before
    mkstore("mv", image, "/bin", "/x", "--force")
    mkstore("mv", image, "/x", "/bin")
    mkstore("rm", image, "/bin/shell", "--force")
    mkstore("mv", image, "/bin", "/x")
    verify(image)


def test_mv_force_leaves_nothing_behind(image, tmp_path):
    before = mkstore_json("info", image)["objects"]["alive"]
    text = tmp_path / "text"
    text.write_text("text")
    mkstore("put", image, text, "/notes/text")
    mkstore("mkdir", image, "/notes/folder")
    mkstore("mkdir", image, "/folder")
    mkstore("mv", image, "/notes/text", "/notes/welcome", "--force")
    said = mkstore("mv", image, "/notes", "/folder", "--force").stderr
    assert said == ""
    mkstore("mkdir", image, "/notes")
    mkstore("mkdir", image, "/folder/notes/folder/inner")
    mkstore("mkdir", image, "/x")
    mkstore("mv", image, "/notes", "/x/folder")
    said = mkstore("mv", image, "/x/folder", "/folder/notes", "--force", code=1).stderr
    assert "a directory with names has the name" in said
    assert mkstore_json("verify", image)["totals"]["unreached_objects"] == 0
    # text took the place of welcome; five directories are new.
    assert mkstore_json("info", image)["objects"]["alive"] == before + 5
    assert mkstore("cat", image, "/folder/notes/welcome").stdout == "text"

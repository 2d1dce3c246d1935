# SPDX-License-Identifier: MIT
"""test_shell.py - every command of the shell does what its help says."""

import re
import time

import pytest
from conftest import cat, demo, demos_are_exact, mkstore, verify, wait_durable
from test_programs import wait_for

from machine import LIMIT_S, Machine, without_asides


@pytest.fixture(scope="module")
def shell(base_image, tmp_path_factory):
    """One running system for all tests of this file that leave it running."""
    from conftest import WORK, copy_sparse
    import os

    path = os.path.join(WORK, "shell.img")
    copy_sparse(base_image, path)
    os.chmod(path, 0o644)
    with Machine(path) as machine:
        machine.wait_prompt()
        yield machine
    verify(path)
    os.unlink(path)


def listed_commands(shell):
    shell.command("help > /notes/help")
    return re.findall(r"^ *([a-z]+) ", shell.command("cat /notes/help"), re.M)


def test_help_fits_a_screen(shell):
    rows = shell.command("help").splitlines()
    # With the line that was typed and the next prompt.
    assert len(rows) <= 22 and max(map(len, rows)) < 80, rows
    for command in listed_commands(shell):
        assert any(re.search(rf"(^|  ){command} ", row) for row in rows), command


def test_help_lists_what_this_file_tests(shell):
    with open(__file__, encoding="utf-8") as file:
        tested = file.read()
    commands = listed_commands(shell)
    assert len(commands) >= 28
    for command in commands:
        assert re.search(rf'"{command}\b', tested), f"{command} is not tested"


def test_help_explains_each_command(shell):
    for command in listed_commands(shell):
        said = shell.command(f"help {command}")
        assert command in said and len(said) > len(command) + 10, said
    assert "no such command" in shell.command("help frobnicate")


def test_wrong_commands_get_a_helpful_answer(shell):
    assert "Did you mean `snapshot`" in shell.command("snapshto")
    assert "no such command" in shell.command("frobnicate")
    assert "usage: cp [--snapshot SNAPSHOT] FROM TO" in shell.command("cp /bin/shell")
    assert "usage: " in shell.command("cat")
    assert "no such" in shell.command("cat /does/not/exist")
    assert "before >" in shell.command("> /notes/x")
    assert shell.command("ls /notes /bin") == "usage: ls [--snapshot SNAPSHOT] [PATH]\n"
    assert shell.command("tree /notes /bin") == "usage: tree [--snapshot SNAPSHOT] [PATH]\n"
    assert "is of type object" in shell.command("tree /notes/welcome")
    assert "/notes: is of type directory" in shell.command("cp /notes /x")
    assert "no current directory" in shell.command("cd /notes")
    assert "a priority is 0 to 8" in shell.command("run -p 9 hello")
    assert "`ls /bin` lists them" in shell.command("run frobnicate")
    assert shell.command("# cat /does/not/exist") == ""
    assert shell.command("echo a #b # c") == "a #b\n"
    # What is wrong changes no object that it was to go to.
    shell.command("echo kept > /notes/kept")
    assert "has only 5 bytes" in shell.command("hexdump /notes/kept 9 > /notes/kept")
    assert shell.command("cat /notes/kept") == "kept\n"
    shell.command("rm /notes/kept")


def test_ls(shell):
    root = shell.command("ls")
    for name in ("bin", "demo", "notes"):
        assert name in root
    programs = shell.command("ls /bin")
    for name in ("shell", "counter", "primes", "exchange", "traffic"):
        assert name in programs


def test_echo_cat_and_redirection(shell):
    assert shell.command("echo one two").strip() == "one two"
    shell.command("echo first line > /notes/echo")
    assert shell.command("cat /notes/echo") == "first line\n"
    shell.command("echo second line >> /notes/echo")
    assert shell.command("cat /notes/echo") == "first line\nsecond line\n"
    shell.command("echo replaced > /notes/echo")
    assert shell.command("cat /notes/echo") == "replaced\n"
    shell.command('echo "with  spaces" > /notes/echo')
    assert shell.command("cat /notes/echo") == "with  spaces\n"


def test_hexdump(shell):
    shell.command("echo ABCDEFGH > /notes/hex")
    said = shell.command("hexdump /notes/hex")
    assert "41 42 43 44" in said and "ABCDEFGH" in said
    assert "45 46" in shell.command("hexdump /notes/hex 4 2")
    assert "7f 45 4c 46" in shell.command("hexdump /bin/shell 0 16")


def test_cat_shows_text_only(shell):
    said = shell.command("cat /bin/hello /notes/welcome")
    assert "cat: /bin/hello: is a program, or something else" in said and "`hexdump`" in said
    assert "ELF" not in said and shell.command("cat /notes/welcome") in said
    shell.command("snapshot programs")
    said = shell.command("cat --snapshot programs /bin/hello")
    assert "is a program, or something else" in said and "`cp --snapshot`" in said
    shell.command("delete programs")
    # Into an object go the bytes as they are.
    shell.command("cat /bin/hello > /notes/hello")
    assert shell.command("hexdump /notes/hello 0 64") == shell.command("hexdump /bin/hello 0 64")
    shell.command("rm /notes/hello")


def test_cp_mv_rm(shell):
    shell.command("echo precious > /notes/one")
    shell.command("cp /notes/one /notes/two")
    assert shell.command("cat /notes/two") == "precious\n"
    shell.command("mv /notes/two /notes/three")
    assert "two" not in shell.command("ls /notes")
    assert shell.command("cat /notes/three") == "precious\n"
    shell.command("rm /notes/three")
    assert "no such" in shell.command("cat /notes/three")
    shell.command("cp /bin/hello /notes/three")
    assert "is a program" in shell.command("cp /notes/one /notes/three")
    shell.command("force cp /notes/one /notes/three")
    assert shell.command("cat /notes/three") == "precious\n"
    shell.command("rm /notes/three")
    shell.command("cp /bin/shell /notes/large")
    assert shell.command("hexdump /notes/large 0 64") == shell.command("hexdump /bin/shell 0 64")
    shell.command("rm /notes/large /notes/one")
    assert "one" not in shell.command("ls /notes")


def test_mkdir_rmdir(shell):
    shell.command("mkdir /notes/folder")
    shell.command("echo inside > /notes/folder/file")
    assert "file" in shell.command("ls /notes/folder")
    assert "empty" in shell.command("rmdir /notes/folder")
    shell.command("rm /notes/folder/file")
    shell.command("rmdir /notes/folder")
    assert "folder" not in shell.command("ls /notes")


def test_rm_recursive(shell):
    """A directory with all that is below it; what programs may stand on stops it."""
    before = shell.command("tree /notes")
    for folder in ("folder", "folder/deep", "folder/deep/deeper", "folder/empty"):
        shell.command(f"mkdir /notes/{folder}")
    for name in ("one", "deep/two", "deep/deeper/three", "deep/deeper/four", "zero"):
        shell.command(f"echo {name} > /notes/folder/{name}")
    assert "--recursive" in shell.command("rm /notes/folder")
    shell.command("mv /demo/traffic /notes/folder/deep/traffic")
    said = shell.command("rm --recursive /notes/folder")
    assert "traffic is a port" in said and "not all that is below it is removed" in said
    assert "traffic" in shell.command("ls /notes/folder/deep")
    shell.command("mv /notes/folder/deep/traffic /demo/traffic")
    shell.command("echo beside > /notes/beside")
    assert shell.command("rm --recursive /notes/folder /notes/beside") == ""
    assert shell.command("tree /notes") == before
    assert "usage" in shell.command("rm --recursive")
    shell.command("rm --recursive /")
    assert "stays as it is" in shell.command("rm --recursive /bin")
    assert shell.command("tree /notes") == before


def test_ps_and_state(shell):
    said = shell.command("ps")
    for name in ("shell", "counter", "primes", "exchange", "traffic"):
        assert name in said
    assert "counter" in shell.command("state counter")
    # The traffic light says in which state it is, and moves.
    seen = set()
    deadline = time.monotonic() + LIMIT_S
    while len(seen) < 2 and time.monotonic() < deadline:
        line = next(line for line in shell.command("ps").splitlines() if "traffic" in line)
        seen.add(next(word for word in re.findall(r"[a-z]+(?:-[a-z]+)*", line.split("traffic")[1])))
    assert len(seen) >= 2, seen
    assert "no such machine" in shell.command("state nobody")


def test_run_stop_continue_kill(shell):
    assert "counter" in shell.command("ls /bin")
    shell.command("run -n second -p 4 traffic")
    line = next(line for line in shell.command("ps").splitlines() if "second" in line)
    assert " 4 " in line
    assert "stopped" in shell.command("stop second")
    assert "stopped" in shell.command("state second")
    assert "goes on" in shell.command("continue second")
    assert "stopped" not in shell.command("ps")
    # Its bank stands below the shell's own, and ends with it.
    assert re.search(r"(?m)^ \d+ +\d+ +4096 .* 100  \d+ second$", shell.command("banks"))
    assert shell.command("weight second 70").strip() == ""
    assert re.search(r"(?m)^ \d+ +\d+ +4096 .* 70  \d+ second$", shell.command("banks"))
    assert "a weight is" in shell.command("weight second much")
    assert "no such machine" in shell.command("weight nobody 70")
    assert "destroyed" in shell.command("kill second")
    assert "second" not in shell.command("ps") + shell.command("banks")
    assert "no such" in shell.command("run /bin/nothing")
    shell.command("echo no program > /notes/text")
    assert shell.command("run /notes/text").strip() != ""
    assert "text" not in shell.command("ps")


def test_stopped_counter_stands_still(shell):
    demo(shell, "count")
    shell.command("stop counter")
    first = demo(shell, "count")
    uptime = time.monotonic() + 2.5
    while time.monotonic() < uptime:
        shell.command("echo waiting")
    assert demo(shell, "count") == first
    shell.command("continue counter")
    wait_for(shell, "cat /demo/count", rf"^(?!{first}$)\d+$")


def generation(shell):
    return int(re.search(r"(?i)generation\D*(\d+)", shell.command("store"))[1])


def test_checkpoint_and_store(shell):
    before = generation(shell)
    shell.command("checkpoint")
    assert generation(shell) > before
    said = shell.command("store")
    for word in ("generation", "free", "dirty"):
        assert word in said.lower()
    commits = int(re.search(r"(\d+) since the start", said)[1])
    count = {text: int(number) for number, text in re.findall(r"^ +(\d+) (\D+)$", said, re.M)}
    assert count["commits that failed"] == 0 and count["commits that were deltas"] <= commits
    assert count["bytes of pages written"] > 0


def test_one_grammar_of_times_and_names(shell):
    """What is written in a manifest or for mkstore is written so here, too."""
    assert "every 1m 00s" in shell.command("interval 1m")
    assert "every 1.000 s" in shell.command("interval 1s")
    for wrong in ("5y", "-5s", "1.5s", "s"):
        assert "not a time; write it like" in shell.command(f"interval {wrong}")
    for wrong, why in (("-5y", "not an age"), ("#x", "not the number"), ("@", "not a generation")):
        for command in ("restore", "delete"):
            assert why in shell.command(f"{command} {wrong}")
    assert "'two words'" not in shell.command("snapshot 'two words'")
    assert "two words" in shell.command("snapshots")
    assert "two words is deleted" in shell.command("delete 'two words'")
    assert "beginning or end" in shell.command("snapshot 'word '")


def test_delete_says_which(shell):
    shell.command("snapshot to-say")
    number = re.search(r"^ *(\d+) .* to-say", shell.command("snapshots"), re.M)[1]
    said = shell.command(f"delete #{number}")
    assert re.search(rf"delete: snapshot {number}, to-say, generation \d+, taken 20\d\d-", said)
    assert "to-say is deleted" in said


def answer(shell, columns):
    """As a terminal so wide answers the shell's question."""
    shell.type(f"\x1b[24;{columns}R")


NAME = "a-long-name-" * 5


def test_tables_fit_the_terminal(shell):
    shell.command(f"snapshot {NAME}")
    try:
        for columns in (40, 60, 80, 85, 100, 200):
            for command in ("ps", "snapshots"):
                answer(shell, columns)
                said = shell.command(command)
                rows = [row for row in said.splitlines() if "a-long-name" not in row]
                assert max(map(len, rows)) < columns, said
                assert ("too narrow for" in said) == (columns < (80 if command == "ps" else 105))
            # Somebody may want to type it: it is whole, however narrow the terminal is.
            assert re.search(f"^ *(.*  )?{NAME}$", said, re.M), said
            assert columns < 68 or max(map(len, said.splitlines())) < columns, said
        # Into an object goes all of it.
        answer(shell, 40)
        shell.command("ps > /notes/ps-whole")
        assert "RECEIVED" in shell.command("cat /notes/ps-whole")
    finally:
        answer(shell, 80)
        shell.command(f"delete {NAME}")


def test_width_stays_over_a_restore(image):
    """Mostly it is the same terminal; if not, it says so when it is asked."""
    with Machine(image) as machine:
        machine.wait_prompt()
        answer(machine, 120)
        machine.command("snapshot there")
        assert "too narrow" not in machine.command("snapshots")
        machine.type("restore there\r")
        machine.wait_prompt()
        assert "too narrow" not in machine.command("snapshots")
        answer(machine, 60)
        assert "too narrow" in machine.command("snapshots")


def test_answers_among_keys(shell):
    """Late, mixed with what is typed, twice, nonsense: never a part of a command."""
    shell.type("ec\x1b[24;100Rho on")
    assert shell.command("e") == "one\n"
    shell.type("\x1b[24;90R\x1b[24;80R")
    assert shell.command("echo two") == "two\n"
    shell.type("\x1b[24;R\x1b[;80R\x1b[1;5R")
    assert shell.command("echo three") == "three\n"
    # What is typed ahead while a command runs is read with the next line.
    shell.type("echo four\r\x1b[24;80Recho five\r")
    shell.wait(r"^five$")
    shell.wait(r"^perdure> ")


def test_line_too_long(shell):
    """Its beginning alone would be another command."""
    said = shell.command("echo " + "x" * 1100 + " > /notes/too-long")
    assert "at most 1000 bytes; nothing" in said
    shell.type("echo y > /notes/too-long" + " " * 1000 + "; and more")
    assert "at most 1000 bytes; nothing" in shell.command("")
    assert "too-long" not in shell.command("ls /notes")
    assert shell.command("echo " + "x" * 990) == "x" * 990 + "\n"


def test_about_tells_what_is_not_used(image):
    arguments = ["-smp", "3", "-device", "virtio-net-pci"]
    with Machine(image, arguments=arguments) as machine:
        machine.wait_prompt()
        said = machine.command("about")
        assert re.search(r"processors +1 used of 3", said), said
        assert re.search(r"networks +0 used of 1", said)
        assert re.search(r"storage +1 used of \d", said)
        # All machines count from the beginning, met by the kernel or not.
        machines = len(re.findall(r"^ *\d+ ", machine.command("ps"), re.M))
        machine.command("reboot")
        said = machine.command("uptime")
        assert f"{machines} machines" in said, said


def test_restore_says_which(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("snapshot there")
        machine.type("restore #1\r")
        machine.wait(r"^restore: snapshot 1, there, generation \d+, taken 20.* UTC, .*ago$")
        machine.wait_prompt()


def test_reading_in_a_snapshot(shell):
    """One lost object comes back without a restore, and nothing else changes."""
    shell.command("mkdir /notes/then")
    shell.command("echo precious > /notes/then/one")
    shell.command("cp /bin/selftest /notes/then/large")
    shell.command("snapshot 'as it was'")
    before = shell.command("ls /notes/then")
    shell.command("echo other > /notes/then/one")
    shell.command("rm /notes/then/large")
    for name in ("one", ""):
        shell.command(f"rm /notes/then/{name}" if name else "rmdir /notes/then")
    shell.command("echo new > /notes/then")
    past = "--snapshot 'as it was'"
    assert shell.command(f"cat {past} /notes/then/one") == "precious\n"
    assert shell.command(f"ls {past} /notes/then") == before
    listed = shell.command(f"tree {past}")
    assert re.search(r"^  notes/\n(    .*\n)*    then/\n      large\n      one\n", listed, re.M)
    assert shell.command(f"cp {past} /notes/then/one /notes/back") == ""
    assert shell.command("cat /notes/back") == "precious\n"
    shell.command(f"cp {past} /notes/then/large /notes")
    assert shell.command("hexdump /notes/large 0 64") == shell.command("hexdump /bin/selftest 0 64")
    # A program of many pages runs.
    shell.command("run -n copied /notes/large")
    assert shell.command("cat /notes/then") == "new\n"
    assert "there already" in shell.command(f"cp {past} /notes/then/one /notes/then")
    assert "no such name" in shell.command(f"cat {past} /notes/never")
    assert "no such snapshot" in shell.command("ls --snapshot never")
    assert "usage" in shell.command("ls --snapshot")
    assert "notes/" in shell.command("tree") and "shell" in shell.command("tree /bin")
    for name in ("then", "back", "large"):
        shell.command(f"rm /notes/{name}")
    shell.command("delete 'as it was'")
    assert "no such" in shell.command(f"ls {past}")


def test_interval(shell):
    assert "1" in shell.command("interval")
    shell.command("interval 0")
    assert "request" in shell.command("interval")
    # None is under way any more, and none is needed to give space back.
    wait_for(shell, "snapshots", r"\A(?!(?s:.*) deleted )")
    shell.command("checkpoint")
    before = generation(shell)
    shell.command("echo dirty > /notes/dirty")
    end = time.monotonic() + 3
    while time.monotonic() < end:
        shell.command("echo waiting")
    assert generation(shell) == before
    shell.command("interval 500ms")
    deadline = time.monotonic() + LIMIT_S
    while generation(shell) == before:
        assert time.monotonic() < deadline
    shell.command("interval 1")


def test_snapshots_and_delete(shell):
    shell.command("snapshot shell-test")
    assert "shell-test" in shell.command("snapshots")
    shell.command("delete shell-test")
    # Its space is given back in steps; then it is gone.
    wait_for(shell, "snapshots", r"\A(?!(?s:.*)shell-test)")


def test_rename_retention_grow(shell):
    shell.command("snapshot to-rename")
    assert "is renamed-so now" in shell.command("rename to-rename renamed-so")
    assert "no such snapshot" in shell.command("rename to-rename again")
    shell.command("delete renamed-so")
    assert "no generations" in shell.command("retention")
    assert "one at most every 30 s" in shell.command("retention 30s,5m")
    assert "no generations" in shell.command("retention off")
    assert "fills its disk" in shell.command("grow")


def test_scrub(shell):
    """More in test_scrub.py."""
    assert ": 0 damaged places" in shell.command("scrub")
    assert "not a rate" in shell.command("scrub fast")


def test_mem_uptime_date_about(shell):
    said = shell.command("mem")
    assert all(word in said for word in ("memory", "free", "clean", "dirty", "staging"))
    assert re.search(r"\d", shell.command("uptime"))
    kept = re.fullmatch(r"since the resume .* at most (\d+)\.(\d{3}) us: (.+)\n",
                        shell.command("uptime -l"))
    assert "usage: uptime [-l]" in shell.command("uptime -x")
    assert int(kept[1] + kept[2]) > 0 and kept[3] != "an operation that does not exist"
    assert re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", shell.command("date"))
    assert "Perdure" in shell.command("about")


def test_log(shell):
    for _ in range(8):
        shell.command("run hello")
    wait_for(shell, "log 1000", r"(?s)(hello.*){8}")
    assert 1 <= shell.command("log 5").count("\n") <= 5
    assert shell.command("log -k").strip() != ""
    shell.type("log -f\r")
    shell.wait(r"\n")
    shell.type("q")
    shell.wait(r"^perdure> ")


def test_history_and_line_editing(shell):
    shell.command("echo remember this")
    assert "echo remember this" in shell.command("history")
    shell.type("\x1b[A\x1b[A")
    shell.wait("echo remember this")
    shell.type("\r")
    shell.wait(r"^remember this\n")
    shell.wait(r"^perdure> ")
    # Left, backspace, delete, home and end change the line as everywhere.
    shell.type("echo abXd\x1b[D\x7fc\x1b[F!\r")
    shell.wait(r"^abcd!\n")
    shell.wait(r"^perdure> ")
    shell.type("garbage\x15echo clean\r")
    shell.wait(r"^clean\n")
    shell.wait(r"^perdure> ")


def test_clear(shell):
    shell.type("clear\r")
    shell.wait("perdure> ")


def test_programs_do_not_disturb_the_line(shell):
    """What programs say goes to the log; the line being typed stays as it is."""
    shell.type("echo half a line")
    shell.wait("half a line")
    # The traffic light and the others go on and say something meanwhile.
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert shell.running()
        time.sleep(0.1)
    assert without_asides(shell.seen()) == ""
    shell.type("\r")
    shell.wait(r"^half a line\n")
    shell.wait(r"^perdure> ")


def test_demo_objects(shell):
    """The names people rely on."""
    demo(shell, "count")
    assert re.fullmatch(r"\d+\n?", shell.command("cat /demo/count"))
    wait_for(shell, "cat /demo/exchange", "received [1-9]")
    found = demo(shell, "exchange")
    assert found["sent"] >= found["received"] > 0
    demos_are_exact(shell)


def test_inside_and_outside_read_the_same(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("echo same text > /notes/same")
        machine.command("stop counter")
        inside = machine.command("cat /demo/count")
        machine.command("checkpoint")
    assert cat(image, "/demo/count") == inside
    assert cat(image, "/notes/same") == "same text\n"


def test_half_typed_line_survives_a_cut(image):
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.type("echo begun before")
        machine.wait("begun before")
        wait_durable(machine, image)
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.wait("begun before")
        machine.type(" and ended after\r")
        machine.wait(r"^begun before and ended after\n")


def test_reboot_and_poweroff(image):
    """More about these in test_stop.py."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("restore nothing")
        machine.type("reboot\r")
        machine.wait_prompt()
        machine.type("poweroff\r")
        machine.wait_off()
    mkstore("verify", image)

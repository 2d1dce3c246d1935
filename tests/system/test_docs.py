# SPDX-License-Identifier: MIT
"""test_docs.py - the program code in docs/ compiles as it is printed."""

import glob
import re
import subprocess

import pytest
from conftest import program_command

# A piece of a function: what the text around it speaks of is there.
AROUND = """#include "user/lib/directory.h"
#include "user/lib/file.h"
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/segment.h"
#include "user/lib/table.h"
#include "user/lib/view.h"
void piece(void);
void piece(void)
{{
{0}}}
"""


def blocks():
    for path in sorted(glob.glob("docs/*.md")):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for match in re.finditer(r"^```c\n(.*?)^```$", text, re.M | re.S):
            line = text.count("\n", 0, match.start()) + 1
            yield pytest.param(match[1], id=f"{path}:{line}")


def test_there_is_code():
    assert len(list(blocks())) >= 5


# What is meant, and the same with something else in its place.
KINDS = [
    ("table_copy(OWN_TABLE, 32, 33);", "table_copy(OWN_PORT, 32, 33);"),
    ("bank_port(OWN_BANK, 4, 32);", "bank_port(OWN_TABLE, 4, 32);"),
    ("message_send(OWN_PORT, &message, true);", "message_send(OWN_TABLE, &message, true);"),
    ("message_call(PORT(16), &message);", "message_call(16, &message);"),
    ("message_receive(ANY_PORT, &message);", "message_receive(0, &message);"),
    ("machine_set_keeper(OWN_MACHINE, NO_PORT);", "machine_set_keeper(OWN_MACHINE, OWN_MACHINE);"),
    ("machine_attach(OWN_MACHINE, OWN_HEAP, 0, 0, 1, false);",
     "machine_attach(OWN_MACHINE, OWN_BANK, 0, 0, 1, false);"),
    ("segment_resize(OWN_HEAP, 0);", "segment_resize(SLOT_HEAP, 0);"),
    ("directory_unlink(ROOT_DIRECTORY, NULL);", "directory_unlink(OWN_HEAP, NULL);"),
    ("struct port port; path_port(NULL, &port);", "struct table table; path_port(NULL, &table);"),
]


@pytest.mark.parametrize("right, wrong", KINDS)
def test_one_kind_is_not_taken_for_another(right, wrong, tmp_path):
    source, made = tmp_path / "kind.c", tmp_path / "kind.o"
    for code, refused in ((right, False), (wrong, True)):
        source.write_text(AROUND.format("struct message message = {0}; (void)message; " + code + "\n"),
                          encoding="utf-8")
        command = program_command(source, made, "-c")
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (result.returncode != 0) == refused, result.stderr
        assert ("incompatible" in result.stderr) == refused, result.stderr


@pytest.mark.parametrize("code", blocks())
def test_compiles(code, tmp_path):
    source, made = tmp_path / "printed.c", tmp_path / "printed.elf"
    program = re.search(r"^int main\(", code, re.M)
    source.write_text(code if program else AROUND.format(code), encoding="utf-8")
    command = program_command(source, made)
    if not program:
        command = program_command(source, made, "-Wno-unused-but-set-variable", "-c")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr

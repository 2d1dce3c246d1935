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
#include "user/lib/message.h"
void piece(uint32_t slot);
void piece(uint32_t slot)
{{
	(void)slot;
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

# SPDX-License-Identifier: MIT
"""test_docs.py - the program code in docs/ compiles as it is printed."""

import glob
import re
import subprocess

import pytest
from conftest import ROOT, compiled

FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}", "-ffreestanding", "-fPIE", "-O2"]
LINK = ["-static-pie", "-nostdlib", "-Wl,-z,separate-code", "-Wl,--no-dynamic-linker"]
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
    if program:
        library = [*compiled("ring3", "user/lib", "base"), "build/ring3/kernel/loader.o"]
        command = ["gcc", *FLAGS, *LINK, source, *library, "-o", made]
    else:
        command = ["gcc", *FLAGS, "-Wno-unused-but-set-variable", "-c", source, "-o", made]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr

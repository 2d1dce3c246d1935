#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run.py - `make check`: the rules of style, and what the static tools find.

    run.py [NAME ...]    all checks, or those with these names

Each check passes or fails as a whole; its complaints are shown.  The last
line is `N passed, M failed`.
"""

import collections
import concurrent.futures
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(ROOT)
sys.path.insert(0, os.path.join(ROOT, "tests/check"))

import rules  # noqa: E402
import samples  # noqa: E402

JOBS = 2
SHOWN = 40
SKIPPED = {".git", "__pycache__", ".pytest_cache"}


def read_tree():
    """All text files that belong to the project, by path."""
    tree = {}
    for folder, folders, names in os.walk("."):
        skipped = SKIPPED if folder != "." else SKIPPED | {"build"}
        folders[:] = sorted(name for name in folders if name not in skipped)
        for name in sorted(set(names) - SKIPPED):
            path = os.path.relpath(os.path.join(folder, name), ".")
            try:
                with open(path, encoding="utf-8", newline="") as file:
                    tree[path] = file.read()
            except UnicodeDecodeError:
                continue
    return tree


def tool(command):
    """What a tool says when it is not content, as lines."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    output = (result.stdout + result.stderr).strip()
    if result.returncode == 0:
        return []
    return output.splitlines() or [f"{command[0]}: ended with code {result.returncode}"]


def parallel(function, items):
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return [line for lines in pool.map(function, items) for line in lines]


def sources(tree, pattern):
    return [path for path in tree if re.search(pattern, path)]


def is_freestanding(path):
    """Compiled with the kernel's headers instead of the C library's?"""
    return path.startswith(("kernel/", "drivers/", "user/", "base/"))


def compile_flags(path):
    flags = ["-std=gnu11", "-I.", '-DPERDURE_VERSION="check"']
    if is_freestanding(path):
        return flags + ["-ffreestanding", "-isystem", "base/include"]
    return flags


def formatted(tree):
    files = [path for path in sources(tree, r"\.[ch]$") if not path.startswith("base/include/")]
    found = tool(["clang-format", "--dry-run", "-Werror"] + files)
    places = [line for line in found if re.search(r"error:", line)]
    count = collections.Counter(line.split(":")[0] for line in places)
    return [f"{path}: {number} places for `clang-format -i`" for path, number in count.items()]


def headers_alone(tree):
    """Every header compiles by itself."""

    def check(path):
        text = f'#include "{path}"\n#include "{path}"\n'
        flags = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
        result = subprocess.run(
            ["gcc", *compile_flags(path), *flags, "-fsyntax-only", "-x", "c", "-"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        return result.stderr.strip().splitlines()[:5] if result.returncode else []

    headers = [p for p in sources(tree, r"\.h$") if not p.startswith("base/include/")]
    return parallel(check, headers)


def clang_tidy(tree):
    """Bugs that clang finds, in all C that is not a test; .clang-tidy says which kinds."""

    def check(path):
        found = tool(["clang-tidy", "--quiet", path, "--", *compile_flags(path)])
        kept = [line for line in found if re.search(r"(warning|error):", line)]
        return [line.removeprefix(ROOT + "/") for line in kept]

    files = sources(tree, r"^(store|objects|tools|kernel|drivers|user)/.*\.c$")
    return parallel(check, files)


def cppcheck(tree):
    folders = sorted({path.split("/")[0] for path in sources(tree, r"\.c$")} - {"tests"})
    command = ["cppcheck", "--quiet", "--enable=warning,portability", "--std=c11", "-I."]
    command += ["--inline-suppr", "--suppress=missingIncludeSystem", "--error-exitcode=1"]
    # It does not see that asm statements read registers, that functions fill what
    # they get the address of, and that the linker's symbols lie in one object.
    for wrong in (
        "arrayIndexOutOfBoundsCond",
        "comparePointers",
        "constStatement",
        "legacyUninitvar",
        "uninitvar",
    ):
        command.append(f"--suppress={wrong}")
    command += [f"-j{JOBS}", "-DPERDURE_VERSION=\"check\"", "--template={file}:{line}: {id}: {message}"]
    return tool(command + folders)


def scripts_parse(tree):
    """And the names that Python scripts use are there.  Fixtures of pytest are imported to be
    found and named again by whoever wants one, which pyflakes cannot know."""
    found = tool(["pyflakes3", *sources(tree, r"\.py$")])
    fixture = re.compile(r"imported but unused|redefinition of unused")
    bad = [line for line in found if not fixture.search(line)]
    for path in sources(tree, r"\.sh$|^\.ci/run$"):
        bad += tool(["bash", "-n", path])
    return bad


def reference(_):
    """The pages of docs/reference/ are what the kernel's lists say."""
    return tool([sys.executable, "tools/reference/reference.py", "--check"])


def rules_work(_):
    return samples.broken_rules()


CHECKS = [rules_work, *rules.RULES, reference, scripts_parse, formatted, headers_alone, cppcheck, clang_tidy]


def main():
    wanted = set(sys.argv[1:])
    tree = read_tree()
    passed = failed = 0
    for check in CHECKS:
        if wanted and check.__name__ not in wanted:
            continue
        start = time.monotonic()
        complaints = check(tree)
        seconds = time.monotonic() - start
        word = "FAILED" if complaints else "ok"
        print(f"{word:6} {check.__name__} ({seconds:.1f} s)", flush=True)
        for line in complaints[:SHOWN]:
            print(f"    {line}")
        if len(complaints) > SHOWN:
            print(f"    and {len(complaints) - SHOWN} more")
        passed += not complaints
        failed += bool(complaints)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: MIT
"""corpus.py - content to load: text, programs, and random bytes.

Text is this project's own sources; programs are what the host has installed.
What there is is repeated until the size is reached, which changes nothing for
any contestant, since each page is stored on its own.
"""

import os

KINDS = ("text", "binary", "random")
TEXT = (".c", ".h", ".md", ".py", ".S")
PROGRAM_BYTES = 64 << 10  # shorter ones are mostly padding


def text_files():
    for folder, folders, names in os.walk("."):
        folders[:] = sorted(name for name in folders if name not in (".git", "build"))
        for name in sorted(names):
            if name.endswith(TEXT):
                yield os.path.join(folder, name)


def programs():
    for name in sorted(os.listdir("/usr/bin")):
        path = os.path.join("/usr/bin", name)
        if os.path.isfile(path) and not os.path.islink(path):
            if os.path.getsize(path) >= PROGRAM_BYTES and os.access(path, os.R_OK):
                yield path


def make(kind, folder, mib):
    """The path of a file of so many MiB; None: random bytes, which need no file."""
    if kind == "random":
        return None
    path = os.path.join(folder, f"{kind}.corpus")
    if os.path.exists(path) and os.path.getsize(path) == mib << 20:
        return path
    data = bytearray()
    for source in text_files() if kind == "text" else programs():
        with open(source, "rb") as file:
            content = file.read()
        if kind == "text" or content.startswith(b"\x7fELF"):
            data += content
        if len(data) >= mib << 20:
            break
    while len(data) < mib << 20:
        data += data[: (mib << 20) - len(data)]
    with open(path, "wb") as file:
        file.write(data[: mib << 20])
    return path

# SPDX-License-Identifier: MIT
"""rules.py - what `make check` asks of the text of the tree.

Each rule is a function from the tree to a list of complaints, "file:line:
what is wrong".  A tree is a dictionary from path to text, so that the rules
can be tried on samples (see samples.py).
"""

import ast
import os
import re

# Arrows point down: a folder includes itself and what is left of it.
LAYERS = ["base", "disk", "drivers", "store", "objects", "kernel", "user"]
# Of the kernel, programs see what both share.
KERNEL_FOR_USER = {"kernel/abi.h", "kernel/loader.h"}
# base/ and disk/ need nothing but integers and their sizes, and base/ lists of arguments.
PLAIN_HEADERS = {"stdint.h", "stddef.h", "stdbool.h", "assert.h"}
BASE_HEADERS = PLAIN_HEADERS | {"stdarg.h", "string.h"}

# What the verifier is made of: it reads what the engine wrote, and is no part of it.
VERIFIER_MAY = ("base/", "disk/", "tools/verify/")

ARCHITECTURE = "docs/architecture.md"
# `file`: `function`, `function`; or how many files a section has named.
WALKED = re.compile(
    r"`([\w./-]+\.[chS])`:\s+((?:`\w+`(?:,\s+)?)+)|^Files walked: (\d+)\.$", re.M
)

FILE_LINES = 600
TEST_LINES = 700
FUNCTION_LINES = 70

C_FILE = re.compile(r"\.([ch]|def)$")
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)

# Split, so that this file does not match itself.
FORBIDDEN = {
    r"(?<![\w.])/wo" r"rk/": "a path of one machine",
    r"/ho" r"me/\w": "a path of one machine",
    r"shared/des" r"ign": "a page that is not in the tree",
    r"\bTO" r"DO\b|\bFIX" r"ME\b|\bX" r"XX\b|\bHA" r"CK\b": "unfinished work",
    r"^\s*#\s*if\s+" r"0\b": "code that is switched off",
    r"de" r"b\.deb" r"ian\.org|pyp" r"i\.org|npm" r"js\.|prox" r"y\.golang": "a registry's host",
    r"\x{a7}".replace(r"\x{a7}", "\u00a7"): "a section sign: write `section 1.2`",
}


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def c_files(tree):
    return {path: text for path, text in tree.items() if C_FILE.search(path)}


def includes(text):
    for match in INCLUDE.finditer(text):
        yield line_of(text, match.start()), match[1] == '"', match[2]


def layers(tree):
    """Includes point downwards, are written from the root, and name files that exist."""
    bad = []
    for path, text in c_files(tree).items():
        folder = path.split("/")[0]
        for line, quoted, name in includes(text):
            where = f"{path}:{line}"
            if not quoted:
                allowed = {"base": BASE_HEADERS, "disk": PLAIN_HEADERS}.get(folder, {name})
                if name not in allowed:
                    bad.append(f"{where}: {folder}/ includes <{name}>")
                continue
            if name not in tree:
                bad.append(f"{where}: \"{name}\" is no file, seen from the root of the tree")
                continue
            target = name.split("/")[0]
            if path.startswith("tools/verify/") and not name.startswith(VERIFIER_MAY):
                bad.append(f"{where}: the verifier includes {name}; it shares nothing but the format")
            if folder not in LAYERS:
                continue
            if target not in LAYERS or LAYERS.index(target) > LAYERS.index(folder):
                bad.append(f"{where}: {folder}/ includes {name}, which lies above it")
            elif folder == "user" and target == "kernel" and name not in KERNEL_FOR_USER:
                bad.append(f"{where}: programs include {name}, which is the kernel's own")
    return bad


STORE_PART = re.compile(r"store/(\w+)/")


def private_headers(tree):
    """A *_priv.h is included from its own folder, from those below it and by tests only; so is
    the header of a part of the store from the store."""
    bad = []
    for path, text in c_files(tree).items():
        for line, quoted, name in includes(text):
            if not quoted or path.startswith("tests/"):
                continue
            folder = os.path.dirname(name) + "/"
            if name.endswith("_priv.h") and not path.startswith(folder):
                bad.append(f"{path}:{line}: {name} is private to its folder")
            elif STORE_PART.match(name) and not path.startswith("store/"):
                bad.append(f"{path}:{line}: {name} is private to the store")
    return bad


# Fields of the store that no part has as its own: what belongs to a generation.
STORE_SHARED = {"clears", "overlay", "next_overlay", "previous", "doubt"}


def store_parts(tree):
    """What a part of the store keeps is touched in its own folder only.  It is a field of
    `struct store` whose type is defined in the header of the part."""
    parts = {}
    for path, text in tree.items():
        if STORE_PART.match(path) and path.endswith(".h"):
            for name in re.findall(r"^struct (\w+) \{", text, re.M):
                parts[name] = os.path.dirname(path)
    whole = re.search(r"^struct store \{(.*?)^\};", tree.get("store/store_priv.h", ""), re.M | re.S)
    fields = re.findall(r"^\tstruct (\w+) (\w+)\b", whole[1] if whole else "", re.M)
    owner = {name: parts[kind] for kind, name in fields if kind in parts and name not in STORE_SHARED}
    bad = []
    for path, text in tree.items():
        if not path.startswith("store/") or path == "store/store_priv.h":
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for name in re.findall(r"\bstore->(\w+)", line):
                if owner.get(name, os.path.dirname(path)) != os.path.dirname(path):
                    bad.append(f"{path}:{number}: store->{name} belongs to {owner[name]}/")
    return bad


def own_header_first(tree):
    bad = []
    for path, text in c_files(tree).items():
        own = path[:-2] + ".h"
        if path.endswith(".c") and own in tree:
            first = next(includes(text), (1, False, ""))
            if first[2] not in (own, path[:-2] + "_priv.h", os.path.basename(own)):
                bad.append(f"{path}:{first[0]}: the first include is not \"{own}\"")
    return bad


def include_cycles(tree):
    graph = {
        path: [name for _, quoted, name in includes(text) if quoted and name in tree]
        for path, text in c_files(tree).items()
    }
    bad = []
    finished = set()
    for start in sorted(graph):
        stack = [(start, iter(graph[start]))]
        trail = [start]
        while stack:
            following = next(stack[-1][1], None)
            if following is None:
                finished.add(stack.pop()[0])
                trail.pop()
            elif following in trail:
                bad.append(f"{following}:1: includes itself: {' -> '.join(trail + [following])}")
            elif following not in finished:
                stack.append((following, iter(graph[following])))
                trail.append(following)
    return bad


def c_functions(text):
    """Name, line and length of each function, told by the braces in column 0."""
    lines = text.split("\n")
    heading = ""
    begin = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            begin = number
        elif line.startswith("}") and begin is not None:
            name = re.findall(r"(\w+)\s*\(", heading)
            yield (name[0] if name else "?"), begin, number - begin + 1
            begin = None
            heading = ""
        elif begin is None:
            if re.match(r"[A-Za-z_]", line):
                heading = line
            elif line.startswith(("\t", " ")):
                heading += line


def lengths(tree):
    """Files of at most 600 lines, of tests 700, functions of at most 70."""
    bad = []
    for path, text in tree.items():
        if not re.search(r"\.(c|h|def|S|py|sh)$", path):
            continue
        most = TEST_LINES if path.startswith("tests/") else FILE_LINES
        if text.count("\n") > most:
            bad.append(f"{path}:1: {text.count(chr(10))} lines, at most {most}")
        if path.endswith(".c"):
            functions = c_functions(text)
        elif path.endswith(".py"):
            functions = [
                (node.name, node.lineno, node.end_lineno - node.lineno + 1)
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.FunctionDef)
            ]
        else:
            continue
        for name, line, length in functions:
            if length > FUNCTION_LINES:
                bad.append(f"{path}:{line}: {name} has {length} lines, at most {FUNCTION_LINES}")
    return bad


def licence_lines(tree):
    """The SPDX line first (behind a #! line), then what the file is for."""
    bad = []
    for path, text in tree.items():
        name = os.path.basename(path)
        if not re.search(r"\.(c|h|def|S|ld|py|sh)$", path) and name not in ("Makefile", "run"):
            continue
        lines = text.split("\n")
        if lines[0].startswith("#!"):
            lines = lines[1:]
        if "SPDX-License-Identifier: MIT" not in lines[0]:
            bad.append(f"{path}:1: the first line is not the SPDX line")
        elif C_FILE.search(path) and (len(lines) < 2 or not lines[1].startswith("/*")):
            bad.append(f"{path}:2: no comment that says what the file is for")
    return bad


def forbidden_words(tree):
    bad = []
    for path, text in tree.items():
        for pattern, what in FORBIDDEN.items():
            for match in re.finditer(pattern, text, re.M):
                bad.append(f"{path}:{line_of(text, match.start())}: {match[0]!r}: {what}")
    return bad


def white_space(tree):
    bad = []
    for path, text in tree.items():
        for match in re.finditer(r"[ \t]+$", text, re.M):
            bad.append(f"{path}:{line_of(text, match.start())}: white space at the end of the line")
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            bad.append(f"{path}:{text.count(chr(10))}: must end with exactly one newline")
        if "\r" in text:
            bad.append(f"{path}:1: carriage returns")
        for match in re.finditer(r"^(<{7}|={7}|>{7})( |$)", text, re.M):
            bad.append(f"{path}:{line_of(text, match.start())}: left over from a merge")
    return bad


def readme_folders(tree):
    """README's list has every folder that holds files, or one above it, and no other."""
    text = tree.get("README.md", "")
    listed = {name.rstrip("/") for name in re.findall(r"^\| `([\w./]+/)` \|", text, re.M)}
    folders = {os.path.dirname(path) for path in tree if "/" in path and path[0] != "."}
    missing = {
        folder
        for folder in folders
        if not any(folder == name or folder.startswith(name + "/") for name in listed)
    }
    existing = {os.path.dirname(path) for path in tree}
    existing |= {path.rsplit("/", 1)[0] for path in existing if "/" in path}
    bad = [f"README.md:1: folder {name}/ is not listed" for name in sorted(missing)]
    for name in sorted(listed):
        if name not in existing:
            bad.append(f"README.md:1: lists {name}/, which holds nothing")
    return bad


def links(tree):
    """Links between pages, and paths written as code, lead to files of the tree."""
    bad = []
    known = set(tree)
    for path in tree:
        while "/" in path:
            path = path.rsplit("/", 1)[0]
            known.add(path)
    roots = {path.split("/")[0] for path in known if "/" in path}
    for path, text in tree.items():
        if not path.endswith(".md"):
            continue
        for match in re.finditer(r"\]\(([^)#\s]+)(#[^)]*)?\)", text):
            if "://" not in match[1]:
                target = os.path.normpath(os.path.join(os.path.dirname(path), match[1]))
                if target not in known:
                    bad.append(f"{path}:{line_of(text, match.start())}: no such page: {match[1]}")
        for match in re.finditer(r"`([\w.-]+/[\w./-]*)`", text):
            target = match[1].rstrip("/")
            if target.split("/")[0] in roots and target not in known:
                bad.append(f"{path}:{line_of(text, match.start())}: no such file: {match[1]}")
    return bad


def declares(path, text, name):
    """Is the function, or macro, defined or declared there?  Calls are indented."""
    if path.endswith(".S"):
        return re.search(rf"^{name}:", text, re.M)
    return re.search(rf"^(#\s*define\s+|[A-Za-z_][^\n;={{]*[\s*]|){name}\(", text, re.M)


def architecture(tree):
    """The functions that the paths go through are in the files named, and those are counted."""
    bad = []
    text = tree.get(ARCHITECTURE, "")
    for step in re.finditer(r"^\d+\. (?!`[\w./-]+\.[chS]`:\s+`\w+`)", text, re.M):
        where = f"{ARCHITECTURE}:{line_of(text, step.start())}"
        bad.append(f"{where}: a step without file and function")
    walked = set()
    for match in WALKED.finditer(text):
        path, names, count = match.groups()
        where = f"{ARCHITECTURE}:{line_of(text, match.start())}"
        if count:
            if int(count) != len(walked):
                bad.append(f"{where}: the files walked are {len(walked)}")
            walked = set()
            continue
        walked.add(path)
        for name in re.findall(r"\w+", names):
            if not declares(path, tree.get(path, ""), name):
                bad.append(f"{where}: no {name} in {path}")
    return bad


WHERE = ("docs/glossary.md", "docs/extending.md")
# What each program has one of its own.
OF_A_PROGRAM = {"main", "assert_failed"}
DEFINED = re.compile(r"^(?!static\b|typedef\b)\w[\w *]*?\b(\w+)\([^;{}]*\)\n\{", re.M)
TAGGED = re.compile(r"^(?:struct|union|enum) (\w+) \{", re.M)


def names(tree):
    """What a page says of where things are is so, and a name that several files see is given
    once: a function's, and in headers a structure's."""
    bad = []
    for page in WHERE:
        text = tree.get(page, "")
        for match in re.finditer(r"`([\w./]+)`:\s+`(\w+)`", text):
            if not re.search(rf"\b{match[2]}\b", tree.get(match[1], "")):
                bad.append(f"{page}:{line_of(text, match.start())}: no {match[2]} in {match[1]}")
    given = {}
    for path, text in sorted(c_files(tree).items()):
        if path.startswith(("tests/", "bench/")):
            continue
        kind = TAGGED if path.endswith(".h") else DEFINED
        for match in kind.finditer(text):
            first = given.setdefault((kind, match[1]), path)
            if first != path and match[1] not in OF_A_PROGRAM:
                bad.append(f"{path}:{line_of(text, match.start(1))}: {match[1]} is defined in {first}, too")
    return bad


def seeded_faults(tree):
    """Each fault names a text that occurs once in its file, and a test that there is."""
    bad = []
    for path in sorted(path for path in tree if path.endswith(".mutant")):
        parts = tree[path].split("\n----\n")
        fields = dict(re.findall(r"^(\w+): (.+)$", parts[0], re.M))
        count = tree.get(fields.get("file"), "").count(parts[1]) if len(parts) == 3 else 0
        if count != 1:
            bad.append(f"{path}:1: its text occurs {count} times in {fields.get('file')}")
        test = "tests/unit/%s/test_%s.c" % tuple(f"{fields.get('test')}/".split("/")[:2])
        if "test" in fields and test not in tree:
            bad.append(f"{path}:1: there is no {test}")
    return bad


# Where a test can be found by the label of an operation, or by the library's call of it.
TESTS_BY_LABEL = re.compile(r"^(tests/unit/|tests/system/|user/programs/selftest/).*\.(c|py)$")
TESTS_BY_CALL = re.compile(r"^(tests/system/|user/programs/selftest/).*\.c$")


def operations_tested(tree):
    """Each operation of the kernel's list has a test that names it."""
    bad = []
    words, called = set(), set()
    for path, text in tree.items():
        if TESTS_BY_LABEL.match(path):
            words.update(re.findall(r"\w+", text))
        if TESTS_BY_CALL.match(path):
            called.update(re.findall(r"(\w+)\(", text))
    for path, text in tree.items():
        if not re.match(r"kernel/operations\w*\.def$", path):
            continue
        for match in re.finditer(r"^([A-Z]+)_OPERATION\((\w+),", text, re.M):
            name, page = f"{match[1]}_{match[2]}", tree.get(f"docs/reference/{match[1].lower()}.md", "")
            told = re.search(rf"^## {name}\n.*?Library: ([^\n]*)", page, re.M | re.S)
            calls = re.findall(r"`(\w+)` in", told[1]) if told else []
            if name not in words and not called.intersection(calls):
                bad.append(f"{path}:{line_of(text, match.start())}: no test names {name}"
                           + "".join(f", nor calls {call}" for call in calls))
    return bad


def structure_fields(body):
    """The names of a structure's own fields."""
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    body = re.sub(r"__attribute__\s*\(\(.*?\)\)\)?", "", body)
    # Of a union without a name, those of each of its structures.
    for union in re.findall(r"union \{((?:[^{}]|\{[^{}]*\})*)\}\s*;", body):
        for fields, name in re.findall(r"struct \{([^{}]*)\}\s*(\w+)\s*;", union):
            yield from (f"{name}.{field}" for field in structure_fields(fields))
    body = re.sub(r"union \{(?:[^{}]|\{[^{}]*\})*\}\s*;", "", body)
    while "{" in body:
        body = re.sub(r"\{[^{}]*\}", "", body)
    for declaration in body.split(";"):
        for name in declaration.split(","):
            match = re.search(r"(\w+)\s*(\[[^\]]*\]\s*)*$", name.strip())
            if match:
                yield match[1]


def structures(tree):
    """The size of every structure on the disk is asserted in disk/layout.c, and where each
    field lies."""
    bad = []
    asserted = tree.get("disk/layout.c", "")
    for path, text in tree.items():
        if not re.match(r"disk/\w+\.h$", path):
            continue
        for match in re.finditer(r"^struct (\w+) \{\n(.*?)^\};?", text, re.S | re.M):
            where, name = f"{path}:{line_of(text, match.start())}", match[1]
            if f"\nSIZE({name}, " not in asserted:
                bad.append(f"{where}: the size of {name} is not asserted")
            for field in structure_fields(match[2]):
                if f"\nAT({name}, {field}, " not in asserted:
                    bad.append(f"{where}: the offset of {name}.{field} is not asserted")
    return bad


RULES = [
    layers,
    private_headers,
    store_parts,
    own_header_first,
    include_cycles,
    lengths,
    licence_lines,
    forbidden_words,
    white_space,
    readme_folders,
    links,
    architecture,
    names,
    seeded_faults,
    operations_tested,
    structures,
]

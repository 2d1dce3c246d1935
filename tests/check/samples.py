# SPDX-License-Identifier: MIT
"""samples.py - a bad tree for every rule: a rule that finds nothing is broken."""

import rules

FAULT = "what: x\nfile: store/a.c\ntest: a\n----\nint x;\n----\n"
HEAD = "/* SPDX-License-Identifier: MIT */\n/* x.c - a sample. */\n"
WALK = {"docs/architecture.md": "1. `store/a.c`: `a` - `store/a.S`: `a`.\n\nFiles walked: 1.\n"}
LONG = "static void sample_long(void)\n{\n" + "\tx();\n" * 70 + "}\n"

# rule, tree, part of the complaint that is expected
BAD = [
    ("layers", {"store/a.c": '#include "kernel/a.h"\n', "kernel/a.h": ""}, "lies above"),
    ("layers", {"store/a.c": '#include "b.h"\n', "store/b.h": ""}, "no file"),
    ("layers", {"disk/a.h": "#include <stdio.h>\n"}, "<stdio.h>"),
    ("layers", {"base/a.c": "#include <stdio.h>\n"}, "<stdio.h>"),
    ("layers", {"base/a.h": '#include "disk/b.h"\n', "disk/b.h": ""}, "above it"),
    ("layers", {"tools/verify/a.c": '#include "store/b.h"\n', "store/b.h": ""}, "the verifier"),
    ("layers", {"user/a.c": '#include "kernel/b.h"\n', "kernel/b.h": ""}, "kernel's own"),
    (
        "private_headers",
        {"objects/a.c": '#include "store/a_priv.h"\n', "store/a_priv.h": ""},
        "private",
    ),
    (
        "private_headers",
        {"tools/a.c": '#include "store/map/map.h"\n', "store/map/map.h": ""},
        "private to the store",
    ),
    (
        "store_parts",
        {
            "store/store_priv.h": "struct store {\n\tstruct map map;\n};\n",
            "store/map/map.h": "struct map {\n};\n",
            "store/space/a.c": "\tx = store->map.y;\n",
        },
        "belongs to store/map/",
    ),
    (
        "own_header_first",
        {"store/a.c": '#include <stdint.h>\n#include "store/a.h"\n', "store/a.h": ""},
        "first include",
    ),
    (
        "include_cycles",
        {"store/a.h": '#include "store/b.h"\n', "store/b.h": '#include "store/a.h"\n'},
        "includes itself",
    ),
    ("lengths", {"store/a.c": "\n" * 601}, "601 lines, at most 600"),
    ("lengths", {"tests/a.c": "\n" * 701}, "701 lines, at most 700"),
    ("lengths", {"store/a.c": LONG}, "sample_long has 72 lines"),
    ("lengths", {"tests/a.py": "def f():\n" + "    x()\n" * 70}, "f has 71 lines"),
    ("licence_lines", {"store/a.c": "int x;\n"}, "SPDX"),
    ("licence_lines", {"store/a.c": HEAD.split("\n")[0] + "\nint x;\n"}, "what the file is for"),
    ("forbidden_words", {"docs/a.md": "see /wo" "rk/x\n"}, "one machine"),
    ("forbidden_words", {"store/a.c": "/* TO" "DO: all */\n"}, "unfinished"),
    ("forbidden_words", {"store/a.c": "#if " "0\n"}, "switched off"),
    ("white_space", {"store/a.c": "int x; \n"}, "end of the line"),
    ("white_space", {"store/a.c": "int x;"}, "newline"),
    ("white_space", {"store/a.c": "int x;\n" + "=" * 7 + "\n"}, "left over from a merge"),
    ("readme_folders", {"README.md": "| `a/` | first |\n", "b/c.c": ""}, "b/ is not listed"),
    ("readme_folders", {"README.md": "| `a/` | first |\n"}, "which holds nothing"),
    ("links", {"docs/a.md": "[b](b.md)\n"}, "no such page"),
    ("links", {"docs/a.md": "`store/x.c`\n", "store/y.c": ""}, "no such file"),
    ("architecture", WALK | {"store/a.c": "void b(void)\n{\n\ta();\n}\n"}, "no a in store/a.c"),
    ("architecture", WALK | {"store/a.S": "\tcall a\n"}, "no a in store/a.S"),
    ("architecture", WALK | {"store/a.S": "a:\n", "store/a.c": "int a(void)\n"}, "walked are 2"),
    ("architecture", {"docs/architecture.md": "1. `a` of `store/a.c`\n"}, "without file"),
    ("names", {"docs/glossary.md": "`store/a.c`: `b`\n", "store/a.c": "int c;\n"}, "no b in store/a.c"),
    ("names", {"user/a.c": "int b(int c)\n{\n}\n", "store/a.c": "void b(void)\n{\n}\n"}, "in store/a.c, too"),
    ("names", {"user/a.h": "struct b {\n};\n", "store/a.h": "struct b {\n};\n"}, "in store/a.h, too"),
    ("seeded_faults", {"t/a.mutant": FAULT, "store/a.c": "int y;\n"}, "occurs 0 times"),
    ("seeded_faults", {"t/a.mutant": FAULT, "store/a.c": "int x;\nint x;\n"}, "occurs 2 times"),
    ("seeded_faults", {"t/a.mutant": FAULT, "store/a.c": "int x;\n"}, "there is no"),
    (
        "operations_tested",
        {
            "kernel/operations.def": "BANK_OPERATION(OF, 1,\nBANK_OPERATION(NEXT, 2,\n",
            "tests/unit/a.c": "BANK_OF",
            "docs/reference/bank.md": "## BANK_NEXT\n\nLibrary: `bank_child` in `user/lib/table.h`.\n",
        },
        "no test names BANK_NEXT, nor calls bank_child",
    ),
    ("structures", {"disk/a.h": "struct a {\n\tint b;\n};\n"}, "size of a"),
    ("structures", {"disk/a.h": "struct a {\n\tint b, c[2];\n};\n"}, "a.c is not"),
    (
        "structures",
        {"disk/a.h": "struct a {\n\tunion {\n\t\tstruct {\n\t\t\tint b;\n\t\t} c;\n\t};\n};\n"},
        "a.c.b is not",
    ),
]


def broken_rules():
    """Rules that do not complain about their sample, or none of whose samples exist."""
    bad = []
    for name, tree, part in BAD:
        complaints = getattr(rules, name)(tree)
        if not any(part in complaint for complaint in complaints):
            bad.append(f"tests/check/samples.py:1: rule {name} misses a sample ({part})")
    tried = {name for name, _, _ in BAD}
    bad += [
        f"tests/check/samples.py:1: rule {rule.__name__} has no sample"
        for rule in rules.RULES
        if rule.__name__ not in tried
    ]
    return bad

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""reference.py - the pages of docs/reference/, made of the lists that the kernel is made of.

    reference.py            writes them (`make reference`)
    reference.py --check    says which differ, and ends with 1 if one does

What there is comes from list.c, as the compiler reads kernel/operations.def, base/status.h and
disk/object.h; structures are copied out of the headers, and the function of the library
is the one that calls the operation.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = ROOT / "docs" / "reference"
HEADERS = ("kernel/abi.h", "disk/object.h", "disk/format.h", "store/keeping.h", "store/counts.h")
MADE = "<!-- Made by `make reference` of kernel/operations.def: change that. -->\n"
BETWEEN, END = "\x1f", "\x1e"


def listed():
    """The lines of list.c, by their kind; lists are split into pairs."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "list")
        flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I."]
        subprocess.run(["gcc", *flags, "tools/reference/list.c", "-o", program], cwd=ROOT, check=True)
        output = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in output.rstrip("\n").split("\n"):
        kind, *fields = line.split("\t")
        found.setdefault(kind, []).append([
            [part.split(BETWEEN) for part in field.split(END)[:-1]] if END in field else field
            for field in fields])
    return found


class Operation:
    def __init__(self, fields):
        (self.type, name, number, right, self.flags, self.does, takes, gives, fails) = fields
        self.name = f"{self.type}_{name}"
        self.label = None  # with the number of the type
        self.number, self.right = int(number), int(right)
        self.takes, self.gives, self.fails = takes or [], gives or [], fails or []

    def page(self):
        return f"{self.type.lower()}.md"


class Source:
    """Texts of the tree in which something is looked up."""

    def __init__(self):
        self.headers = {name: (ROOT / name).read_text() for name in HEADERS}
        self.library = {path.relative_to(ROOT).as_posix(): path.read_text()
                        for path in sorted((ROOT / "user/lib").glob("*.[ch]"))}

    def definition(self, what):
        """Of `struct x` or `enum x`: the header that has it, and its text with the comment above."""
        for path, text in self.headers.items():
            match = re.search(rf"^(/\*(?:(?!\*/).)*\*/\n)?{what} \{{.*?^\}}[^\n]*;", text, re.M | re.S)
            if match:
                return path, match[0]
        raise LookupError(f"{what}: in none of {', '.join(HEADERS)}")

    def functions(self, name):
        """The functions of the library that ask for an operation: header and name, as declared.
        Those in message.c are for any, and may treat one otherwise."""
        found = [function for path, text in self.library.items() if path.endswith(".c")
                 if name.startswith("ENTRY_") or not path.endswith("/message.c")
                 for function in callers(text, name)]
        return [self.declared(function) for function in dict.fromkeys(found)]

    def declared(self, function):
        for path, text in self.library.items():
            if path.endswith(".h") and re.search(rf"\b{function}\(", text):
                return path, function
        raise LookupError(f"{function}: asks for an operation, and no header of user/lib/ has it")


def callers(text, name):
    """The functions that others can call and in which that name stands."""
    found = []
    for match in re.finditer(r"^(\w[^\n;={}]*\b(\w+)\([^;{}]*\))\n\{\n(.*?)^\}", text, re.M | re.S):
        if not re.search(rf"\b{name}\b", match[3]):
            continue
        if match[1].startswith("static"):
            found += [other for other in callers(text, match[2]) if other not in found]
        else:
            found.append(match[2])
    return found


class Reference:
    def __init__(self):
        found = listed()
        self.source = Source()
        self.entries, self.events, self.every = found["entry"], found["event"], found["every"]
        self.objects = {name: (int(number), text) for name, number, text in found["object"]}
        self.means, self.statuses, self.rights = found["means"], found["status"], found["right"]
        self.sizes = dict(found["size"])
        self.operations = [Operation(fields) for fields in found["operation"]]
        for operation in self.operations:
            operation.label = self.objects[operation.type][0] << 8 | operation.number
        self.places = {operation.name: operation.page() for operation in self.operations}
        self.places |= {f"EVENT_{fields[0]}": "events.md" for fields in self.events}

    def linked(self, text, page):
        """Names of operations and events lead to where they are described."""

        def link(match):
            target = self.places.get(match[0])
            if not target:
                return match[0]
            return f"[{match[0]}]({'' if target == page else target}#{match[0].lower()})"

        return re.sub(r"\b[A-Z]+_[A-Z_]+\b", link, text.replace("|", "\\|"))

    def right_names(self, mask):
        return ", ".join(f"`{name}`" for name, bit, _ in self.rights if mask & int(bit)) or "any"

    def rows(self, page, takes, gives, fails):
        rows = [("takes", f"{where}", what) for where, what in takes]
        rows += [("answers", f"{where}", what) for where, what in gives]
        rows += [("fails", f"`{status}`", when) for status, when in fails]
        if not rows:
            return ["Takes nothing, and answers nothing but its status.", ""]
        lines = ["| | | |", "|---|---|---|"]
        before = None
        for what, where, text in rows:
            lines.append(f"| {'' if what == before else what} | {where} | {self.linked(text, page)} |")
            before = what
        return lines + [""]

    def structures(self, texts, shown):
        """Definitions of what the texts name, each once a page."""
        lines = []
        for what in re.findall(r"\b(?:struct|enum) [a-z_]+", " ".join(texts)):
            if what in shown:
                continue
            shown.add(what)
            path, text = self.source.definition(what)
            size = f", {self.sizes[what[7:]]} bytes" if what.startswith("struct") else ""
            lines += [f"`{what}` in `{path}`{size}:", "", "```c", text.expandtabs(8), "```", ""]
        return lines

    def operation_lines(self, operation, shown):
        page = operation.page()
        functions = ", ".join(f"`{name}` in `{path}`"
                              for path, name in self.source.functions(operation.name))
        lines = [f"## {operation.name}", "", self.linked(operation.does, page), "",
                 f"Label `{operation.label:#x}`. Right: {self.right_names(operation.right)}. "
                 f"Library: {functions or 'none, `message_request` in `user/lib/message.h`'}."]
        if "PATIENT" in operation.flags:
            lines.append("It waits for pages that cannot be read for now, and may do without them.")
        lines += ["", *self.rows(page, operation.takes, operation.gives, operation.fails)]
        return lines + self.structures([text for _, text in operation.takes + operation.gives], shown)

    def type_page(self, name):
        number, text = self.objects[name]
        page = f"{name.lower()}.md"
        operations = [operation for operation in self.operations if operation.type == name]
        lines = [f"# {name.capitalize()}", "", MADE, self.linked(text, page), "",
                 f"Type {number}, `OBJECT_{name}`.", "", "| right | what it means |", "|---|---|"]
        lines += [f"| `{right}` | {self.linked(what, page)} |"
                  for type_, right, what in self.means if type_ == name]
        if operations:
            lines += ["", "Beside the errors given here each operation can answer those of "
                      "[every operation](README.md#every-operation).", ""]
        shown = set()
        for operation in operations:
            lines += self.operation_lines(operation, shown)
        return lines

    def entries_page(self):
        page = "entries.md"
        text = self.source.headers["kernel/abi.h"]
        block = re.search(r"^ \*   register .*?^ \*\n", text, re.M | re.S)[0]
        lines = ["# Entries", "", MADE, "What a program can do with SYSCALL. All else is a message to what "
                 "a capability names.", "", "```"]
        lines += [line[3:].expandtabs(8) for line in block.splitlines()[:-1]]
        lines += ["```", "",
                  "`length` bytes of data (at most `MESSAGE_DATA`, 1024) travel from the start of the sender's "
                  "message page to the start of the receiver's. Bit i of `got` is set when a capability has "
                  "arrived in receive slot i. `event` is 1 when the kernel itself has sent what was "
                  "received: [events](events.md). The status says whether the message arrived and an "
                  "answer came; what was answered is the label.", ""]
        for name, number, does, takes, gives, fails in self.entries:
            functions = ", ".join(f"`{function}` in `{path}`"
                                  for path, function in self.source.functions(f"ENTRY_{name}"))
            lines += [f"## ENTRY_{name}", "", self.linked(does, page), "",
                      f"Number {number} in rax." + (f" Library: {functions}." if functions else ""), "",
                      *self.rows(page, takes or [], gives or [], fails or [])]
        lines += ["## What a program starts with", ""]
        return lines + self.structures(["enum abi_slot struct abi_start struct abi_message_page "
                                        "struct abi_state_table struct abi_state struct abi_transition"], set())

    def events_page(self):
        lines = ["# Events", "", MADE, "Messages that the kernel itself sends. Programs choose their own labels, "
                 "so a label says nothing: `RECEIVED_EVENT`, bit 40 of rax after a receive, does "
                 "(`message.event` in the library).", ""]
        shown = set()
        for name, number, does, takes, gives in self.events:
            lines += [f"## EVENT_{name}", "", self.linked(does, "events.md"), "", f"Label `{int(number):#x}`. {gives}"
                      .rstrip(), ""]
            lines += ["| | |", "|---|---|", *(f"| {where} | {what} |" for where, what in takes), ""]
            lines += self.structures([what for _, what in takes], shown)
        return lines

    def statuses_page(self):
        lines = ["# Statuses", "", MADE, "`enum status` in `base/status.h`: what an entry returns in rax, and "
                 "what kernel objects answer as the label.", "", "| number | `STATUS_` | text | who says so |",
                 "|---|---|---|---|"]
        every = {name for name, _ in self.every}
        for name, number, text in self.statuses:
            who = ["every operation"] if name in every else []
            who += [f"[ENTRY_{fields[0]}](entries.md#entry_{fields[0].lower()})" for fields in self.entries
                    if name in dict(fields[5] or [])]
            who += [f"[{operation.name}]({operation.page()}#{operation.name.lower()})"
                    for operation in self.operations if name in dict(operation.fails)]
            lines.append(f"| {number} | `{name}` | {text} | {', '.join(who)} |")
        return lines

    def index(self):
        lines = ["# Reference", "", MADE, "Every entry, object, operation, right, status and event, made of the "
                 "lists that the kernel itself is made of: `kernel/operations.def`, `base/status.h`, "
                 "`disk/object.h`. [Programming](../programming.md) says how to use them.", "",
                 "[Entries](entries.md), [events](events.md), [statuses](statuses.md).", "",
                 "## Objects and rights", "", "| type | what it is | rights |", "|---|---|---|"]
        for name, (_, text) in self.objects.items():
            rights = ", ".join(f"`{right}`" for type_, right, _ in self.means if type_ == name)
            lines.append(f"| [{name.lower()}]({name.lower()}.md) | {self.linked(text, '')} | {rights} |")
        lines += ["", "| right | bit | what it lets one do |", "|---|---|---|"]
        lines += [f"| `RIGHT_{name}` | {bit} | {text} |" for name, bit, text in self.rights]
        lines += ["", "## Every operation", "", "Beside its own errors each operation can answer these. "
                  "The answer is the label; what is wrong with the call itself is the status in rax instead: "
                  "`DEAD` of what is invoked, and what [ENTRY_CALL](entries.md#entry_call) says.", "",
                  "| | |", "|---|---|"]
        lines += [f"| `{name}` | {when} |" for name, when in self.every]
        lines += ["", "## Operations", "", "| operation | label | right | what it does |", "|---|---|---|---|"]
        lines += [f"| [{operation.name}]({operation.page()}#{operation.name.lower()}) | `{operation.label:#x}` "
                  f"| {self.right_names(operation.right)} | {self.linked(operation.does, '')} |"
                  for operation in self.operations]
        return lines

    def pages(self):
        pages = {"README.md": self.index(), "entries.md": self.entries_page(),
                 "events.md": self.events_page(), "statuses.md": self.statuses_page()}
        pages |= {f"{name.lower()}.md": self.type_page(name) for name in self.objects}
        return {name: "\n".join(lines).rstrip("\n") + "\n" for name, lines in pages.items()}


def main():
    pages = Reference().pages()
    there = {path.name: path.read_text() for path in PAGES.glob("*")}
    differ = sorted(name for name in pages | there if pages.get(name) != there.get(name))
    if "--check" in sys.argv[1:]:
        for name in differ:
            print(f"docs/reference/{name}:1: is not what kernel/operations.def says; "
                  "`make reference` writes it anew")
        return 1 if differ else 0
    PAGES.mkdir(exist_ok=True)
    for name in differ:
        if name in pages:
            (PAGES / name).write_text(pages[name])
        else:
            (PAGES / name).unlink()
        print(f"  {'wrote' if name in pages else 'removed'} docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

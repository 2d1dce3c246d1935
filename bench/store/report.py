# SPDX-License-Identifier: MIT
"""report.py - tables and figures from the lines that the parts have left.

Figures of time are medians.  Ratios are medians over the rounds of the store's
time by the other's in the same round.  Where a contestant comes in variants, the
one with the better median is compared.
"""

import json
import os
import statistics

import plot

NAMES = {
    "store": "Perdure", "raw": "raw", "raw-8k": "raw, 8 KiB", "lmdb": "LMDB",
    "lmdb-writemap": "LMDB, writemap", "lmdb-4080": "LMDB 4,080", "sqlite": "SQLite, 4 KiB",
    "lmdb-4080-writemap": "LMDB 4,080, writemap", "sqlite-8192": "SQLite, 8 KiB",
}
RIVALS = (("raw-8k", ("raw-8k",)), ("raw", ("raw",)), ("LMDB", ("lmdb", "lmdb-writemap")),
          ("LMDB 4,080", ("lmdb-4080", "lmdb-4080-writemap")),
          ("SQLite", ("sqlite", "sqlite-8192")))
MIB = 1 << 20


def size_text(size):
    return f"{size >> 30} GiB" if size >= 1 << 30 else f"{size >> 20} MiB"


def median(line):
    return statistics.median(line["ns"])


def p99(values):
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]


def table(header, rows):
    out = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    out += ["| " + " | ".join(row) + " |" for row in rows]
    return out + [""]


def ratios(lines):
    """The store's time by each rival's best variant's: (rival, variant, ratio)."""
    by_engine = {line["engine"]: line for line in lines}
    if "store" not in by_engine:
        return []
    found = []
    for rival, variants in RIVALS:
        there = [by_engine[name] for name in variants if name in by_engine]
        if there:
            best = min(there, key=median)
            pairs = zip(by_engine["store"]["ns"], best["ns"])
            found.append((rival, best["engine"], statistics.median(s / o for s, o in pairs)))
    return found


def ratio_text(lines):
    return "; ".join(f"{ratio:.3f} of {NAMES[variant]}" for _, variant, ratio in ratios(lines))


class Report:
    def __init__(self, folder):
        self.folder = folder
        self.out = []

    def lines(self, letter):
        path = os.path.join(self.folder, f"{letter}.jsonl")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def figure(self, name, svg):
        with open(os.path.join(self.folder, f"{name}.svg"), "w", encoding="utf-8") as file:
            file.write(svg)

    def head(self, letter, title, lines):
        about = next(line for line in lines if line["part"] == "machine")
        self.out += [f"## ({letter}) {title}", "",
                     f"{'Quick run' if about['quick'] else 'Full run'}, Linux {about['kernel']}, "
                     f"{about['file_system']}, {about['processors']} x {about['processor']}, "
                     f"load {about['load']:.1f} at the start.", ""]

    def part_a(self, lines):
        self.head("a", "Durable commits of random pages", lines)
        lines = [line for line in lines if line["part"] == "commit"]
        self.commits("a", "Durable commit of random 4 KiB pages",
                     [line for line in lines if "kind" not in line])
        in_memory = [line for line in lines if line.get("kind") == "memory"]
        if in_memory:
            self.out += ["The same on a file system in memory, where a flush waits for nothing.", ""]
            self.commits("a-memory", "Commit of random 4 KiB pages to a file in memory", in_memory)

    def commits(self, name, title, lines):
        sizes = sorted({line["pages"] for line in lines})
        rows, series = [], {}
        for engine in dict.fromkeys(line["engine"] for line in lines):
            there = {x["pages"]: x for x in lines if x["engine"] == engine}
            series[NAMES[engine]] = [median(there[size]) / 1e3 if size in there else None
                                     for size in sizes]
            rows.append([NAMES[engine]]
                        + [f"{median(there[size]) / 1e3:.1f} / {p99(there[size]['ns']) / 1e3:.0f}"
                           if size in there else "" for size in sizes])
        self.out += ["Median / 99th percentile, in microseconds.", ""]
        self.out += table(["pages"] + [str(size) for size in sizes], rows)
        for size in sizes:
            self.out.append(f"* {size} pages: Perdure takes "
                            + ratio_text([x for x in lines if x["pages"] == size]))
        self.out.append("")
        self.figure(name, plot.bars(title, "microseconds, median", "pages in the commit",
                                    [str(s) for s in sizes], series, True))

    def part_b(self, lines):
        self.head("b", "Random updates, 1,000 pages a commit", lines)
        lines = [line for line in lines if line["part"] == "commit"]
        rate = {x["engine"]: x["pages"] / median(x) * 1e9 for x in lines}
        rows = [[NAMES[x["engine"]], f"{rate[x['engine']]:,.0f}", f"{median(x) / 1e6:.1f}",
                 f"{p99(x['ns']) / 1e6:.1f}"] for x in lines]
        self.out += table(["", "pages/s", "ms a commit", "99th percentile"], rows)
        self.out += ["* Rates: " + "; ".join(f"{1 / ratio:.2f} times {NAMES[variant]}"
                                            for _, variant, ratio in ratios(lines)), ""]
        self.figure("b", plot.bars("Random updates, 1,000 pages a commit", "pages per second", "",
                                   ["updates"], {NAMES[e]: [r] for e, r in rate.items()}))

    def part_c(self, lines):
        self.head("c", "Loading", lines)
        lines = [line for line in lines if line["part"] == "load"]
        kinds = list(dict.fromkeys(line["kind"] for line in lines))
        rows, series = [], {}
        for engine in dict.fromkeys(line["engine"] for line in lines):
            there = {x["kind"]: x for x in lines if x["engine"] == engine}
            speed = [there[k]["bytes"] / median(there[k]) * 1e9 / MIB for k in kinds]
            series[NAMES[engine]] = speed
            rows.append([NAMES[engine]] + [f"{s:.0f}" for s in speed]
                        + [f"{there[k]['space_bytes'] / there[k]['bytes']:.3f}" for k in kinds])
        self.out += table([""] + [f"{k}, MiB/s" for k in kinds]
                          + [f"{k}, space per byte" for k in kinds], rows)
        self.figure("c", plot.bars(f"Loading {size_text(lines[0]['bytes'])}", "MiB per second",
                                   "content", kinds, series))

    def part_d(self, lines):
        self.head("d", "Reading more than the cache holds", lines)
        lines = [line for line in lines if line["part"] == "read"]
        ways = list(dict.fromkeys((x["cold"], x["sorted"]) for x in lines))
        labels = [f"{'in order' if s else 'random'}, {'cold' if c else 'warm'}" for c, s in ways]
        rows, series = [], {}
        for engine in dict.fromkeys(line["engine"] for line in lines):
            rates = []
            for cold, in_order in ways:
                line = next(x for x in lines if (x["engine"], x["cold"], x["sorted"])
                            == (engine, cold, in_order))
                rates.append(line["reads"] / median(line) * 1e9)
            series[NAMES[engine]] = rates
            rows.append([NAMES[engine]] + [f"{rate:,.0f}" for rate in rates])
        self.out += [f"Pages per second; {size_text(lines[0]['working_set'])} of pages, own caches "
                     f"of {size_text(lines[0]['cache_bytes'])}. Cold: the host's cache was "
                     "emptied.", ""] + table([""] + labels, rows)
        self.figure("d", plot.bars("Reading more than the cache holds", "pages per second", "",
                                   labels, series, True))

    def part_e(self, lines):
        self.head("e", "Opening, to the first page read", lines)
        lines = [line for line in lines if line["part"] == "open"]
        sizes = sorted({line["bytes"] for line in lines})
        series = {}
        for cold in (0, 1):
            there = {x["bytes"]: x for x in lines if x["cold"] == cold}
            series["host's cache empty" if cold else "in the host's cache"] = [
                median(there[size]) / 1e6 for size in sizes]
        rows = [[name] + [f"{value:.2f}" for value in row] for name, row in series.items()]
        self.out += ["Milliseconds.", ""]
        self.out += table(["space"] + [size_text(size) for size in sizes], rows)
        self.out += [f"* Largest by smallest, {name}: {max(row) / min(row):.2f}"
                     for name, row in series.items()] + [""]
        self.figure("e", plot.lines("Opening a store", "milliseconds, median", "space",
                                    [size_text(size) for size in sizes], series))

    def part_f(self, lines):
        self.head("f", "Snapshots", lines)
        taken = [line for line in lines if line["part"] == "snapshot"]
        rows = [[size_text(x["bytes"]), f"{median(x) / 1e3:.0f}", f"{x['written_bytes']:,}",
                 f"{x['delete_ns'] / 1e3:.0f}", str(x["delete_reads"]),
                 f"{x['delete_written_bytes']:,}"] for x in taken]
        self.out += table(["space", "create, us", "bytes written", "delete one of two equal, us",
                           "reads", "bytes written"], rows)
        self.figure("f", plot.lines("Snapshots against the size of the space", "microseconds",
                                    "space", [size_text(x["bytes"]) for x in taken],
                                    {"create": [median(x) / 1e3 for x in taken],
                                     "delete": [x["delete_ns"] / 1e3 for x in taken]}))
        different = [line for line in lines if line["part"] == "difference"]
        rows = [[f"{x['changed']:,}", f"{x['delete_ns'] / 1e6:.2f}", f"{x['delete_reads']:,}",
                 f"{x['delete_written_bytes']:,}", str(x["delete_commits"])] for x in different]
        self.out += table([f"pages that differ, of {size_text(different[0]['bytes'])}",
                           "delete, ms", "reads", "bytes written", "commits"], rows)
        self.figure("f2", plot.lines("Deleting a snapshot against what differs", "milliseconds",
                                     "pages that differ",
                                     [f"{x['changed']:,}" for x in different],
                                     {"delete": [x["delete_ns"] / 1e6 for x in different]}, True))

    def part_g(self, lines):
        self.head("g", "Bytes written for each byte changed", lines)
        lines = [line for line in lines if line["part"] == "written"]
        ways = list(dict.fromkeys((x["working_set"], x["pages"]) for x in lines))
        labels = [f"{size_text(s)}, {p:,}" for s, p in ways]
        rows, series = [], {}
        for engine in dict.fromkeys(line["engine"] for line in lines):
            found = {(x["working_set"], x["pages"]): x["host_bytes"] / x["changed_bytes"]
                     for x in lines if x["engine"] == engine}
            series[NAMES[engine]] = [found.get(way) for way in ways]
            rows.append([NAMES[engine]] + [f"{found[w]:.2f}" if w in found else "" for w in ways])
        self.out += ["Working set, and pages in a commit.", ""] + table([""] + labels, rows)
        kinds = ("page", "node", "map", "catalogue")
        rows = []
        for line in lines:
            if line["engine"] == "store":
                bytes_of = [line[f"{kind}_bytes"] for kind in kinds]
                bytes_of.append(line["device_bytes"] - sum(bytes_of))
                rows.append([f"{size_text(line['working_set'])}, {line['pages']:,}"]
                            + [f"{b / line['commits'] / 4096:.2f}" for b in bytes_of])
        self.out += ["Where Perdure's go, in blocks of 4 KiB a commit.", ""]
        self.out += table(["", "pages", "map nodes", "free map", "catalogue",
                           "records and gaps"], rows)
        self.figure("g", plot.bars("Bytes written for each byte changed", "ratio",
                                   "working set, pages in a commit", labels, series, True))


def make(folder, letters):
    report = Report(folder)
    for letter in letters:
        lines = report.lines(letter)
        if lines:
            getattr(report, f"part_{letter}")(lines)
    text = "\n".join(report.out)
    path = os.path.join(folder, "results.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    print(text)
    print(f"bench-store: {path}, and figures beside it")

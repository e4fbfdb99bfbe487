#!/usr/bin/env python3
"""Fills the tables of docs/scaling.md in from what growth.py measured: scaling.py TABLE.tsv PAGE.md

What is extrapolated is computed here and nowhere else, from the largest size in the table, so that the page can't lag behind its figures.
"""
import pathlib
import sys

import growth

N = 100_000_000
PAGE = 1000
LATENCY = 0.05  # seconds a page
SOURCES, EACH, PERIOD = 1000, 100_000, 900  # daemons, customers of each, seconds between two passes


def span(seconds):
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def size(count):
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count:.0f} bytes"


MEASURED = [
    ("c1", "CPU time of a first pass, µs a customer", "cpu_us", "first"),
    ("c2", "of an unchanged pass", "cpu_us", "unchanged"),
    ("c3", "of a pass with 1 % changed", "cpu_us", "1 % changed"),
    ("f", "the mirror's file, bytes a customer", "file_bytes", "a day later"),
    ("w1", "written to the disk by a first pass, bytes a customer", "written_bytes", "first"),
    ("w2", "by an unchanged pass", "written_bytes", "unchanged"),
    ("w3", "by a pass with 1 % changed", "written_bytes", "1 % changed"),
    ("e1", "end of a first pass, s", "end_s", "first"),
    ("e2", "of an unchanged pass", "end_s", "unchanged"),
    ("e3", "of a pass that prunes the whole feed", "end_s", "feed pruned"),
    ("l1", "largest -wal file of a first pass, MB", "wal_mb", "first"),
    ("m1", "peak memory of a first pass, MB", "memory_mb", "first"),
    ("m2", "of an unchanged pass", "memory_mb", "unchanged"),
    ("g", "`get`, a whole process, CPU ms", "question_cpu_ms", "get"),
    ("s", "`status`", "question_cpu_ms", "status"),
    ("q", "`search`", "question_cpu_ms", "search"),
]


def measured(figures, sizes):
    head = ["", "", *(f"{one:,}" for one in sizes)]
    rows = [[letter, what, *(f"{figures[one, group, series]:.3g}" if figures[one, group, series] < 1000
                             else f"{figures[one, group, series]:,.0f}" for one in sizes)] for letter, what, group, series in MEASURED]
    return [head, *rows]


def one_mirror(v, largest):
    times = N / largest
    return [
        ["what", "is", "comes to"],
        ["requests of a pass", "N / 1000", f"{N // PAGE:,}"],
        ["their time, at 50 ms a page", "N / 1000 · 50 ms", span(N / PAGE * LATENCY)],
        ["CPU time of an unchanged pass, beside that", "N · c2", span(N * v["c2"] / 1e6)],
        ["CPU time of a first pass", "N · c1", span(N * v["c1"] / 1e6)],
        ["the file", "N · f", size(N * v["f"])],
        ["written by a first pass", "N · w1", size(N * v["w1"])],
        ["written by an unchanged pass", "N · w2", size(N * v["w2"])],
        ["written where 1 % has changed", "N · w3", size(N * v["w3"])],
        ["end of an unchanged pass (who is absent?)", f"e2 · {times:,.0f}", span(v["e2"] * times)],
        ["end of the first pass (indexes)", f"e1 · {times:,.0f}", span(v["e1"] * times)],
        ["its -wal file then", f"l1 · {times:,.0f}", size(v["l1"] * 1e6 * times)],
        ["the pass in which the first pass's changes get too old", f"e3 · {times:,.0f}", span(v["e3"] * times)],
        ["memory of a pass", "m1, m2, and bits of 64 million customers at a time", f"{v['m1']:.0f} and {v['m2'] + 8:.0f} MB"],
    ]


def many_sources(v, _):
    total = SOURCES * EACH
    return [
        ["what", "is", "comes to"],
        ["requests", "1000 · 100 pages a period", f"{total / PAGE / PERIOD:.0f} a second"],
        ["syncs of the disk (each page is one)", "as many", f"{total / PAGE / PERIOD:.0f} a second"],
        ["CPU time, nothing changed", "1000 · 100,000 · c2 a period", f"{total * v['c2'] / 1e6 / PERIOD:.2f} cores"],
        ["CPU time, 1 % changed in each period", "with c3", f"{total * v['c3'] / 1e6 / PERIOD:.2f} cores"],
        ["written, nothing changed", "1000 · 100,000 · w2 a period", f"{size(total * v['w2'] / PERIOD)} a second"],
        ["files", "1000 · 100,000 · f", size(total * v["f"])],
        ["memory, all idle", "1000 · 5.3 MB", size(SOURCES * 5.3e6)],
        ["memory, all in a later pass at once", "1000 · m2", size(SOURCES * v["m2"] * 1e6)],
        ["memory, all in their first pass at once", "1000 · m1", size(SOURCES * v["m1"] * 1e6)],
        ["-wal files, all in a pass at once", "1000 · 32 MiB", size(SOURCES * 32 * 1024 * 1024)],
        ["wake-ups, all idle", "1000 · 0.46 a second", f"{SOURCES * 0.46:.0f} a second"],
        ["threads, open files", "1000 · 3, 1000 · 13", f"{SOURCES * 3:,}, {SOURCES * 13:,}"],
    ]


def markdown(rows):
    head, *rest = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest])


def replaced(page, name, table):
    """The page with this table between the two comments that name it."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, rest = page.split(begin)
    return before + begin + table + "\n" + end + rest.split(end)[1]


def main(table, page):
    figures, page = growth.read(pathlib.Path(table)), pathlib.Path(page)
    sizes = sorted({customers for customers, *_ in figures if customers >= 100_000})
    values = {letter: figures[sizes[-1], group, series] for letter, _, group, series in MEASURED}
    text = replaced(page.read_text(), "measured", markdown(measured(figures, sizes)))
    text = replaced(text, "one mirror", markdown(one_mirror(values, sizes[-1])))
    page.write_text(replaced(text, "many sources", markdown(many_sources(values, sizes[-1]))))


if __name__ == "__main__":
    main(*sys.argv[1:])

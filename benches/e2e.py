#!/usr/bin/env python3
"""Times whole passes of customer-mirror and of its peers in turn, and prints medians. See e2e.sh, which sets the server up.

  e2e.py --root FOLDER --bin PROGRAM --url NAME=URL… [--runs N] [--days day1,day2] [--peers strong,…]

FOLDER has a folder of pages a day, and a link `live` to the one that is served. The first peer is measured as often as the program, in
turn with it; the others, which are slow, once, with the first server.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import sys
from typing import NamedTuple

import measure
import questions

HERE = pathlib.Path(__file__).parent
OURS, FLOOR = "customer-mirror", "floor"
PASSES = ("first", "unchanged", "day 2")

# Name: the script in peers/, and what else it is told.
PEERS = {
    "strong": ("strong.py", {}), "msgspec": ("msgspec_strong.py", {}), "sqlite-utils": ("sqlite_utils_upsert.py", {}),
    "dlt, merge": ("dlt_pipeline.py", {}), "dlt, scd2": ("dlt_pipeline.py", {"STRATEGY": "scd2"}),
}


class Figures(NamedTuple):
    """A pass of a program."""
    run: measure.Run
    file_mb: float  # what it has made, after the pass


class Bench:
    """The server, the programs, and what has been measured."""

    def __init__(self, options):
        self.root, self.program = options.root, options.bin
        self.days = dict(zip(PASSES, [options.days[0], options.days[0], options.days[1]]))
        self.work = options.root / "bench"
        self.figures = {}

    def serve(self, day):
        (self.root / "live.new").unlink(missing_ok=True)
        (self.root / "live.new").symlink_to(day)
        (self.root / "live.new").replace(self.root / "live")

    def json_mb(self, day):
        return sum(page.stat().st_size for page in (self.root / day).glob("*.json")) / 1e6

    def passes(self, server, url, programs):
        """A first, an unchanged and a day-2 pass of each program, in turn."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        for label in PASSES:
            self.serve(self.days[label])
            for name in programs:
                run = measure.run(*self.command(name, url))
                self.figures.setdefault((server, label, name), []).append(Figures(run, self.file_mb(name)))

    def file(self, name):
        return self.work / (name.replace(", ", "-") + ".db")

    def file_mb(self, name):
        # dlt has a second file, where it puts rows before it merges them.
        return sum(file.stat().st_size for file in self.work.glob(self.file(name).stem + "*.db")) / 1e6

    def command(self, name, url):
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONDONTWRITEBYTECODE": "1"}
        if name == OURS:
            return [self.program, "-q", "sync"], environment | {
                "CUSTOMER_MIRROR__API__BASE_URL": url, "CUSTOMER_MIRROR__API__KEY": "bench-key",
                "CUSTOMER_MIRROR__MIRROR__PATH": str(self.file(name))}
        script, more = ("../walk.py", {}) if name == FLOOR else PEERS[name]
        command = [sys.executable, "-W", "ignore", str(HERE / "peers" / script)]
        return command, environment | more | {"URL": url, "KEY": "bench-key", "DB": str(self.file(name))}

    def row(self, server, label, name):
        """A line of the table; ratios are of customer-mirror to a program, medians of the pairs."""
        measured = self.figures[server, label, name]
        run, file_mb = measure.median([figures.run for figures in measured]), measured[-1].file_mb
        cells = [f"{run.wall:.2f}", f"{run.cpu:.2f}", f"{run.memory:.0f}", f"{run.written:.1f}"]
        cells += [f"{run.written / file_mb:.2f}", f"{file_mb / self.json_mb(self.days[label]):.2f}"] if file_mb else ["–", "–"]
        if name == OURS:
            return cells + ["", ""]
        pairs = [(ours.run, theirs.run) for ours, theirs in zip(self.figures[server, label, OURS], measured)]
        return cells + [f"{statistics.median(a.cpu / b.cpu for a, b in pairs):.2f}",
                        f"{statistics.median(a.wall / b.wall for a, b in pairs):.2f}"]

    def table(self):
        print("| server | pass | program | wall s | CPU s | peak MB | MB written | written / file | file / JSON | our CPU / its | our wall / its |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        order = {(server, label): None for server, label, _ in self.figures}
        for server, label in order:
            for name in [name for name in (FLOOR, OURS, *PEERS) if (server, label, name) in self.figures]:
                print("| " + " | ".join([server, label, name, *self.row(server, label, name)]) + " |")


def targets(bench):
    """What the program is held to, beside what it came to."""
    peak = max(figures.run.memory for key, measured in bench.figures.items() if key[2] == OURS for figures in measured)
    found = {label: wall for label, (wall, _) in questions.ask(bench.program, bench.file(OURS)).items()}
    found |= {"peak memory of a pass": peak, "the program's file": os.path.getsize(bench.program) / 1e6}
    print("\n" + "\n".join(f"- {measure.verdict(target, value)}" for target, value in found.items()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--url", action="append", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--days", type=lambda text: text.split(","), default=["day1", "day2"])
    parser.add_argument("--peers", default="strong", help="names between `/`, `all`, or `none`")
    options = parser.parse_args()
    wanted = {"all": list(PEERS), "none": []}.get(options.peers, options.peers.split("/"))
    servers = [pair.split("=", 1) for pair in options.url]
    bench = Bench(options)
    for name in wanted[1:]:
        bench.passes(*servers[0], [name])
    for server, url in servers:
        for _ in range(options.runs):
            bench.passes(server, url, [FLOOR, OURS, *wanted[:1]])
    bench.serve(bench.days["first"])
    bench.table()
    json_mb = bench.json_mb(bench.days["first"])
    print(f"\nMedians of {options.runs} run{'s' * (options.runs > 1)}, the programs in turn; ratios are medians of the pairs. {json_mb:.1f} MB of JSON.")
    targets(bench)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What becomes of time, memory and file as customers become more. See growth.sh.

  growth.py --bin PROGRAM --scratch FOLDER --table FILE SIZE…

For each size the program's own simulator serves so many customers, and `sync` mirrors them: a first pass, an unchanged one, and two a day
later, when 1 % have changed, 0.1 % are gone and 0.2 % are new. The first of these finds the changes, the second believes the absences.
A last one finds the whole change feed too old. Then a few questions are asked. The table has a line a figure; lines of other sizes stay
in it. Exit status 1 if something grows clearly faster than the number of customers.
"""
import argparse
import datetime
import itertools
import json
import math
import pathlib
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

import measure
import questions

# Ten times as many customers may take ten times as much, and a little more by chance, or by one more level of a B-tree.
EXPONENT_MAX = 1.15

# What is less than this at the larger of two sizes is not told from chance.
LEAST = {"wall_s": 1, "end_s": 0.1, "question_ms": 20, "question_cpu_ms": 20, "wal_mb": 100}

# Values of these are of one customer.
EACH = ("cpu_us", "written_bytes", "file_bytes")

# Name, the simulator's day, and settings.
PASSES = (("first", 1, {}), ("unchanged", 1, {}), ("1 % changed", 2, {}), ("0.1 % deleted", 2, {}),
          ("feed pruned", 2, {"CUSTOMER_MIRROR__CHANGES__KEEP": "1s"}))


class Simulator:
    """The API, as a process."""

    def __init__(self, program, customers):
        self.process = subprocess.Popen(
            [program, "simulate-api", "--customers", str(customers), "--key", "bench-key"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().split()[1]

    def day(self, day):
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/_simulator/day?day={day}", method="POST")).read()

    def peak_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class LogSize:
    """The largest that the -wal file is seen to be, in MB."""

    def __init__(self, mirror):
        self.file, self.done, self.peak = mirror.with_name(mirror.name + "-wal"), threading.Event(), 0
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.done.wait(0.02):
            try:
                self.peak = max(self.peak, self.file.stat().st_size / 1e6)
            except FileNotFoundError:
                pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def end_of_pass(log):
    """Seconds from the last page's commit to the end of the pass."""
    at = {}
    with open(log) as lines:
        for line in map(json.loads, lines):
            at[line["fields"]["message"]] = datetime.datetime.fromisoformat(line["timestamp"])
    return (at["pass complete"] - at["page committed"]).total_seconds()


def life(program, scratch, customers):
    """Yields (group, series, value) of one mirror's life."""
    mirror, log = scratch / "customers.db", scratch / "log"
    for file in scratch.glob("customers.db*"):
        file.unlink()
    with Simulator(program, customers) as simulator:
        environment = {
            "CUSTOMER_MIRROR__API__BASE_URL": simulator.url, "CUSTOMER_MIRROR__API__KEY": "bench-key",
            "CUSTOMER_MIRROR__MIRROR__PATH": str(mirror), "CUSTOMER_MIRROR__LOG__LEVEL": "debug", "CUSTOMER_MIRROR__LOG__FORMAT": "json"}
        for label, day, settings in PASSES:
            simulator.day(day)
            # What is to be found older than a second has to be.
            time.sleep(2 if settings else 0)
            with open(log, "w") as file, LogSize(mirror) as log_size:
                run = measure.run([program, "sync"], environment | settings, file)
            yield "cpu_us", label, run.cpu * 1e6 / customers
            yield "wall_s", label, run.wall
            yield "memory_mb", label, run.memory
            yield "written_bytes", label, run.written * 1e6 / customers
            yield "end_s", label, end_of_pass(log)
            yield "wal_mb", label, log_size.peak
            if label == "first":
                yield "file_bytes", "after a first pass", mirror.stat().st_size / customers
        yield "memory_mb", "simulator", simulator.peak_mb()
    yield "file_bytes", "a day later", mirror.stat().st_size / customers
    for label, (wall, cpu) in questions.ask(program, mirror).items():
        yield "question_ms", label, wall
        yield "question_cpu_ms", label, cpu


def figures_of(program, scratch, customers):
    """The medians of three lives, of one where it is long."""
    lives = [list(life(program, scratch, customers)) for _ in range(3 if customers <= 100_000 else 1)]
    for figures in zip(*lives):
        (group, series, _), values = figures[0], [value for *_, value in figures]
        yield (customers, group, series), statistics.median(values)


def read(table):
    if not table.exists():
        return {}
    lines = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    return {(int(customers), group, series): float(value) for customers, group, series, value in lines}


def write(table, figures):
    lines = [f"{customers}\t{group}\t{series}\t{value:.6g}" for (customers, group, series), value in sorted(figures.items(), key=lambda one: one[0][0])]
    table.write_text("\n".join(["customers\tgroup\tseries\tvalue", *lines, ""]))


def exponents(figures):
    """Yields (group, series, smaller size, larger size, exponent): 1 is as fast as the customers, 0 not at all."""
    for group, series in dict.fromkeys(key[1:] for key in figures):
        sizes = sorted(key[0] for key in figures if key[1:] == (group, series))
        for smaller, larger in itertools.pairwise(sizes):
            before, after = (figures[size, group, series] for size in (smaller, larger))
            if before > 0 and after >= LEAST.get(group, 0) and after > 0:
                slope = math.log(after / before) / math.log(larger / smaller)
                yield group, series, smaller, larger, slope + (group in EACH)


def main():
    parser = argparse.ArgumentParser()
    for name in ("--scratch", "--table"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    parser.add_argument("--bin", required=True)
    parser.add_argument("sizes", type=int, nargs="+")
    options = parser.parse_args()
    figures = read(options.table)
    for customers in options.sizes:
        print(f"{customers} customers …", file=sys.stderr, flush=True)
        figures = {key: value for key, value in figures.items() if key[0] != customers}
        figures |= figures_of(options.bin, options.scratch, customers)
        write(options.table, figures)
    print("| what | series | from | to | exponent |\n|---|---|---|---|---|")
    worse = []
    for row in exponents(figures):
        group, series, smaller, larger, exponent = row
        print(f"| {group} | {series} | {smaller:,} | {larger:,} | {exponent:.2f} |")
        if exponent > EXPONENT_MAX:
            worse.append(f"{group}, {series}: from {smaller:,} to {larger:,} customers it grows with their power of {exponent:.2f}")
    if worse:
        sys.exit("NOT LINEAR:\n" + "\n".join(worse))
    print(f"\nNothing grows with more than the power of {EXPONENT_MAX}.")


if __name__ == "__main__":
    main()

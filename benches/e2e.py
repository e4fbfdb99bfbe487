#!/usr/bin/env python3
"""Times whole passes of customer-mirror and of peer.py in turn, and prints medians. See e2e.sh, which sets the server up.

  e2e.py --root FOLDER --bin PROGRAM --url NAME=URL… [--runs N] [--days day1,day2]

FOLDER has a folder of pages a day, and a link `live` to the one that is served.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def measure(command, environment):
    """Runs a command to its end; (wall s, CPU s, peak MB, MB written)."""
    started = os.times().elapsed
    with open(os.devnull, "wb") as null:
        child = subprocess.Popen(command, env=environment, stdout=null)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command} ended with {child.returncode}")
    wall = os.times().elapsed - started
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, usage.ru_oublock * 512 / 1e6


def serve(root, day):
    (root / "live.new").unlink(missing_ok=True)
    (root / "live.new").symlink_to(day)
    (root / "live.new").replace(root / "live")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--url", action="append", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--days", default="day1,day2")
    parser.add_argument("--no-peer", action="store_true")
    arguments = parser.parse_args()
    day1, day2 = arguments.days.split(",")
    base = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    work = arguments.root / "bench"
    work.mkdir(exist_ok=True)
    figures, size = {}, 0
    for name, url in (pair.split("=", 1) for pair in arguments.url):
        for _ in range(arguments.runs):
            for file in work.iterdir():
                file.unlink()
            programs = {
                "customer-mirror": ([arguments.bin, "-q", "sync"], base | {
                    "CUSTOMER_MIRROR__API__BASE_URL": url, "CUSTOMER_MIRROR__API__KEY": "bench-key",
                    "CUSTOMER_MIRROR__MIRROR__PATH": str(work / "mirror.db")}),
                "peer": ([sys.executable, str(HERE / "peer.py")], base | {
                    "URL": url, "KEY": "bench-key", "DB": str(work / "peer.db")}),
            }
            if arguments.no_peer:
                del programs["peer"]
            for label, day in (("first", day1), ("unchanged", day1), ("day 2", day2)):
                serve(arguments.root, day)
                for program, (command, environment) in programs.items():
                    figures.setdefault((name, label, program), []).append(measure(command, environment))
            size = (work / "mirror.db").stat().st_size
    serve(arguments.root, day1)
    print("| server | pass | program | wall s | CPU s | peak MB | MB written | CPU ratio | wall ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for (name, label, program), runs in figures.items():
        wall, cpu, memory, written = (statistics.median(column) for column in zip(*runs))
        ratios = " | "
        if program == "customer-mirror" and not arguments.no_peer:
            pairs = list(zip(runs, figures[name, label, "peer"]))
            ratios = f"{statistics.median(a[1] / b[1] for a, b in pairs):.2f} | {statistics.median(a[0] / b[0] for a, b in pairs):.2f}"
        print(f"| {name} | {label} | {program} | {wall:.2f} | {cpu:.2f} | {memory:.0f} | {written:.1f} | {ratios} |")
    print(f"\nMirror file: {size / 1e6:.0f} MB. Medians of {arguments.runs} runs, the two programs in turn; ratios are medians of the pairs.")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A long time in short: python3 tests/load/soak.py PROGRAM SECONDS [--port N] [--seed N]. tests/soak.sh says what it is about.

One daemon, a pass each second, wrong answers in all of them, customers that come, change and go and are erased for good, pages looked at,
metrics scraped. What the daemon takes of the machine is measured all the time. The second quarter and the last one must not differ:
what grows in an hour of this fills a machine in a year.
"""
import argparse
import os
import statistics
import tempfile
import time

import mirror
import operators
import readers
import world as worlds

CUSTOMERS = 2000
READERS = {readers.short: 2, readers.command: 2, readers.page: 3}
SETTINGS = {
    "schedule.cron": "* * * * * *", "api.page_size": "100", "api.request_timeout": "1s",
    "retry.initial_delay": "10ms", "retry.max_delay": "200ms", "retry.max_elapsed": "10s",
    "changes.keep": "10s", "deletions.purge_after": "10s",
}
# The server goes through so many days and back, unless a quarter of the run is too short for it.
DAYS_MAX = 40
# About 32 MiB, since the readers here hold no snapshot for long; and what a pass writes in one go.
WAL_MIB_MAX = 32 + 16
# (what, unit, how much more the last quarter's median may be than the second's: a share, and a number)
GAUGES = {
    "resident memory": ("MiB", 0.10, 4),
    # Connections of those who look at pages, and the mirror's for them, come and go.
    "file descriptors": ("", 0, 8),
    "threads": ("", 0, 6),
    # It is as large as what it ever had to hold at once, which takes some minutes to have been there: see SLOW.
    "mirror's file": ("MiB", 0.05, 1),
    # It grows to its bound, and begins anew: the bound is what it is held to.
    "-wal file": ("MiB", 0, WAL_MIB_MAX),
    "free pages in the file": ("MiB", 0.10, 2),
    "log lines a minute": ("", 0.30, 100),
}
# Chance moves these too much for a shorter run; the file is held only to what a new mirror of the same customers needs there: so much
# more, and a number for what is not yet old.
SLOW, FLAT_AFTER_S = ("mirror's file", "free pages in the file", "log lines a minute"), 600
AGED_SHARE, AGED_MIB = 0.25, 1
MIB = 1 << 20


def bytes_in_use(connection):
    pages = mirror.number(connection, "PRAGMA page_count") - mirror.number(connection, "PRAGMA freelist_count")
    return pages * mirror.number(connection, "PRAGMA page_size")


def sample(world, connection):
    """What the daemon takes now."""
    process = f"/proc/{world.daemon.pid}"
    with open(f"{process}/status", encoding="ascii") as file:
        told = dict(line.split(":", 1) for line in file)
    free = mirror.number(connection, "PRAGMA freelist_count") * mirror.number(connection, "PRAGMA page_size")
    return {
        "resident memory": int(told["VmRSS"].split()[0]) / 1024,
        "file descriptors": len(os.listdir(f"{process}/fd")),
        "threads": int(told["Threads"]),
        "mirror's file": os.path.getsize(world.path) / MIB,
        "-wal file": os.path.getsize(world.path + "-wal") / MIB,
        "free pages in the file": free / MIB,
    }


def lines_of(path):
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def measure(world):
    """Samples until it is over, at least a hundred of each quarter."""
    interval, log = min(world.seconds / 400, 5.0), f"{world.root}/{world.daemon.log}"
    connection = mirror.connect(world.path, timeout=5)
    lines, at = lines_of(log), time.monotonic()
    while not world.rest(interval):
        found = sample(world, connection)
        if time.monotonic() - at > world.seconds / 16:
            now, new_lines = time.monotonic(), lines_of(log)
            found["log lines a minute"] = (new_lines - lines) * 60 / (now - at)
            lines, at = new_lines, now
        world.samples.append((time.monotonic(), found))
    connection.close()


def quarters(world):
    """Each gauge's values, quarter by quarter."""
    begun = world.samples[0][0]
    length = (world.samples[-1][0] - begun) / 4 + 1e-9
    found = {gauge: [[], [], [], []] for gauge in GAUGES}
    for at, values in world.samples:
        for gauge, value in values.items():
            found[gauge][int((at - begun) / length)].append(value)
    return found


def judge_flat(world):
    print(f"{'median of each quarter':>28}      1st      2nd      3rd     last      most")
    for gauge, values in quarters(world).items():
        unit, share, slack = GAUGES[gauge]
        if not all(values):
            world.problem(f"{gauge}: not measured in each quarter")
            continue
        medians = [statistics.median(quarter) for quarter in values]
        most = max(max(quarter) for quarter in values)
        print(f"{gauge:>24} {unit:>3} " + " ".join(f"{median:8.1f}" for median in medians) + f"  {most:8.1f}")
        if gauge in SLOW and world.seconds < FLAT_AFTER_S:
            continue
        if medians[3] > medians[1] * (1 + share) + slack:
            world.problem(f"{gauge} grows: {medians[1]:.1f} {unit} in the second quarter, {medians[3]:.1f} {unit} in the last")
        if gauge == "-wal file" and most > WAL_MIB_MAX:
            world.problem(f"the -wal file grew to {most:.1f} MiB")


def settle(world):
    """No faults any more: the mirror becomes what the server lists, and all that is old enough goes."""
    world.order("clear-faults")
    connection = mirror.connect(world.path, timeout=5)

    def is_settled():
        world.daemon.ask_for_pass()
        if mirror.number(connection, "SELECT count(*) FROM passes WHERE sweep = 'held'"):
            world.run("deletions", "approve", allowed=(0, 66))
        return not mirror.number(connection, "SELECT count(*) FROM customers WHERE deleted_at IS NOT NULL") and (
            not mirror.differences("", mirror.live_records(connection), world.listing()))
    worlds.wait_until(is_settled, "the mirror equals the listing, and nobody is left of the deleted", 300)
    world.daemon.stop()
    found = mirror.half_done(connection, keeps_all=False)
    found += [word for (word,) in connection.execute("PRAGMA integrity_check") if word != "ok"]
    for problem in found:
        world.problem(f"at the end: {problem}")
    world.run("check", "--offline", "--full", name="check at the end")
    judge_size(world, connection)
    return mirror.number(connection, "SELECT count(*) FROM passes"), mirror.number(
        connection, "SELECT seq FROM sqlite_sequence WHERE name = 'customer_changes'")


def judge_size(world, connection):
    """Whatever came and went, the mirror holds little more than one that is made of the same customers now."""
    new = f"{world.root}/new.db"
    world.run("sync", name="a new mirror", path=new)
    fresh = mirror.connect(new, timeout=5)
    aged, needed = bytes_in_use(connection) / MIB, bytes_in_use(fresh) / MIB
    fresh.close()
    print(f"in use at the end: {aged:.1f} MiB; a new mirror of the same customers: {needed:.1f} MiB")
    if aged > needed * (1 + AGED_SHARE) + AGED_MIB:
        world.problem(f"the mirror keeps what is gone: {aged:.1f} MiB in use, of which a new one needs {needed:.1f}")


def live(world, seconds):
    world.start_server(CUSTOMERS)
    world.run("sync")
    operators.start_again(world, 0)
    days = max(4, min(DAYS_MAX, seconds // 10))
    threads = [world.job(work, world, number) for work, count in READERS.items() for number in range(count)]
    threads += [world.job(measure, world), world.job(operators.seasons, world, days), world.job(operators.decide, world),
                world.job(operators.ask, world)]
    worlds.live_in_turns(world, seconds)
    world.over.set()
    worlds.join_all(world, threads)
    passes, changes = settle(world)
    print(f"\n{seconds} s, seed {world.seed}: {passes} passes, {changes} changes, {world.counts['pages']} pages, "
          f"{world.counts['snapshots judged']} snapshots judged, {world.counts['commands']} commands")
    judge_flat(world)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("seconds", type=int)
    parser.add_argument("--port", type=int, default=8710)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    root = tempfile.mkdtemp(prefix="customer-mirror-soak-")
    world = worlds.World(os.path.abspath(arguments.program), root, arguments.port, arguments.seed, SETTINGS)
    world.keeps_all, world.samples, world.seconds = False, [], arguments.seconds
    worlds.conduct(world, lambda: live(world, arguments.seconds))


if __name__ == "__main__":
    main()

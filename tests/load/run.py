#!/usr/bin/env python3
"""Many at once: python3 tests/load/run.py PROGRAM SECONDS [--port N] [--seed N]. tests/load.sh says what it is about.

Two who write the mirror in turns, fifty who read it, operators who decide, erase, export and copy, and a server whose listing changes
all the time and whose answers are often wrong. At the end nobody writes any more, and all must be equal: the server's listing, the
mirror, what the feed makes of nobody, and the tables of those who followed it.
"""
import argparse
import os
import tempfile

import mirror
import operators
import readers
import world as worlds

CUSTOMERS = 3000
# Fifty readers.
READERS = {readers.short: 18, readers.long: 4, readers.command: 14, readers.page: 6}
CONSUMERS = 8
SETTINGS = {
    "schedule.cron": "* * * * * *", "api.page_size": "100", "api.request_timeout": "2s",
    "retry.initial_delay": "20ms", "retry.max_delay": "500ms", "retry.max_elapsed": "10s", "changes.keep": "never",
}
# Where somebody always reads, a pass waits for its readers when the -wal file has 64 MiB. Ends of passes and decisions come on top.
WAL_BYTES = 64 << 20
WAL_SLACK_BYTES = 32 << 20
# On a machine that has no time, a reader may need longer than the 30 s that a pass waits. It says so then, and goes on for so much more.
WAL_BYTES_A_WARNING = 32 << 20
WARNING = "the -wal file grows"


def watch_wal(world):
    """The largest that the -wal file was, and how often it was emptied or begun anew."""
    world.wal_peak, before = 0, 0
    while not world.rest(0.1):
        try:
            now = os.path.getsize(world.path + "-wal")
        except FileNotFoundError:
            now = 0
        world.wal_peak = max(world.wal_peak, now)
        world.counts["the -wal file emptied"] += now < before
        before = now


def crowd(world):
    consumers = [readers.Consumer(world, number) for number in range(CONSUMERS)]
    threads = [world.job(work, world, number) for work, count in READERS.items() for number in range(count)]
    threads += [world.job(consumer.live) for consumer in consumers]
    threads += [world.job(work, world) for work in (operators.server, operators.syncs, operators.decisions, operators.decide, operators.copies,
                                                   operators.checks, watch_wal)]
    threads += [world.job(operators.exports, world, number) for number in range(2)]
    return consumers, threads


def settle(world):
    """No faults any more, and as many passes as it takes until all absences are believed."""
    connection = mirror.connect(world.path, timeout=5)
    complete = "SELECT ifnull(max(pass_id), 0) FROM passes WHERE state = 'complete'"
    last = mirror.number(connection, complete)

    def is_settled():
        world.daemon.ask_for_pass()
        held = mirror.number(connection, "SELECT count(*) FROM passes WHERE sweep = 'held'")
        if held:
            world.run("deletions", "approve", allowed=(0, 66))
        return mirror.number(connection, complete) >= last + 5 and not held
    worlds.wait_until(is_settled, "five complete passes", 600)
    world.daemon.stop()
    connection.close()


def warnings_of(world):
    """How often a pass has waited in vain."""
    said = world.counts["waits in vain"]
    for name in os.listdir(world.root):
        if name.startswith("daemon") and name.endswith(".log"):
            with open(f"{world.root}/{name}", encoding="utf-8", errors="replace") as file:
                said += file.read().count(WARNING)
    return said


def judge(world, consumers):
    listed = world.listing()
    connection = mirror.connect(world.path, timeout=5)
    found = [f"integrity_check: {word}" for (word,) in connection.execute("PRAGMA integrity_check") if word != "ok"]
    found += mirror.half_done(connection, keeps_all=world.keeps_all)
    found += mirror.replay(connection)
    found += mirror.differences("the mirror", mirror.live_records(connection), listed)
    for consumer in consumers:
        consumer.catch_up()
        found += mirror.differences(f"consumer {consumer.number}", consumer.table, listed)
    warnings = warnings_of(world)
    if world.wal_peak > WAL_BYTES + WAL_SLACK_BYTES + warnings * WAL_BYTES_A_WARNING:
        found.append(f"the -wal file grew to {world.wal_peak >> 20} MiB, with {warnings} warnings")
    for problem in found:
        world.problem(f"at the end: {problem}")
    world.run("check", "--offline", "--full", allowed=(0,), name="check at the end")
    return len(listed), mirror.number(connection, "SELECT count(*) FROM passes"), mirror.number(connection, "SELECT max(seq) FROM customer_changes")


def report(world, seconds, ends):
    customers, passes, changes = ends
    print(f"\n{seconds} s, seed {world.seed}: {customers} customers live at the end, {passes} passes, {changes} changes; "
          f"-wal file {world.wal_peak / (1 << 20):.1f} MiB at most")
    for name, number in sorted(world.counts.items()):
        print(f"  {number:8} {name}")
    for name, statuses in sorted(world.statuses.items()):
        print(f"  {name}: " + ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items())))


def live(world, seconds):
    world.start_server(CUSTOMERS)
    world.run("sync")
    keeper = world.job(operators.daemons, world)
    consumers, threads = crowd(world)
    worlds.live_in_turns(world, seconds)
    world.over.set()
    for consumer in consumers:
        consumer.kill()
    worlds.join_all(world, [keeper, *threads])
    settle(world)
    report(world, seconds, judge(world, consumers))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("seconds", type=int)
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pace", type=float, default=1.0, help="how much longer everybody rests between two deeds")
    arguments = parser.parse_args()
    root = tempfile.mkdtemp(prefix="customer-mirror-load-")
    world = worlds.World(os.path.abspath(arguments.program), root, arguments.port, arguments.seed, SETTINGS, arguments.pace)
    world.keeps_all = True
    worlds.conduct(world, lambda: live(world, arguments.seconds))


if __name__ == "__main__":
    main()

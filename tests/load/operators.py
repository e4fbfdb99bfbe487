"""Those who change things: the server's listing, daemons that come and go, `sync`, decisions, erasures, exports and copies."""
import csv
import os
import sqlite3
import time

import mirror
import readers
from world import Daemon, wait_until

DAY_MAX = 400
# What goes wrong, at each request with this probability.
FAULTS = ["429:retry-after=1@rate=0.01", "500@rate=0.02", "503@rate=0.01", "502-html@rate=0.005", "reset@rate=0.02", "truncate@rate=0.02",
          "malformed@rate=0.005", "stall@rate=0.001", "latency=50ms@rate=0.2", "bad-record=number@rate=0.01", "bad-record=empty@rate=0.003",
          "garbage-utf8@rate=0.005", "drift@rate=0.02", "duplicate@rate=0.05", "shift@rate=0.03", "skip=2@rate=0.02",
          "empty-page@rate=0.02", "short-page@rate=0.05", "reject-cursor@rate=0.002", "same-cursor@rate=0.001", "413:above=50@rate=0.01"]
FORMATS = ["csv", "ndjson", "json", "parquet", "sqlite"]
# The end of a pass that doesn't go well, by README.
SYNC = (0, 65, 69, 75, 76)


def server(world):
    """The listing never stays as it is: days come and go, sometimes so many at once that a sweep is held."""
    dice, day = world.dice("server"), 1
    for fault in FAULTS:
        world.order("fault", spec=fault)
    while not world.rest(dice.uniform(0.5, 3)):
        leap = dice.choices([1, 2, -1, -2, 0, 130, -130], [30, 10, 10, 5, 5, 2, 2])[0]
        day = min(max(day + leap, 1), DAY_MAX)
        world.order("day", day=day)
        if dice.random() < 0.02:
            world.order("expire-cursors")
    world.order("clear-faults")


def seasons(world, days):
    """The same days over and over, up and down, a pass or so for each; so that whatever is kept of them reaches its size early. Once in
    each round so many customers are gone for a while that the sweep is held."""
    dice, rounds = world.dice("seasons"), 0
    for fault in FAULTS:
        world.order("fault", spec=fault)
    while not world.over.is_set():
        rounds += 1
        for day in [*range(1, days), *range(days, 1, -1), days + 130, days + 130]:
            world.order("day", day=day)
            if world.rest(dice.uniform(0.3, 0.7)):
                break
        world.order("expire-cursors")
        world.counts["rounds of the server's days"] = rounds


def daemons(world):
    """One daemon after the other; meanwhile a second one is tried, which must not get in, and must be told who is there."""
    dice, turn = world.dice("daemons"), 0
    start_again(world, turn)
    while not world.over.is_set():
        if dice.random() < 0.5:
            world.daemon.ask_for_pass()
        if dice.random() < 0.5:
            second(world)
        world.rest(dice.uniform(0.5, 5))
        if dice.random() < 0.15 and not world.over.is_set():
            turn += 1
            world.daemon.stop()
            # In the gap whoever comes first has the mirror.
            world.rest(dice.uniform(0, 3))
            start_again(world, turn)


def second(world):
    """Somebody starts a daemon beside the one that runs."""
    done = world.run("run", allowed=(75,), name="second daemon")
    world.count("second daemons refused")
    if f"process {world.daemon.pid}" not in done.stderr:
        world.problem(f"a second daemon is not told that {world.daemon.pid} has the mirror: {done.stderr!r}")


def start_again(world, turn):
    """A daemon that has the mirror; refused, as long as a `sync` has it."""
    while True:
        daemon = Daemon(world, f"daemon-{turn % 2}")
        wait_until(lambda: daemon.has_mirror() or daemon.process.poll() is not None, "a daemon has started")
        if daemon.process.poll() is None:
            world.daemon = daemon
            world.count("daemons")
            return
        world.count("daemons refused while a sync had the mirror")
        if daemon.process.returncode != 75:
            world.problem(f"a daemon ends at once with {daemon.process.returncode}, see {daemon.log}")
        time.sleep(0.5)


def syncs(world):
    dice = world.dice("syncs")
    while not world.pause(dice.uniform(0.2, 3)):
        words = dice.choice([["sync"], ["sync", "--json"], ["sync", "--restart"], ["sync", "--dry-run"]])
        done = world.run(*words, allowed=SYNC, name=" ".join(words))
        world.count("syncs")
        world.count("waits in vain", done.stderr.count("the -wal file grows"))


def decisions(world):
    dice = world.dice("decisions")
    while not world.pause(dice.uniform(0.2, 2)):
        words = dice.choice([["deletions", "approve"], ["deletions", "discard"], ["quarantine", "retry"], ["forget"], ["forget"]])
        if words == ["forget"]:
            erase(world, dice)
            continue
        done = world.run(*words, allowed=(0, 66, 75), name=" ".join(words))
        if done.returncode == 0:
            world.count(" ".join(words))


def decide(world):
    """Somebody who looks at what is held now and then."""
    dice = world.dice("decide")
    while not world.pause(dice.uniform(2, 4)):
        words = dice.choice([["deletions", "approve"], ["deletions", "discard"], ["quarantine", "retry"]])
        if world.run(*words, allowed=(0, 66, 75), name=" ".join(words)).returncode == 0:
            world.count(" ".join(words))


def ask(world):
    """Somebody who doesn't wait for the end of a backoff."""
    dice = world.dice("ask")
    while not world.pause(dice.uniform(1, 3)):
        world.daemon.ask_for_pass()


def erase(world, dice):
    """Live again by now: 64; erased by an earlier try: 66; a reader has a snapshot: 75, and the rows are gone all the same."""
    somebody = readers.some_customer(world, dice, "deleted_at IS NOT NULL")
    done = world.run("forget", somebody, allowed=(0, 64, 66, 75))
    if done.returncode in (0, 75) and "erased" in done.stdout + done.stderr:
        world.count("erased")


def exports(world, number):
    dice = world.dice("exports", number)
    while not world.pause(dice.uniform(0.5, 4)):
        kind = dice.choice(FORMATS)
        to = f"{world.root}/export-{number}.{'db' if kind == 'sqlite' else kind}"
        world.run("export", "--format", kind, "--output", to, name=f"export {kind}")
        world.count("exports")
        if kind == "sqlite":
            judge_copy(world, to)
        elif kind == "csv":
            with open(to, newline="", encoding="utf-8-sig") as file:
                rows = list(csv.reader(file))
            if {len(row) for row in rows} != {len(rows[0])}:
                world.problem("an exported csv file has rows of different lengths")
        os.remove(to)


def copies(world):
    """Backups by others: SQLite's online backup, and VACUUM INTO."""
    dice, to = world.dice("copies"), f"{world.root}/copy.db"
    while not world.pause(dice.uniform(0.5, 5)):
        source = mirror.connect(world.path)
        if dice.random() < 0.5:
            with sqlite3.connect(to) as target:
                source.backup(target)
            target.close()
        else:
            source.execute("PRAGMA query_only = 0")
            source.execute("VACUUM INTO ?", (to,))
        source.close()
        world.count("backups")
        judge_copy(world, to)
        os.remove(to)


def judge_copy(world, path):
    connection = sqlite3.connect(path, isolation_level=None)
    if (word := mirror.number(connection, "PRAGMA integrity_check")) != "ok":
        world.problem(f"a copy: {word}")
    for problem in mirror.half_done(connection, keeps_all=world.keeps_all):
        world.problem(f"a copy: {problem}")
    connection.close()
    for suffix in ("-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.remove(path + suffix)


def checks(world):
    """The doctor may find fault with the server or the age of the mirror, and says so by its exit status; it finds the file sound."""
    dice = world.dice("checks")
    while not world.pause(dice.uniform(2, 8)):
        words = dice.choice([["check"], ["check", "--offline"], ["check", "--offline", "--full"]])
        done = world.run(*words, allowed=(0, 65, 66, 69, 76), name=" ".join(words))
        world.count("checks")
        if "damaged" in done.stdout:
            world.problem(f"check: {done.stdout[-600:]}")

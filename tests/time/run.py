#!/usr/bin/env python3
"""The clock of a running daemon is set: python3 tests/time/run.py PROGRAM LIBFAKETIME [--port N]. tests/time.sh says what it is about.

The wall clock of the daemon is what a file says; its timers go on as they do when the machine's clock is set. The server has the
right time, but where it says otherwise.
"""
import argparse
import datetime
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "load"))
import mirror  # noqa: E402
import world as worlds  # noqa: E402

SETTINGS = {"schedule.cron": "* * * * * *", "api.page_size": "500", "changes.keep": "30d", "deletions.purge_after": "30d",
            "deletions.confirm_passes": "1", "log.level": "info", "retry.max_elapsed": "5s"}
CUSTOMERS = 1000


class Clock:
    """A world with a clock that is set."""

    def __init__(self, program, library, port, settings=None):
        self.root = tempfile.mkdtemp(prefix="customer-mirror-time-")
        self.world = worlds.World(program, self.root, port, 1, {**SETTINGS, **(settings or {})})
        self.file = f"{self.root}/clock"
        self.set("+0")
        self.faked = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": self.file, "FAKETIME_NO_CACHE": "1",
                      "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
        self.daemon = None

    def set(self, to):
        """`+3650d`, `-1h`, `@2038-01-19 03:14:00`; at once for whoever looks next."""
        with open(f"{self.file}.new", "w", encoding="ascii") as file:
            file.write(to + "\n")
        os.rename(f"{self.file}.new", self.file)

    def start(self, server_too=False):
        real = self.world.environment
        if server_too:
            self.world.environment = {**real, **self.faked}
        self.world.start_server(CUSTOMERS)
        self.world.environment = {**real, **self.faked, "TZ": "UTC"}

    def run(self):
        self.daemon = worlds.Daemon(self.world)
        return self

    def ask(self, sql, *values):
        connection = mirror.connect(self.world.path, timeout=5)
        try:
            return mirror.number(connection, sql, *values)
        finally:
            connection.close()

    def complete(self):
        if not os.path.exists(self.world.path):
            return 0
        try:
            return self.ask("SELECT count(*) FROM passes WHERE state = 'complete'")
        except mirror.sqlite3.OperationalError:
            return 0  # the mirror is being made

    def passes(self, more, what):
        """Waits for so many more complete passes; the daemon must be well meanwhile."""
        at_least = self.complete() + more
        worlds.wait_until(lambda: self.complete() >= at_least, what, 60)
        status, body = self.world.get("/healthz")
        if status != 200:
            self.world.problem(f"{what}: /healthz says {status} {body!r}")

    def ready(self, what):
        worlds.wait_until(lambda: self.world.get("/readyz")[0] == 200, f"{what}: ready", 60)

    def log(self):
        with open(f"{self.root}/{self.daemon.log}", encoding="utf-8", errors="replace") as file:
            return file.read()

    def last_started(self):
        text = self.ask("SELECT started_at FROM passes WHERE state = 'complete' ORDER BY pass_id DESC LIMIT 1")
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))

    def expect(self, what, found, expected):
        if found != expected:
            self.world.problem(f"{what}: {found}, not {expected}")

    def equals(self, what):
        connection = mirror.connect(self.world.path, timeout=5)
        for problem in mirror.differences(what, mirror.live_records(connection), self.world.listing()):
            self.world.problem(problem)
        connection.close()

    def end(self):
        self.world.end()
        if not self.world.problems:
            shutil.rmtree(self.root)


def steps(clock):
    """Minutes, days and years, ahead and back, with deletions that wait to be erased. Nothing is erased, nothing stands still."""
    clock.start()
    clock.run().passes(2, "the first passes")
    clock.world.order("day", day=6)
    clock.passes(3, "a few customers are deleted")
    deleted = clock.ask("SELECT count(*) FROM customers WHERE deleted_at IS NOT NULL")
    changes = clock.ask("SELECT count(*) FROM customer_changes")
    if not deleted:
        clock.world.problem("nobody was deleted: this shows nothing")
    for to in ["+10m", "-10m", "+0", "+40d", "+0", "-40d", "+0", "+3650d", "+9000d", "+0", "-20000d", "+0"]:
        clock.set(to)
        clock.passes(2, f"the clock is set to {to}")
        clock.ready(f"the clock is set to {to}")
        found = (clock.ask("SELECT count(*) FROM customers WHERE deleted_at IS NOT NULL"), clock.ask("SELECT count(*) FROM customer_changes"))
        clock.expect(f"tombstones and changes, with the clock at {to}", found, (deleted, changes))
    if "nothing is erased for its age" not in clock.log():
        clock.world.problem("a clock that is years ahead is not warned of")
    clock.world.order("day", day=9)
    clock.passes(3, "the clock is right again")
    clock.equals("after all that")
    # In the midst of passes, with answers that take a while.
    clock.world.order("fault", spec="latency=40ms")
    for number in range(60):
        clock.set(["+0", "+1h", "-1h", "+400d", "-400d"][number % 5])
        time.sleep(0.05)
    clock.set("+0")
    clock.passes(3, "the clock was set all the time")
    clock.equals("after all that, too")
    clock.daemon.stop()
    for words in [["check", "--offline", "--full"], ["status"], ["changes", "--since", "1h"]]:
        clock.world.run(*words)


def written_in_the_future(clock):
    """A mirror that was last written by a machine whose clock was ten years ahead. The daemon does not wait for that day."""
    clock.start()
    clock.set("+3650d")
    clock.world.run("sync")
    clock.set("+0")
    clock.run().passes(1, "a pass begins at the start, though the schedule says once a month")
    age = abs((clock.last_started() - datetime.datetime.now(datetime.timezone.utc)).total_seconds())
    clock.expect("the last pass began now", age < 120, True)
    clock.daemon.stop()


def stopped_and_gone_on(clock):
    """The machine slept for an hour: one pass makes up for it, and the next ones come as ever."""
    clock.start()
    clock.run().passes(1, "the first pass")
    before = clock.complete()
    clock.daemon.process.send_signal(signal.SIGSTOP)
    clock.set("+1h")
    clock.daemon.process.send_signal(signal.SIGCONT)
    clock.passes(1, "after an hour's sleep")
    clock.expect("passes for 60 that were missed", clock.complete() - before, 1)
    # The second, where it was not yet idle.
    if not any(words in clock.log() for words in ("one pass now makes up for them", "took longer than the time to the next one")):
        clock.world.problem("it is not said that due times went by")
    clock.daemon.stop()


def moments(clock, at, due, what):
    """From `at` on, a pass begins at `due`."""
    clock.set(f"@{at}")
    clock.start(server_too=True)
    clock.world.run("sync")
    clock.run().passes(1, what)
    clock.expect(what, clock.last_started().strftime("%Y-%m-%d %H:%M:%S"), due)
    clock.daemon.stop()


def over_2038(clock):
    """Seconds since 1970 don't fit into 32 bits any more."""
    clock.set("@2038-01-19 03:14:03")
    clock.start(server_too=True)
    clock.run()
    end = datetime.datetime(2038, 1, 19, 3, 14, 10, tzinfo=datetime.timezone.utc)
    worlds.wait_until(lambda: clock.complete() and clock.last_started() > end, "passes after 2038-01-19 03:14:08", 60)
    clock.ready("in 2038")
    clock.equals("in 2038")
    clock.daemon.stop()


MOMENTS = [
    ("2028-02-28 23:59:56", "2028-02-29 00:00:00", {"schedule.cron": "0 0 29 2 *"}, "29 February, this year"),
    ("2096-02-28 23:59:56", "2096-02-29 00:00:00", {"schedule.cron": "0 0 29 2 *"}, "29 February, the last before 2104"),
    ("2026-03-29 00:59:56", "2026-03-29 01:00:00", {"schedule.cron": "30 2 * * *", "schedule.timezone": "Europe/Stockholm"},
     "a time that the clocks skip"),
    ("2026-10-25 00:29:56", "2026-10-25 00:30:00", {"schedule.cron": "30 2 * * *", "schedule.timezone": "Europe/Stockholm"},
     "a time that comes twice"),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("library")
    parser.add_argument("--port", type=int, default=8720)
    arguments = parser.parse_args()
    port = iter(range(arguments.port, arguments.port + 100, 2))
    scenes = [("steps", steps, {}), ("written in the future", written_in_the_future, {"schedule.cron": "@monthly"}),
              ("stopped, and gone on", stopped_and_gone_on, {"schedule.cron": "* * * * *"}), ("2038", over_2038, {})]
    scenes += [(what, lambda clock, at=at, due=due, what=what: moments(clock, at, due, what), settings)
               for at, due, settings, what in MOMENTS]
    problems = 0
    for name, scene, settings in scenes:
        begun = time.monotonic()
        clock = Clock(os.path.abspath(arguments.program), arguments.library, next(port), settings)
        try:
            scene(clock)
        except Exception as error:  # the next scene can do without this one
            clock.world.problem(f"{name}: {type(error).__name__}: {error}; see {clock.root}")
        clock.end()
        problems += len(clock.world.problems)
        print(f"{name}: {'as it should be' if not clock.world.problems else 'NOT as it should be'}, "
              f"{time.monotonic() - begun:.0f} s", flush=True)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

"""Fifty who read: programs of others with short and long transactions, our own commands, consumers of the feed, the HTTP endpoint."""
import json
import subprocess
import threading
import time

import mirror

# How long the longest of them holds a snapshot. With it, the -wal file may grow by what is written meanwhile.
SNAPSHOT_S_MAX = 15.0
# What a CLI reader may end with: a customer may be gone by the time it is asked for.
READ = {"get": (0, 66), "changes": (0, 66)}
HTTP = {200, 303, 404, 429, 503, 0}


def short(world, number):
    """Another program, with short transactions. Every other one does not wait for anything, at all."""
    dice = world.dice("short", number)
    connection = mirror.connect(world.path, timeout=0.0 if number % 2 else 5.0)
    while not world.pause(dice.uniform(0, 0.5)):
        connection.execute("BEGIN")
        for problem in mirror.half_done(connection, keeps_all=world.keeps_all):
            world.problem(f"seen in a snapshot: {problem}")
        connection.execute("COMMIT")
        world.count("snapshots judged")
        if dice.random() < 0.1:
            connection.close()
            connection = mirror.connect(world.path, timeout=0.0 if number % 2 else 5.0)
    connection.close()


def picture(connection):
    return connection.execute("""
        SELECT (SELECT count(*) FROM live_customers), (SELECT max(changed_at) FROM customers), (SELECT max(seq) FROM customer_changes),
          (SELECT sum(length(raw)) FROM customers), (SELECT max(pages) FROM passes WHERE state = 'running')""").fetchone()


def long(world, number):
    """Another program that holds a snapshot for long, and must see the same all the time."""
    dice = world.dice("long", number)
    connection = mirror.connect(world.path)
    while not world.pause(dice.uniform(0, 3)):
        connection.execute("BEGIN")
        before = picture(connection)
        ends = time.monotonic() + dice.uniform(1, SNAPSHOT_S_MAX)
        while time.monotonic() < ends and not world.rest(1):
            if picture(connection) != before:
                world.problem("a snapshot changed while it was read")
        connection.execute("COMMIT")
        world.count("long snapshots")
    connection.close()


def command(world, number):
    """Our own commands, as people and scripts call them."""
    dice = world.dice("command", number)
    while not world.pause(dice.uniform(0, 1.5)):
        words = choose(world, dice)
        done = world.run(*words, allowed=READ.get(words[0], (0,)))
        world.count("commands")
        if words[0] == "status" and done.returncode == 0:
            json.loads(done.stdout)


def choose(world, dice):
    somebody = some_customer(world, dice)
    return dice.choice([
        ["get", somebody],
        ["get", "--format", "json", somebody],
        ["search", dice.choice(["anna", "gmbh", "+49", "street", "müller", "example"]), "--limit", "5"],
        ["status", "--json"],
        ["query", "SELECT customer_type, count(*) FROM live_customers GROUP BY 1"],
        ["query", "--format", "csv", "SELECT count(*) FROM customer_changes"],
        ["changes", "--position"],
        ["changes", "--since", "10s", "--limit", "50"],
        ["deletions", "list"],
        ["quarantine", "list"],
    ])


def some_customer(world, dice, condition="1"):
    connection = mirror.connect(world.path)
    try:
        row = connection.execute(
            f"SELECT customer_id FROM customers WHERE row_id >= ? AND {condition} LIMIT 1", (dice.randrange(1, 4000),)).fetchone()
        return row[0] if row else "nobody"
    finally:
        connection.close()


def page(world, number):
    """A browser, or a monitoring system."""
    dice = world.dice("page", number)
    while not world.pause(dice.uniform(0, 1)):
        path = dice.choice(["/", "/metrics", "/healthz", "/readyz", "/api/status", "/customers", "/customers?q=anna", "/conflicts",
                            "/quarantine", "/deletions", f"/customers/{some_customer(world, dice)}"])
        status, body = world.get(path)
        with world.lock:
            world.statuses["http"][status] += 1
        if status not in HTTP or any(word.encode() in body for word in ("database is locked", "SQLITE_BUSY")):
            world.problem(f"{path}: {status}: {body[:300]!r}")
        world.count("pages")


class Consumer:
    """A program that keeps a table of its own in step by the feed, as README says. It is killed now and then, and goes on."""

    def __init__(self, world, number):
        self.world, self.number = world, number
        self.dice = world.dice("consumer", number)
        self.seq, self.table, self.process = 0, {}, None
        self.changed = threading.Condition()

    def lines(self, *arguments):
        with subprocess.Popen([self.world.program, *arguments], env=self.world.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as self.process:
            for line in self.process.stdout:
                if not line.endswith("\n"):
                    break  # killed while it printed
                yield json.loads(line)
            status, stderr = self.process.wait(), self.process.stderr.read()
        self.world.judge("consumer", status, stderr, (0, 66, -9))
        self.status = status

    def follow(self):
        ends = time.monotonic() + self.dice.uniform(2, 20)
        watchdog = threading.Timer(ends - time.monotonic(), self.kill)
        watchdog.daemon = True
        watchdog.start()
        for change in self.lines("changes", "--after", str(self.seq), "--follow"):
            if change["seq"] <= self.seq:
                self.world.problem(f"consumer: change {change['seq']} comes after {self.seq}")
            self.apply(change)
        watchdog.cancel()

    def apply(self, change):
        with self.changed:
            self.seq = change["seq"]
            if change["after"]:
                self.table[change["customer_id"]] = change["after"]
            else:
                self.table.pop(change["customer_id"], None)
            self.world.count("changes consumed")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()

    def take_all(self):
        positions = list(self.lines("changes", "--position"))
        if not positions:
            return
        rows = list(self.lines("query", "SELECT customer_id, raw FROM live_customers"))
        if self.status == 0:
            with self.changed:
                self.table = {row["customer_id"]: record_of(row["raw"]) for row in rows}
                self.seq = positions[0]
            self.world.count("all taken again")

    def live(self):
        while not self.world.pause(self.dice.uniform(0, 1)):
            self.turn()

    def turn(self):
        self.follow()
        if self.status == 66:
            self.take_all()

    def catch_up(self):
        """To the feed's end, with nobody writing."""
        for _ in range(3):
            for change in self.lines("changes", "--after", str(self.seq)):
                self.apply(change)
            if self.status != 66:
                return
            self.take_all()


def record_of(raw):
    return json.loads(raw) if isinstance(raw, str) else raw

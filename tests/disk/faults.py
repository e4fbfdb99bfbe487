"""Every system call on the mirror's files fails once: no room, no quota, an I/O error, a file system that has become read-only.

Usage: faults.py PROGRAM POINTS. strace makes the calls fail; POINTS is how many calls of each kind, spread evenly over the command's, are
made to (0: all of them). After each: the documented exit status, one message and no panic, a sound mirror, and the next run of the same
command comes to what it comes to without faults.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

PROGRAM, POINTS = sys.argv[1], int(sys.argv[2])
CUSTOMERS = 300
# What a command may end with: a full disk, an I/O error or a damaged file is 74; a file that can't be opened is 66 or 73.
STORAGE, OPENING = {0, 74}, {0, 66, 73, 74}
FAULTS = [
    ("pwrite64", "ENOSPC", STORAGE),
    ("pwrite64", "EDQUOT", STORAGE),
    ("pwrite64", "EIO", STORAGE),
    ("pwrite64", "EROFS", OPENING),
    ("write", "ENOSPC", STORAGE),
    ("fsync,fdatasync", "EIO", STORAGE),
    ("ftruncate,fallocate", "ENOSPC", STORAGE),
    ("pread64", "EIO", OPENING),
    ("openat", "ENOSPC", OPENING),
    ("openat", "EIO", OPENING),
    ("openat", "EROFS", OPENING),
    ("mmap", "ENOMEM", OPENING),
    ("fstat,newfstatat,statx", "EIO", OPENING | {70}),
    ("rename,renameat,renameat2,link,linkat", "EIO", OPENING),
    ("unlink,unlinkat", "EIO", OPENING),
]


class World:
    """A server, and a folder for a mirror."""

    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="disk-faults-")
        self.folder = f"{self.top}/world"
        os.mkdir(self.folder)
        self.server = subprocess.Popen(
            [PROGRAM, "simulate-api", "--customers", str(CUSTOMERS), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+\S*", said)):
            said += self.server.stdout.readline()
        self.url = found.group()
        self.mirror = f"{self.folder}/m.db"
        self.environment = {
            "PATH": os.environ["PATH"],
            "CUSTOMER_MIRROR__API__BASE_URL": self.url,
            "CUSTOMER_MIRROR__API__KEY": "demo-key",
            "CUSTOMER_MIRROR__API__PAGE_SIZE": "60",
            "CUSTOMER_MIRROR__MIRROR__PATH": self.mirror,
            "CUSTOMER_MIRROR__DELETIONS__CONFIRM_PASSES": "1",
            "CUSTOMER_MIRROR__DELETIONS__MAX_PERCENT": "100",
            "CUSTOMER_MIRROR__RETRY__MAX_ELAPSED": "5s",
            "CUSTOMER_MIRROR__LOG__LEVEL": "error",
        }

    def day(self, day):
        base = re.match(r"http://[^/]+", self.url).group()
        urllib.request.urlopen(urllib.request.Request(f"{base}/_simulator/day?day={day}", method="POST")).read()

    def run(self, arguments, prefix=()):
        return subprocess.run(
            [*prefix, PROGRAM, *arguments], env=self.environment, capture_output=True, text=True, timeout=120, cwd=self.folder
        )

    def clear(self):
        for name in os.listdir(self.folder):
            os.remove(f"{self.folder}/{name}")

    def keep(self):
        kept = tempfile.mkdtemp(dir=self.top)
        for name in os.listdir(self.folder):
            shutil.copy2(f"{self.folder}/{name}", kept)
        return kept

    def restore(self, kept):
        self.clear()
        for name in os.listdir(kept):
            shutil.copy2(f"{kept}/{name}", self.folder)

    def picture(self):
        """What must be the same however it came to be: not times, not numbers of passes."""
        db = sqlite3.connect(f"file:{self.mirror}?mode=ro", uri=True)
        customers = db.execute("SELECT customer_id, raw, deleted_at IS NULL FROM customers ORDER BY 1").fetchall()
        users = db.execute("SELECT * FROM customer_users ORDER BY 1, 2").fetchall()
        changes = db.execute("SELECT customer_id, kind, changed_fields, before FROM customer_changes ORDER BY 1, seq").fetchall()
        state = db.execute("SELECT state FROM passes ORDER BY pass_id DESC LIMIT 1").fetchone()
        db.close()
        return customers, users, changes, state

    def end(self):
        self.server.terminate()
        self.server.wait()
        shutil.rmtree(self.top)


def good(run, what):
    if run.returncode != 0:
        sys.exit(f"{what}: {run.returncode}: {run.stderr}")


def scenarios(world):
    """Name, command, a folder with what there is before it, and the other files that it writes."""
    world.day(1)
    world.clear()
    yield "first pass", ["sync"], world.keep(), []
    good(world.run(["sync"]), "first pass")
    settled = world.keep()
    yield "unchanged pass", ["sync"], settled, []
    world.day(30)
    yield "changing pass with deletions", ["sync"], settled, []
    world.environment["CUSTOMER_MIRROR__CHANGES__KEEP"] = "1d"
    world.environment["CUSTOMER_MIRROR__DELETIONS__PURGE_AFTER"] = "1d"
    world.restore(settled)
    good(world.run(["sync"]), "changing pass")
    with sqlite3.connect(world.mirror) as db:
        db.execute("UPDATE customer_changes SET changed_at = '2020-01-01T00:00:00.000Z'")
        db.execute("UPDATE customers SET deleted_at = '2020-01-01T00:00:00.000Z' WHERE deleted_at IS NOT NULL")
        gone = db.execute("SELECT customer_id FROM customers WHERE deleted_at IS NOT NULL").fetchone()[0]
    db.close()
    old = world.keep()
    yield "pass that prunes and purges", ["sync"], old, []
    del world.environment["CUSTOMER_MIRROR__CHANGES__KEEP"]
    del world.environment["CUSTOMER_MIRROR__DELETIONS__PURGE_AFTER"]
    yield "forget", ["forget", gone], old, []
    for name in ["out.db", "out.csv", "out.parquet"]:
        yield f"export to {name}", ["export", "--output", name], old, [name]
    world.restore(old)
    with sqlite3.connect(world.mirror) as db:
        page = db.execute("SELECT pageno FROM dbstat WHERE name = 'customers' AND pagetype = 'leaf' LIMIT 1").fetchone() if has_dbstat(db) else (30,)
    db.close()
    with open(world.mirror, "r+b") as file:
        file.seek((page[0] - 1) * 4096)
        file.write(b"\xaa" * 4096)
    yield "recover", ["recover"], world.keep(), ["m.db.recovered.part"]


def has_dbstat(db):
    return any(name == "dbstat" for name, in db.execute("SELECT name FROM pragma_module_list"))


def strace(world, others, calls, log, fault=None):
    names = ["m.db", "m.db-wal", "m.db-shm", "m.db.lock", *others]
    paths = [part for name in names for part in ("-P", f"{world.folder}/{name}")]
    inject = ["-e", f"inject={calls}:error={fault[0]}:when={fault[1]}"] if fault else []
    return ["strace", "-f", "-qq", "-o", log, *paths, "-e", f"trace={calls}", *inject]


def counted(log):
    """How often the calls were made, by the busiest thread: strace counts for each thread."""
    threads = {}
    with open(log) as lines:
        for line in lines:
            if "(" in line and "resumed>" not in line:
                thread = line.split()[0]
                threads[thread] = threads.get(thread, 0) + 1
    return max(threads.values(), default=0)


def chosen(count):
    if POINTS == 0 or count <= POINTS:
        return range(1, count + 1)
    return sorted({1 + round(index * (count - 1) / (POINTS - 1 or 1)) for index in range(POINTS)})


def judge(world, what, run, allowed):
    """What is wrong with how a command ended that met a fault."""
    if run.returncode not in allowed:
        return f"exit status {run.returncode}"
    if "panicked" in run.stderr or "bug" in run.stderr.lower():
        return "a bug is spoken of"
    messages = [line for line in run.stderr.splitlines() if line.startswith("customer-mirror: ")]
    if run.returncode and len(messages) != 1:
        return f"{len(messages)} messages"
    if what != "recover" and os.path.exists(world.mirror) and os.path.getsize(world.mirror):
        check = world.run(["check", "--offline", "--full", "--json"])
        integrity = [one for one in json.loads(check.stdout)["checks"] if one["name"] == "integrity"]
        if integrity[0]["status"] == "fail":
            return f"the mirror is damaged: {integrity[0]['found']}"
    return None


def main():
    world = World()
    rounds, failed, messages, begun = 0, 0, {}, time.monotonic()
    log = f"{world.top}/log"
    try:
        for what, command, before, others in scenarios(world):
            world.restore(before)
            good(world.run(command), what)
            expected = world.picture()
            for calls, error, allowed in FAULTS:
                world.restore(before)
                world.run(command, strace(world, others, calls, log))
                for when in chosen(counted(log)):
                    world.restore(before)
                    run = world.run(command, strace(world, others, calls, log, (error, when)))
                    with open(log) as lines:
                        if "INJECTED" not in lines.read():
                            continue
                    rounds += 1
                    wrong = judge(world, what, run, allowed)
                    if run.returncode:
                        kind = run.stderr.strip().splitlines()[-1].replace(world.folder, "…")
                        messages.setdefault(re.sub(r"[0-9.]+ [KMG]iB", "N", kind), f"{what}, {calls} {error} {when}")
                    again = world.run(command)
                    if not wrong and again.returncode == 66 and what == "forget":
                        pass  # erased by the first run
                    elif not wrong and again.returncode:
                        wrong = f"the next run ends with {again.returncode}: {again.stderr}"
                    if not wrong and world.picture() != expected:
                        wrong = "the next run comes to something else"
                    if wrong:
                        failed += 1
                        print(f"FAILED {what}: {calls} {error} number {when}: {wrong}\n{run.stderr}", flush=True)
            print(f"ok    {what}: {rounds} faults so far, {failed} failed, {time.monotonic() - begun:.0f} s", flush=True)
    finally:
        world.end()
    if os.environ.get("MESSAGES"):
        for message, first in messages.items():
            print(f"{first}: {message}")
    print(f"{rounds} faults, {failed} failed")
    sys.exit(1 if failed or not rounds else 0)


main()

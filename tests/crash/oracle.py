"""What a mirror must be, worked out from what the server listed by code that has nothing of the program's; and what one is.

A picture holds all that the contract promises of a mirror: customers, users, change feed, quarantine, passes with their counters and
checkpoint. `Oracle` says which pictures there may be, one for each commit; `picture` reads the one that a file shows.
"""
import copy
import json
import sqlite3

from api import pages

COUNTERS = ("records", "created", "updated", "unchanged", "deleted", "restored", "quarantined", "bytes")
PASS = ("state", "pages", "next_cursor", *COUNTERS, "sweep")

# What must hold of any mirror; each counts what is wrong.
SOUND = """
SELECT 'foreign keys', count(*) FROM pragma_foreign_key_check
UNION ALL SELECT 'count of the live', (SELECT value FROM mirror_meta WHERE key = 'live_customers') - count(*) FROM live_customers
UNION ALL SELECT 'count of the deleted', (SELECT value FROM mirror_meta WHERE key = 'deleted_customers') - count(*)
  FROM customers WHERE deleted_at IS NOT NULL
UNION ALL SELECT 'customer_state', count(*) FROM customers LEFT JOIN customer_state USING (row_id) WHERE live IS NOT (deleted_at IS NULL)
UNION ALL SELECT 'states of nobody', count(*) FROM customer_state WHERE row_id NOT IN (SELECT row_id FROM customers)
UNION ALL SELECT 'pages of the walk', count(*) FROM passes WHERE state = 'running' AND pages <> (SELECT count(*) FROM pass_pages)
UNION ALL SELECT 'checkpoint', count(*) FROM passes WHERE state = 'running' AND next_cursor IS NOT
  (SELECT next_cursor FROM pass_pages ORDER BY page DESC LIMIT 1)
UNION ALL SELECT 'pages of no walk', count(*) FROM pass_pages WHERE NOT EXISTS (SELECT 1 FROM passes WHERE state = 'running')
"""


class Oracle:
    def __init__(self):
        self.customers = {}  # customerId -> [record, is live]
        self.feed = {}  # customerId -> [(kind, record before)]
        self.quarantine = set()
        self.passes = []
        self.version = 1

    def copy(self):
        return copy.deepcopy(self)

    def begin(self):
        self.passes.append(dict.fromkeys(COUNTERS, 0) | {"state": "running", "pages": 0, "next_cursor": None, "sweep": "none"})

    def page(self, records, following, body):
        row = self.passes[-1]
        row["pages"] += 1
        row["next_cursor"] = following
        row["bytes"] += len(body)
        for record in records:
            row["records"] += 1
            row[self._record(record)] += 1

    def _record(self, record):
        try:
            text = record.decode()
        except UnicodeDecodeError:
            self.quarantine.add(record)
            return "quarantined"
        key = json.loads(text)["customerId"]
        known = self.customers.get(key)
        self.customers[key] = [text, True]
        if known == [text, True]:
            return "unchanged"
        kind = "created" if known is None else "updated" if known[1] else "restored"
        self.feed.setdefault(key, []).append((kind, known and known[0]))
        return kind

    def end(self, listed, sweep="done"):
        row = self.passes[-1]
        row["state"], row["sweep"] = "complete", sweep
        for one in self.passes[:-1]:
            if one["sweep"] == "held":
                one["sweep"] = "superseded"
        if sweep == "done":
            self.delete(self.absent(listed))

    def absent(self, listed):
        names = {json.loads(record.decode(errors="replace"))["customerId"] for record in listed}
        return [key for key, (_, is_live) in self.customers.items() if is_live and key not in names]

    def delete(self, keys):
        self.passes[-1]["deleted"] += len(keys)
        for key in keys:
            self.customers[key][1] = False
            self.feed[key].append(("deleted", self.customers[key][0]))

    def erase(self, keys):
        for key in keys:
            del self.customers[key]
            del self.feed[key]

    def walk(self, records, size, sweep="done"):
        """Takes a whole pass; yields the picture that each of its commits leaves."""
        self.begin()
        yield self.copy()
        for page in pages(records, size):
            self.page(*page)
            yield self.copy()
        self.end(records, sweep)
        yield self.copy()

    def picture(self):
        return {
            "customers": {key: tuple(value) for key, value in self.customers.items()},
            "users": {(key, f"user-{key}") for key in self.customers},
            "feed": {key: list(value) for key, value in self.feed.items() if value},
            "quarantine": self.quarantine,
            "passes": [tuple(row[name] for name in PASS) for row in self.passes],
            "version": self.version,
        }


def opened(path):
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def picture(path):
    """The picture that a mirror's file shows; None if there is none yet."""
    if not path.exists():
        return None
    if path.with_name(f"{path.name}-journal").exists():
        # Its making was not finished, which only a writer can undo.
        return None
    db = opened(path)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            assert db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0, "half a schema"
            return None
        assert (verdict := db.execute("PRAGMA integrity_check").fetchall()) == [("ok",)], verdict
        wrong = [row for row in db.execute(SOUND) if row[1] != 0]
        assert not wrong, wrong
        feed, numbers = {}, []
        for seq, key, kind, before in db.execute("SELECT seq, customer_id, kind, before FROM customer_changes ORDER BY seq"):
            numbers.append(seq)
            feed.setdefault(key, []).append((kind, before))
        missing = db.execute("SELECT count(*) FROM mirror_meta WHERE key LIKE 'changes%'").fetchone()[0]
        assert missing or numbers == list(range(1, len(numbers) + 1)), "the change feed has a gap"
        bad = {raw if isinstance(raw, bytes) else raw.encode() for (raw,) in db.execute("SELECT raw FROM quarantine")}
        return {
            "customers": {
                key: (raw, deleted is None) for key, raw, deleted in db.execute("SELECT customer_id, raw, deleted_at FROM customers")
            },
            "users": set(db.execute("SELECT customer_id, user_id FROM customer_users")),
            "feed": feed,
            "quarantine": bad,
            "passes": list(db.execute(f"SELECT {', '.join(PASS)} FROM passes ORDER BY pass_id")),
            "version": version,
        }
    finally:
        db.close()


def differences(found, expected):
    """Where two pictures differ, in a few words."""
    if found is None or expected is None:
        return f"found {'none' if found is None else 'one'}"
    told = []
    for name, value in expected.items():
        have = found[name]
        if have == value:
            continue
        if isinstance(value, dict):
            keys = [key for key in value.keys() | have.keys() if value.get(key) != have.get(key)]
            told.append(f"{name}: {len(keys)} differ, such as {keys[0]}: {have.get(keys[0])} for {value.get(keys[0])}")
        else:
            told.append(f"{name}: {have} for {value}")
    return "; ".join(text[:600] for text in told)

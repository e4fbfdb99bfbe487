"""The mirror as anybody sees it with SQLite: what must be true in every snapshot, whoever writes meanwhile."""
import json
import sqlite3


def connect(path, timeout=0.0):
    """Reads only. Does not wait unless told to: a reader that has to is what this looks for."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=timeout, isolation_level=None)
    connection.execute("PRAGMA query_only = 1")
    return connection


def number(connection, sql, *values):
    return connection.execute(sql, values).fetchone()[0]


def meta(connection, key, default=0):
    row = connection.execute("SELECT value FROM mirror_meta WHERE key = ?", (key,)).fetchone()
    return default if row is None else row[0]


def half_done(connection, keeps_all=True):
    """What no snapshot may show: half a page, half a sweep, a feed that says other than the rows. Within one transaction of the caller's."""
    found = []

    def equal(what, one, other):
        if one != other:
            found.append(f"{what}: {one} and {other}")

    live = number(connection, "SELECT count(*) FROM customers WHERE deleted_at IS NULL")
    equal("live customers, counted and kept", live, meta(connection, "live_customers"))
    equal("deleted customers, counted and kept",
          number(connection, "SELECT count(*) FROM customers WHERE deleted_at IS NOT NULL"), meta(connection, "deleted_customers"))
    equal("live customers and their states", live, number(connection, "SELECT count(*) FROM customer_state WHERE live = 1"))
    equal("absent customers that are not live", 0, number(connection, """
        SELECT count(*) FROM absences LEFT JOIN customers USING (row_id) WHERE customers.row_id IS NULL OR deleted_at IS NOT NULL"""))
    equal("a sweep is held, and somebody is", number(connection, "SELECT count(*) > 0 FROM passes WHERE sweep = 'held'"),
          number(connection, "SELECT count(*) > 0 FROM absences WHERE held = 1"))
    equal("passes whose counters do not add up", 0, number(connection, """
        SELECT count(*) FROM passes WHERE records <> created + updated + unchanged + restored + quarantined"""))
    pass_under_way(connection, equal)
    feed(connection, equal, live, keeps_all)
    return found


def pass_under_way(connection, equal):
    row = connection.execute("SELECT pages, next_cursor FROM passes WHERE state = 'running'").fetchone()
    pages, cursor = row or (0, None)
    if row is None:
        # A walk that was judged, or given up, leaves no pages.
        equal("pages without a pass", 0, number(connection, "SELECT count(*) FROM pass_pages"))
        return
    equal("pages of the pass, counted and kept", pages, number(connection, "SELECT count(*) FROM pass_pages"))
    equal("the last page of the pass", pages, number(connection, "SELECT ifnull(max(page), 0) FROM pass_pages"))
    if pages:
        equal("the checkpoint's cursor", cursor,
              number(connection, "SELECT next_cursor FROM pass_pages ORDER BY page DESC LIMIT 1"))


def feed(connection, equal, live, keeps_all):
    newest = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'customer_changes'").fetchone()
    newest, gone = newest[0] if newest else 0, meta(connection, "changes_missing_through")
    equal("changes behind the last that is gone", newest - min(gone, newest),
          number(connection, "SELECT count(*) FROM customer_changes WHERE seq > ?", gone))
    # Of passes that began after the last change that is gone, all changes are there.
    for pass_id, *told in connection.execute("""
            SELECT pass_id, created, updated, restored, deleted,
              (SELECT count(*) FROM customer_changes AS c WHERE c.pass_id = p.pass_id AND kind = 'created'),
              (SELECT count(*) FROM customer_changes AS c WHERE c.pass_id = p.pass_id AND kind = 'updated'),
              (SELECT count(*) FROM customer_changes AS c WHERE c.pass_id = p.pass_id AND kind = 'restored'),
              (SELECT count(*) FROM customer_changes AS c WHERE c.pass_id = p.pass_id AND kind = 'deleted')
            FROM (SELECT * FROM passes ORDER BY pass_id DESC LIMIT 2) AS p WHERE started_at > ?""",
            (meta(connection, "changes_missing_before", ""),)).fetchall():
        equal(f"pass {pass_id}: created, updated, restored, deleted; and its changes", told[:4], told[4:])
    if keeps_all:
        # A customer that was erased was created as often as it was deleted.
        equal("live customers, and what the feed makes of nobody", live, number(connection, """
            SELECT ifnull(sum(CASE kind WHEN 'deleted' THEN -1 WHEN 'updated' THEN 0 ELSE 1 END), 0) FROM customer_changes"""))


def replay(connection):
    """Each customer's history, from its first change to its row: what does not follow from what came before."""
    found, histories = [], {}
    sql = "SELECT customer_id, seq, kind, before FROM customer_changes ORDER BY seq"
    for customer_id, seq, kind, before in connection.execute(sql):
        state, raw = histories.get(customer_id, ("nobody", None))
        expected = {"created": "nobody", "updated": "live", "deleted": "live", "restored": "gone"}[kind]
        if state != expected:
            found.append(f"change {seq}: {kind}, but {customer_id} is {state}")
        if (before is None) != (kind == "created"):
            found.append(f"change {seq}: {kind}, with {before!r:.80} before")
        if kind == "restored" and raw is not None and raw != before:
            found.append(f"change {seq}: restored from another record than was deleted")
        histories[customer_id] = ("gone", before) if kind == "deleted" else ("live", None)
    for customer_id, deleted_at in connection.execute("SELECT customer_id, deleted_at FROM customers"):
        state = histories.pop(customer_id, ("nobody", None))[0]
        if state != ("live" if deleted_at is None else "gone"):
            found.append(f"{customer_id} is {state} by its history, deleted_at is {deleted_at}")
    found += [f"{customer_id} is in the feed, and not in the mirror" for customer_id in histories]
    return found


def live_records(connection):
    return {customer_id: json.loads(raw) for customer_id, raw in connection.execute("SELECT customer_id, raw FROM live_customers")}


def differences(what, mirrored, listed):
    found = [f"{what}: {key} is listed, and missing" for key in listed.keys() - mirrored.keys()]
    found += [f"{what}: {key} is not listed any more" for key in mirrored.keys() - listed.keys()]
    found += [f"{what}: {key} is another record" for key in listed.keys() & mirrored.keys() if listed[key] != mirrored[key]]
    return found

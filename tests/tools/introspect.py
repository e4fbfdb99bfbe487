#!/usr/bin/env python3
"""Looks at every table, column, index and key of a mirror, as graphical tools do when they connect. Usage: introspect.py MIRROR"""
import sqlite3
import sys
import urllib.parse

connection = sqlite3.connect(f"file:{urllib.parse.quote(sys.argv[1])}?mode=ro", uri=True)
objects = connection.execute(
    "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
tables = [name for kind, name, _, _ in objects if kind in ("table", "view")]
for name in tables:
    quoted = '"' + name.replace('"', '""') + '"'
    columns = connection.execute(f"PRAGMA table_xinfo({quoted})").fetchall()
    assert columns, f"{name} has no columns"
    for index in connection.execute(f"PRAGMA index_list({quoted})").fetchall():
        assert connection.execute(f"PRAGMA index_xinfo({index[1]!r})").fetchall(), index
    connection.execute(f"PRAGMA foreign_key_list({quoted})").fetchall()
    connection.execute(f"SELECT * FROM {quoted} LIMIT 200").fetchall()
for expected in ("customers", "live_customers", "customer_users", "customer_changes", "passes", "quarantine",
                 "reference_conflicts", "mirror_freshness"):
    assert expected in tables, expected
try:
    connection.execute("DELETE FROM customers")
    sys.exit("a reader could write")
except sqlite3.OperationalError as error:
    assert "readonly" in str(error), error
print(f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}: {len(tables)} tables and views read")

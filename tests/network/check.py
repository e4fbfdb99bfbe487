#!/usr/bin/env python3
"""The live customers of a mirror are those of api.py, each as sent: check.py MIRROR"""

import json, sqlite3, sys

db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
mirrored = {one: json.loads(raw) for one, raw in db.execute("SELECT customer_id, raw FROM live_customers")}
expected = {f"c{n}": {"customerId": f"c{n}", "name": f"Customer {n}", "metadata": {"filler": "x" * 500}} for n in range(300)}
assert mirrored == expected, (len(mirrored), sorted(expected.keys() ^ mirrored.keys())[:10])

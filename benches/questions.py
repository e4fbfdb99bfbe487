"""Times short commands as whole processes, with a mirror of any size: `--version`, `get`, `status`, `search`."""
import sqlite3

import measure


def samples(mirror):
    """What to ask for: an ID and a name, of customers in the midst of the mirror."""
    with sqlite3.connect(f"file:{mirror}?mode=ro", uri=True) as db:
        last = db.execute("SELECT max(row_id) FROM customers").fetchone()[0]
        return db.execute("SELECT customer_id, name FROM customers WHERE name IS NOT NULL AND row_id >= ?", (last // 2,)).fetchone()


def ask(program, mirror, runs=11):
    """The median wall and CPU time of each command in ms, by its name in `measure.TARGETS`."""
    customer_id, name = samples(mirror)
    environment = {"CUSTOMER_MIRROR__MIRROR__PATH": str(mirror), "CUSTOMER_MIRROR__API__BASE_URL": "http://127.0.0.1:1",
                   "CUSTOMER_MIRROR__LOG__LEVEL": "error"}
    commands = {"--version": ["--version"], "get": ["get", "--raw", customer_id], "status": ["status"], "search": ["search", name]}
    times = {}
    for label, arguments in commands.items():
        median = measure.median([measure.run([program, *arguments], environment) for _ in range(runs)])
        times[label] = (median.wall * 1000, median.cpu * 1000)
    return times

"""What the peers that are written by hand share: the listing, page by page, and the one table of strong.py and msgspec_strong.py. DB, URL and
KEY come from the environment."""
import os, sqlite3
import requests

COLS = ("customerId", "customerType", "name", "contact", "identity", "preferredLocale", "humanReadableId",
        "referenceId", "billing", "users", "contactPerson", "shipping", "metadata")
NESTED = {"contact", "billing", "users", "contactPerson", "shipping", "metadata"}


def pages(read):
    """The customers of each page. `read` makes them of a response, and the next cursor, if there is one."""
    s = requests.Session()
    s.headers["X-Api-Key"] = os.environ["KEY"]
    params = {"limit": 1000}
    while True:
        r = s.get(os.environ["URL"] + "/customers", params=params, timeout=60)
        r.raise_for_status()
        customers, cursor = read(r)
        yield customers
        if not cursor:
            return
        params["cursor"] = cursor


def write(pages_of_rows):
    """Rows of COLS into the table, one transaction a page."""
    db = sqlite3.connect(os.environ["DB"], isolation_level=None)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;")
    db.execute(f"CREATE TABLE IF NOT EXISTS customers ({COLS[0]} TEXT PRIMARY KEY, "
               + ", ".join(f"{c} TEXT" for c in COLS[1:]) + ")")
    sql = (f"INSERT INTO customers VALUES ({','.join('?' * len(COLS))}) ON CONFLICT(customerId) DO UPDATE SET "
           + ", ".join(f"{c}=excluded.{c}" for c in COLS[1:]))
    for rows in pages_of_rows:
        db.execute("BEGIN")
        db.executemany(sql, rows)
        db.execute("COMMIT")
    db.close()

"""The peer: a strong hand-written script, requests + orjson + sqlite3 executemany. 13 columns (nested values as JSON text), one
transaction a page; no raw text, no users, no change feed, no deletions. DB, URL and KEY come from the environment."""
import os, sqlite3
import orjson, requests

COLS = ("customerId", "customerType", "name", "contact", "identity", "preferredLocale", "humanReadableId",
        "referenceId", "billing", "users", "contactPerson", "shipping", "metadata")
NESTED = {"contact", "billing", "users", "contactPerson", "shipping", "metadata"}

db = sqlite3.connect(os.environ["DB"], isolation_level=None)
db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;")
db.execute(f"CREATE TABLE IF NOT EXISTS customers ({COLS[0]} TEXT PRIMARY KEY, "
           + ", ".join(f"{c} TEXT" for c in COLS[1:]) + ")")
sql = (f"INSERT INTO customers VALUES ({','.join('?' * len(COLS))}) ON CONFLICT(customerId) DO UPDATE SET "
       + ", ".join(f"{c}=excluded.{c}" for c in COLS[1:]))


def row(c, dumps=orjson.dumps, get=dict.get):
    return [dumps(v).decode() if k in NESTED and v is not None else v for k in COLS for v in (get(c, k),)]


s = requests.Session()
s.headers["X-Api-Key"] = os.environ["KEY"]
params = {"limit": 1000}
while True:
    r = s.get(os.environ["URL"] + "/customers", params=params, timeout=60)
    r.raise_for_status()
    page = orjson.loads(r.content)
    db.execute("BEGIN")
    db.executemany(sql, map(row, page["items"]))
    db.execute("COMMIT")
    if not page["pagination"]["nextCursor"]:
        break
    params["cursor"] = page["pagination"]["nextCursor"]
db.close()

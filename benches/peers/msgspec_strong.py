"""As strong.py, with msgspec: nested values stay the text that they were sent as. DB, URL and KEY come from the environment."""
import os, sqlite3
import msgspec, requests

COLS = ("customerId", "customerType", "name", "contact", "identity", "preferredLocale", "humanReadableId",
        "referenceId", "billing", "users", "contactPerson", "shipping", "metadata")
NESTED = {"contact", "billing", "users", "contactPerson", "shipping", "metadata"}

Customer = msgspec.defstruct("Customer", [
    (c, msgspec.Raw if c in NESTED else str | None, msgspec.Raw(b"null") if c in NESTED else None) for c in COLS])
Pagination = msgspec.defstruct("Pagination", [("nextCursor", str | None, None)])
Page = msgspec.defstruct("Page", [("items", list[Customer]), ("pagination", Pagination)])

db = sqlite3.connect(os.environ["DB"], isolation_level=None)
db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;")
db.execute(f"CREATE TABLE IF NOT EXISTS customers ({COLS[0]} TEXT PRIMARY KEY, "
           + ", ".join(f"{c} TEXT" for c in COLS[1:]) + ")")
sql = (f"INSERT INTO customers VALUES ({','.join('?' * len(COLS))}) ON CONFLICT(customerId) DO UPDATE SET "
       + ", ".join(f"{c}=excluded.{c}" for c in COLS[1:]))


def row(customer):
    return [bytes(v).decode() if isinstance(v, msgspec.Raw) else v for v in msgspec.structs.astuple(customer)]


decode = msgspec.json.Decoder(Page).decode
s = requests.Session()
s.headers["X-Api-Key"] = os.environ["KEY"]
params = {"limit": 1000}
while True:
    r = s.get(os.environ["URL"] + "/customers", params=params, timeout=60)
    r.raise_for_status()
    page = decode(r.content)
    db.execute("BEGIN")
    db.executemany(sql, map(row, page.items))
    db.execute("COMMIT")
    if not page.pagination.nextCursor:
        break
    params["cursor"] = page.pagination.nextCursor
db.close()

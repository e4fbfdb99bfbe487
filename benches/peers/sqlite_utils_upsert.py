"""sqlite-utils, as its documentation has it: upsert_all of each page. DB, URL and KEY come from the environment."""
import os
import requests, sqlite_utils

db = sqlite_utils.Database(os.environ["DB"])
db.enable_wal()
s = requests.Session()
s.headers["X-Api-Key"] = os.environ["KEY"]
params = {"limit": 1000}
while True:
    r = s.get(os.environ["URL"] + "/customers", params=params, timeout=60)
    r.raise_for_status()
    page = r.json()
    db["customers"].upsert_all(page["items"], pk="customerId", alter=True)
    if not page["pagination"]["nextCursor"]:
        break
    params["cursor"] = page["pagination"]["nextCursor"]
db.close()

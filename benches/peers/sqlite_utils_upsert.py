"""sqlite-utils, as its documentation has it: upsert_all of each page. DB, URL and KEY come from the environment."""
import os

import sqlite_utils

from by_hand import pages


def read(response):
    page = response.json()
    return page["items"], page["pagination"]["nextCursor"]


db = sqlite_utils.Database(os.environ["DB"])
db.enable_wal()
for customers in pages(read):
    db["customers"].upsert_all(customers, pk="customerId", alter=True)
db.close()

"""The peer: a strong hand-written script, requests + orjson + sqlite3 executemany. 13 columns (nested values as JSON text), one
transaction a page; no raw text, no users, no change feed, no deletions. DB, URL and KEY come from the environment."""
import orjson

from by_hand import COLS, NESTED, pages, write


def row(c, dumps=orjson.dumps, get=dict.get):
    return [dumps(v).decode() if k in NESTED and v is not None else v for k in COLS for v in (get(c, k),)]


def read(response):
    page = orjson.loads(response.content)
    return page["items"], page["pagination"]["nextCursor"]


write(map(row, customers) for customers in pages(read))

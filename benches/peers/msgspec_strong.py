"""As strong.py, with msgspec: nested values stay the text that they were sent as. DB, URL and KEY come from the environment."""
import msgspec

from by_hand import COLS, NESTED, pages, write

Customer = msgspec.defstruct("Customer", [
    (c, msgspec.Raw if c in NESTED else str | None, msgspec.Raw(b"null") if c in NESTED else None) for c in COLS])
Pagination = msgspec.defstruct("Pagination", [("nextCursor", str | None, None)])
Page = msgspec.defstruct("Page", [("items", list[Customer]), ("pagination", Pagination)])
decode = msgspec.json.Decoder(Page).decode


def row(customer):
    return [bytes(v).decode() if isinstance(v, msgspec.Raw) else v for v in msgspec.structs.astuple(customer)]


def read(response):
    page = decode(response.content)
    return page.items, page.pagination.nextCursor


write(map(row, customers) for customers in pages(read))

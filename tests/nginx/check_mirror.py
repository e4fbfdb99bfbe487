#!/usr/bin/env python3
"""Is the mirror equal to the pages? Reads both with Python's own json and sqlite3, none of the program's code.

  check_mirror.py PAGES MIRROR [--gone PAGES]

PAGES: a folder of page files, _first.json and then <cursor>.json. Every customer on them must be live in MIRROR, its raw text as
on the page, its columns and users as that text says; nobody else may be live. --gone names the pages of an earlier day: who is on
those and not on PAGES must be a tombstone. Prints what it compared; exit status 1 with the first differences otherwise.
"""
import argparse
import json
import sqlite3
import sys

ADDRESS = ("street1", "street2", "city", "zip", "country", "state", "region", "attention")
COLUMNS = {
    "reference_id": "referenceId", "human_readable_id": "humanReadableId", "customer_type": "customerType",
    "name": "name", "identity": "identity", "preferred_locale": "preferredLocale",
    "contact_email": "contact.email", "contact_msisdn": "contact.msisdn",
    "billing_method": "billing.method", "billing_currency": "billing.currency", "billing_email": "billing.email",
    "billing_default_payment_profile_id": "billing.defaultPaymentProfileId", "billing_auto_pay": "billing.autoPay",
    "contact_person_user_id": "contactPerson.userId", "contact_person_name": "contactPerson.name",
    "contact_person_role": "contactPerson.role", "shipping_name": "shipping.name",
    "shipping_msisdn": "shipping.msisdn", "shipping_instructions": "shipping.instructions",
    "upstream_created_at": "createdAt", "upstream_updated_at": "updatedAt",
    **{f"billing_address_{part}": f"billing.address.{part}" for part in ADDRESS},
    **{f"shipping_address_{part}": f"shipping.address.{part}" for part in ADDRESS},
}


def pages(folder):
    name = "_first"
    while name:
        with open(f"{folder}/{name}.json", encoding="utf-8") as file:
            text = file.read()
        page = json.loads(text)
        yield text, page["items"]
        name = page["pagination"].get("nextCursor")


def records(folder):
    """Yields (customer, its exact text): the decoder says where each item ends."""
    decoder = json.JSONDecoder()
    for text, items in pages(folder):
        at = text.index("[") + 1
        for expected in items:
            at = next(i for i in range(at, len(text)) if text[i] not in " \t\r\n,")
            customer, end = decoder.raw_decode(text, at)
            assert customer == expected
            yield customer, text[at:end]
            at = end


def value(customer, path):
    for key in path.split("."):
        if not isinstance(customer, dict):
            return None
        customer = customer.get(key)
    return int(customer) if isinstance(customer, bool) else customer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pages")
    parser.add_argument("mirror")
    parser.add_argument("--gone")
    arguments = parser.parse_args()
    mirror = sqlite3.connect(f"file:{arguments.mirror}?mode=ro", uri=True)
    mirror.row_factory = sqlite3.Row
    problems, listed, users = [], set(), 0
    for customer, raw in records(arguments.pages):
        key = customer["customerId"]
        listed.add(key)
        row = mirror.execute("SELECT * FROM live_customers WHERE customer_id = ?", (key,)).fetchone()
        if row is None:
            problems.append(f"{key}: not live in the mirror")
            continue
        if row["raw"] != raw:
            problems.append(f"{key}: raw differs")
        for column, path in COLUMNS.items():
            sent = value(customer, path)
            if column == "contact_person_user_id" and sent is None:
                sent = customer.get("contactPersonUserId")
            if row[column] != sent:
                problems.append(f"{key}: {column} is {row[column]!r}, sent was {sent!r}")
        metadata = customer.get("metadata")
        if (json.loads(row["metadata"]) if row["metadata"] else None) != metadata:
            problems.append(f"{key}: metadata differs")
        wanted = {(u["userId"], u.get("name"), u.get("role")) for u in customer.get("users") or []}
        held = set(map(tuple, mirror.execute("SELECT user_id, name, role FROM customer_users WHERE customer_id = ?", (key,))))
        users += len(held)
        if held != wanted:
            problems.append(f"{key}: users differ")
    live = {row[0] for row in mirror.execute("SELECT customer_id FROM live_customers")}
    problems += [f"{key}: live in the mirror, but not listed" for key in sorted(live - listed)]
    gone = set()
    if arguments.gone:
        gone = {customer["customerId"] for customer, _ in records(arguments.gone)} - listed
        dead = {row[0] for row in mirror.execute("SELECT customer_id FROM customers WHERE deleted_at IS NOT NULL")}
        problems += [f"{key}: is gone, but no tombstone" for key in sorted(gone - dead)]
        problems += [f"{key}: a tombstone, but not gone" for key in sorted(dead - gone)]
    if mirror.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
        problems.append("integrity_check failed")
    for problem in problems[:20]:
        print(problem, file=sys.stderr)
    print(f"{len(listed)} customers, {users} users, {len(gone)} gone: {'equal' if not problems else f'{len(problems)} differences'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

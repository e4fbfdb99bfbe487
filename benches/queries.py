#!/usr/bin/env python3
"""Questions to a mirror, in turn by customer-mirror, sqlite3 and Datasette. See queries.sh.

customer-mirror and sqlite3 are whole processes: wall time and CPU with their start. Datasette is a server that runs
already: the time of a request, from Python, and nothing else.
"""
import argparse
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

DEVNULL = subprocess.DEVNULL


def whole_process(command, environment):
    """Wall seconds and CPU seconds of a command."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=DEVNULL, stderr=subprocess.PIPE)
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode != 0:
        sys.exit(f"{command}: exit status {process.returncode}: {complaint.decode()}")
    return wall, usage.ru_utime + usage.ru_stime


def request(url):
    """Wall seconds of a request; None if it was given up by the server."""
    started = time.perf_counter()
    try:
        with urllib.request.urlopen(url, timeout=600) as response:
            response.read()
    except urllib.error.HTTPError:
        return None
    return time.perf_counter() - started


def samples(mirror):
    """A customer from the middle of the mirror, and what it may be searched by."""
    connection = sqlite3.connect(f"file:{urllib.parse.quote(mirror)}?mode=ro", uri=True)
    rows = connection.execute("SELECT max(row_id) FROM customers").fetchone()[0]
    row = connection.execute(
        "SELECT customer_id, reference_id, name, contact_email, contact_msisdn, billing_address_city FROM live_customers"
        " WHERE row_id >= ? AND reference_id IS NOT NULL AND length(contact_email) > 12 AND contact_msisdn LIKE '+46%'"
        " AND name GLOB '* *' LIMIT 1", (rows // 2,)).fetchone()
    last = connection.execute("SELECT max(seq) FROM customer_changes").fetchone()[0]
    city = connection.execute(
        "SELECT billing_address_city FROM live_customers WHERE row_id < 20000 AND billing_address_city NOT GLOB '* *'"
        " GROUP BY 1 ORDER BY count(*) DESC LIMIT 1").fetchone()[0]
    connection.close()
    return {"id": row[0], "reference": row[1], "name": row[2], "email": row[3], "phone": row[4], "common": city, "last": last}


def questions(sample, scratch):
    """Label, our arguments, SQL for sqlite3 (None: none), path for Datasette (None: none)."""
    quoted = urllib.parse.quote
    like = lambda text: (
        "SELECT customer_id, name FROM live_customers WHERE " + " OR ".join(
            f"{column} LIKE '%{text}%'" for column in
            ("name", "contact_email", "billing_email", "contact_msisdn", "identity", "reference_id", "billing_address_city",
             "billing_address_street1", "shipping_name", "contact_person_name")) + " LIMIT 20")
    where = "SELECT raw FROM customers WHERE {} = '{}'"
    national = "0" + sample["phone"][3:5] + "-" + sample["phone"][5:]
    local = sample["email"].split("@")[0][2:]
    country = ("SELECT billing_address_country, count(*) FROM live_customers GROUP BY 1 ORDER BY 2 DESC")
    three = "SELECT customer_id, name, contact_email FROM live_customers"
    after = sample["last"] - 1000
    table = "/customers/{}.json?_shape=array&_nocount=1&{}"
    return [
        ("get, customerId", ["get", "--raw", sample["id"]], where.format("customer_id", sample["id"]),
         table.format("customers", "customer_id__exact=" + quoted(sample["id"]))),
        ("get, referenceId", ["get", "--raw", sample["reference"]], where.format("reference_id", sample["reference"]),
         table.format("customers", "reference_id__exact=" + quoted(sample["reference"]))),
        ("search: a name", ["search", sample["name"]], like(sample["name"].replace("'", "''")), None),
        ("search: part of an e-mail", ["search", local], like(local),
         table.format("live_customers", "contact_email__contains=" + quoted(local) + "&_size=20")),
        ("search: a phone number, national", ["search", national], like(sample["phone"][3:]), None),
        ("search: a common city", ["search", sample["common"]], like(sample["common"].replace("'", "''")), None),
        ("search: no hit", ["search", "qzxwvqzxwv"], like("qzxwvqzxwv"),
         table.format("live_customers", "name__contains=qzxwvqzxwv&_size=20")),
        ("search: two letters", ["search", "an"], like("an"), None),
        ("query: customers by country", ["query", "--format", "csv", country], country,
         "/customers.json?_shape=array&sql=" + quoted(country)),
        ("query: three columns of all", ["query", "--format", "csv", three], three, None),
        ("changes: the last 1000", ["changes", "--after", str(after)],
         f"SELECT * FROM customer_changes WHERE seq > {after}",
         table.format("customer_changes", f"seq__gt={after}&_size=1000")),
        ("status", ["status"], None, None),
        ("export, csv", ["export", "--format", "csv", "--output", f"{scratch}/x.csv"], "SELECT * FROM live_customers", None),
        ("export, ndjson", ["export", "--format", "ndjson", "--output", f"{scratch}/x.ndjson"],
         "SELECT raw FROM live_customers", None),
        ("export, sqlite", ["export", "--output", f"{scratch}/x.db"], f"VACUUM INTO '{scratch}/y.db'", None),
    ]


def datasette(mirror, scratch):
    """Starts a Datasette; returns it and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    link = f"{scratch}/customers.db"
    if os.path.realpath(mirror) != os.path.realpath(link):
        os.symlink(mirror, link)
    server = subprocess.Popen(
        [sys.executable, "-m", "datasette", link, "--port", str(port), "--setting", "sql_time_limit_ms", "600000",
         "--setting", "max_returned_rows", "1000", "--setting", "suggest_facets", "off"], stdout=DEVNULL, stderr=DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(address + "/-/versions.json").read()
            return server, address
        except OSError:
            time.sleep(0.1)
    sys.exit("Datasette doesn't answer")


def main():
    parser = argparse.ArgumentParser()
    for name in ("--bin", "--mirror", "--scratch"):
        parser.add_argument(name, required=True)
    parser.add_argument("--runs", type=int, required=True)
    options = parser.parse_args()
    environment = {"PATH": os.environ["PATH"], "CUSTOMER_MIRROR__MIRROR__PATH": options.mirror,
                   "CUSTOMER_MIRROR__API__BASE_URL": "http://127.0.0.1:1", "CUSTOMER_MIRROR__LOG__LEVEL": "error"}
    server, address = datasette(options.mirror, options.scratch)
    print("| question | ms | CPU ms | sqlite3 ms | CPU ms | Datasette ms |\n|---|---|---|---|---|---|")
    try:
        for label, arguments, sql, path in questions(samples(options.mirror), options.scratch):
            ours, theirs, served = [], [], []
            runs = options.runs
            run = 0
            while run < runs:
                ours.append(whole_process([options.bin, "-q", *arguments], environment))
                if sql:
                    # What a statement writes into must not be there.
                    if os.path.exists(f"{options.scratch}/y.db"):
                        os.remove(f"{options.scratch}/y.db")
                    mode = ["-csv"] if sql.startswith("VACUUM") else ["-readonly", "-csv"]
                    theirs.append(whole_process(["sqlite3", *mode, options.mirror, sql], environment))
                if path:
                    served.append(request(address + path))
                run += 1
                # What takes long needs no more runs to be told from the others.
                if ours[0][0] > 3 or (theirs and theirs[0][0] > 3):
                    runs = min(runs, 3)
            row = [label]
            for figures in (ours, theirs):
                if not figures:
                    row += ["–"] * 2
                    continue
                wall, cpu = (statistics.median(values) for values in zip(*figures))
                row += [f"{wall * 1000:.1f}", f"{cpu * 1000:.1f}"]
            row.append("–" if not served or None in served else f"{statistics.median(served) * 1000:.1f}")
            print("| " + " | ".join(row) + " |", flush=True)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()

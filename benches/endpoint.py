#!/usr/bin/env python3
"""What the HTTP endpoint takes, and what it takes from others.

    benches/endpoint.py pages MIRROR [RUNS]       each page of a mirror, served by `serve`: median, slowest
    benches/endpoint.py passes PAGES_URL [RUNS]   a first and an unchanged pass of the daemon, in turn alone and with clients that ask all the time

PAGES_URL lists customers (tests/nginx/setup.sh shows how to serve recorded pages); its key is in $KEY. The program is in
$CUSTOMER_MIRROR_BIN, else target/release/customer-mirror.
"""
import http.client, os, signal, socket, sqlite3, statistics, subprocess, sys, tempfile, threading, time

PROGRAM = os.environ.get("CUSTOMER_MIRROR_BIN", "target/release/customer-mirror")
CLIENTS = 8
PAUSE = 0.1  # of each client between two requests, in seconds: the clients run on the same machine, and take from the pass, too
PATHS = [
    "/", "/healthz", "/readyz", "/api/status", "/metrics", "/customers", "/customers?standing=deleted", "/customers?since=2h",
    "/customers?type=BUSINESS", "/customers?country=NO", "/customers?type=NOBODY", "/customers?q=nobodycalledso",
    "/customers?q=andersson", "/customers?q=and", "/customers?q=andersson&page=9", "/customers?q=anna+stockholm",
    "/customers?q=070-123", "/customers?q=andersson&type=NOBODY", "/deletions", "/quarantine", "/conflicts",
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def start(arguments, port, **settings):
    environment = {f"CUSTOMER_MIRROR__{name}": str(value) for name, value in settings.items()}
    process = subprocess.Popen([PROGRAM, *arguments], env=environment, stderr=subprocess.DEVNULL)
    while True:
        try:
            get(port, "/healthz")
            return process
        except OSError:
            if process.poll() is not None:
                sys.exit(f"{PROGRAM} ended with {process.returncode}")
            time.sleep(0.02)


def pages(mirror, runs):
    port = free_port()
    process = start(["serve", "--listen", f"127.0.0.1:{port}"], port, MIRROR__PATH=mirror)
    paths = list(PATHS)
    customer = sqlite3.connect(f"file:{mirror}?mode=ro", uri=True).execute("SELECT customer_id FROM customers LIMIT 1").fetchone()[0]
    paths.append(f"/customers/{customer}")
    print("| page | kB | median ms | slowest ms |\n|---|---|---|---|")
    for path in paths:
        times = []
        for _ in range(runs):
            begun = time.perf_counter()
            status, body = get(port, path)
            times.append((time.perf_counter() - begun) * 1000)
            assert status == 200 or path == "/readyz", (path, status, body)
            time.sleep(0.03)  # fewer requests a second than it would refuse
        shown = "/customers/{id}" if path.endswith(customer) else path
        print(f"| `{shown}` | {len(body) / 1000:.1f} | {statistics.median(times):.1f} | {max(times):.1f} |", flush=True)
    process.terminate()
    process.wait()


def passes(url, runs):
    kinds = {"alone": [], "with clients": []}
    for _ in range(runs):
        for kind, measured in kinds.items():
            measured.append(two_passes(url, kind == "with clients"))
    print("| | first pass s | unchanged pass s | answered a second | turned away a second |\n|---|---|---|---|---|")
    for kind, measured in kinds.items():
        first, unchanged, answered, refused = (statistics.median(column) for column in zip(*measured))
        print(f"| {kind} | {first:.2f} | {unchanged:.2f} | {answered:.0f} | {refused:.0f} |")
    for index, name in enumerate(["first", "unchanged"]):
        ratios = [busy[index] / alone[index] for alone, busy in zip(*kinds.values())]
        print(f"{name}: with clients / alone = {statistics.median(ratios):.2f} (median of {runs} pairs)")


def two_passes(url, with_clients):
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        mirror = f"{folder}/customers.db"
        process = start(
            ["run"], port, API__BASE_URL=url, API__KEY=os.environ["KEY"], MIRROR__PATH=mirror, SCHEDULE__CRON="0 0 1 1 *",
            HTTP__LISTEN=f"127.0.0.1:{port}",
        )
        stop = threading.Event()
        counts = {200: 0, 429: 0}
        begun = time.perf_counter()

        def client(number):
            while not stop.is_set():
                path = PATHS[number % len(PATHS)]
                number += 1
                try:
                    status, _ = get(port, path)
                except OSError:
                    continue
                counts[status] = counts.get(status, 0) + 1
                time.sleep(PAUSE)

        clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS if with_clients else 0)]
        for one in clients:
            one.start()
        took = []
        for number in (1, 2):
            if number == 2:
                process.send_signal(signal.SIGUSR1)
            while (row := finished(mirror, number)) is None:
                time.sleep(0.05)
            took.append(row)
        stop.set()
        for one in clients:
            one.join()
        seconds = time.perf_counter() - begun
        process.terminate()
        process.wait()
        return *took, counts[200] / seconds, counts[429] / seconds


def finished(mirror, number):
    """How long a pass took in seconds, if it is complete."""
    try:
        with sqlite3.connect(f"file:{mirror}?mode=ro", uri=True) as db:
            return (db.execute(
                "SELECT (julianday(finished_at) - julianday(started_at)) * 86400 FROM passes WHERE pass_id = ? AND state = 'complete'",
                [number]).fetchone() or [None])[0]
    except sqlite3.Error:
        return None


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["pages", mirror, *rest]:
            pages(mirror, int(*rest or [15]))
        case ["passes", url, *rest]:
            passes(url, int(*rest or [5]))
        case _:
            sys.exit(__doc__)

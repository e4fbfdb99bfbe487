"""A simulated API, a mirror of it, daemons, and the program as its users call it. What goes wrong anywhere is written down in one place."""
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

# Exit statuses that README names. 70 is missing: it says that the program has a bug.
DOCUMENTED = {0, 64, 65, 66, 69, 73, 74, 75, 76, 77, 78, 130, 143}
# What no reader may ever say, whatever its exit status.
LOCKED = ("database is locked", "SQLITE_BUSY", "database table is locked", "locking protocol")
# A program that takes longer hangs: far over what one takes on a machine that has many other things to do.
PATIENCE_S = 600
PROBLEMS_SHOWN_MAX = 20
KEY = "load-key"


class World:
    """Where everybody is. `jobs` run in threads until `over` is set; the first problem does not stop the others."""

    def __init__(self, program, root, port, seed, settings, pace=1.0):
        self.program, self.root, self.port, self.seed, self.pace = program, root, port, seed, pace
        self.path = f"{root}/customers.db"
        self.base_url = f"http://127.0.0.1:{port}"
        self.http_port = port + 1
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.problems, self.counts = [], collections.Counter()
        self.statuses = collections.defaultdict(collections.Counter)
        self.processes = []
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CUSTOMER_MIRROR")},
            "CUSTOMER_MIRROR__API__BASE_URL": self.base_url,
            "CUSTOMER_MIRROR__API__KEY": KEY,
            "CUSTOMER_MIRROR__MIRROR__PATH": self.path,
            **{f"CUSTOMER_MIRROR__{name.replace('.', '__').upper()}": value for name, value in settings.items()},
        }

    # What is written down.

    def problem(self, text):
        with self.lock:
            self.counts["problems"] += 1
            if len(self.problems) < PROBLEMS_SHOWN_MAX:
                self.problems.append(f"{time.strftime('%H:%M:%S')} {text}")
                print(f"PROBLEM {self.problems[-1]}", flush=True)

    def count(self, name, number=1):
        with self.lock:
            self.counts[name] += number

    def job(self, work, *arguments):
        """Runs `work` in a thread; what it raises is a problem."""
        def guarded():
            try:
                work(*arguments)
            except Exception as error:  # whatever it is, it is to be told
                self.problem(f"{work.__name__}{arguments[:1]}: {type(error).__name__}: {error}")
        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    def dice(self, *name):
        """Random numbers of one's own, the same for the same seed."""
        return random.Random(f"{self.seed} {name}")

    def rest(self, seconds):
        """Waits; true if it is over meanwhile."""
        return self.over.wait(seconds)

    def pause(self, seconds):
        """The same between two deeds: longer where the machine has other things to do."""
        return self.over.wait(seconds * self.pace)

    # The program.

    def run(self, *arguments, allowed=(0,), name=None, timeout=PATIENCE_S, judged=True, path=None):
        """One command, to its end, on the mirror or another at `path`; its exit status must be among the allowed ones, and nothing may be locked."""
        name = name or arguments[0]
        environment = self.environment | {"CUSTOMER_MIRROR__MIRROR__PATH": path or self.path}
        done = subprocess.run([self.program, *arguments], env=environment, capture_output=True, text=True,
                              errors="replace", timeout=timeout, check=False)
        with self.lock:
            self.statuses[name][done.returncode] += 1
        if judged:
            self.judge(name, done.returncode, done.stderr, allowed)
        return done

    def judge(self, name, status, stderr, allowed):
        if status not in allowed:
            self.problem(f"{name}: exit status {status}: {stderr.strip()[-400:]}")
        if any(word in stderr for word in LOCKED):
            self.problem(f"{name}: {stderr.strip()[-400:]}")

    def start(self, *arguments, log, environment=None):
        with open(f"{self.root}/{log}", "ab") as file:
            process = subprocess.Popen([self.program, *arguments], env={**self.environment, **(environment or {})},
                                       stdout=subprocess.DEVNULL, stderr=file)
        self.processes.append(process)
        return process

    # The server.

    def start_server(self, customers, latency="0s"):
        self.start("simulate-api", "--port", str(self.port), "--customers", str(customers), "--key", KEY,
                   "--seed", str(self.seed), "--page-latency", latency, log="server.log")
        wait_until(lambda: self.order("clear-faults") is not None, "the server answers")

    def order(self, command, **query):
        url = f"{self.base_url}/_simulator/{command}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError:
            raise
        except OSError:
            return None

    def listing(self):
        """What the server lists, as {customerId: record}."""
        found, cursor = {}, ""
        while True:
            query = urllib.parse.urlencode({"limit": 1000, "cursor": cursor})
            request = urllib.request.Request(f"{self.base_url}/customers?{query}", headers={"X-Api-Key": KEY})
            with urllib.request.urlopen(request, timeout=60) as answer:
                page = json.load(answer)
            found.update((item["customerId"], item) for item in page["items"])
            cursor = page["pagination"].get("nextCursor")
            if not cursor:
                return found

    # The HTTP endpoint.

    def get(self, path):
        """Status and body of a page of the daemon's; status 0 if nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                self.problem(f"{process.args[1]}: does not end on SIGTERM")
                process.kill()


class Daemon:
    """`customer-mirror run`, with a log of its own."""

    def __init__(self, world, name="daemon"):
        self.world, self.log = world, f"{name}.log"
        self.process = world.start("run", log=self.log, environment={
            "CUSTOMER_MIRROR__HTTP__LISTEN": f"127.0.0.1:{world.http_port}"})

    @property
    def pid(self):
        return self.process.pid

    def has_mirror(self):
        """Whether the lock names it."""
        try:
            with open(f"{self.world.path}.lock", encoding="utf-8") as file:
                return json.loads(file.read() or "{}").get("pid") == self.pid
        except (FileNotFoundError, ValueError):
            return False

    def ask_for_pass(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)

    def stop(self):
        self.process.terminate()
        status = self.process.wait(PATIENCE_S)
        if status != 0:
            self.world.problem(f"the daemon ends with {status} on SIGTERM, see {self.log}")


def wait_until(condition, what, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.1)


def live_in_turns(world, seconds):
    """Until the time is up; says each minute what is found so far."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        time.sleep(min(left, 60))
        print(f"{time.strftime('%H:%M:%S')} {max(left - 60, 0):.0f} s left, {world.counts['problems']} problems, "
              f"{sum(world.counts.values())} looks and deeds", flush=True)


def join_all(world, threads):
    """Waits for everybody to end what they do, now that it is over."""
    for thread in threads:
        thread.join(PATIENCE_S)
        if thread.is_alive():
            world.problem(f"a thread does not end: {thread}")


def conduct(world, story):
    """Plays a story in a world, and ends this program with whether all was well. What a world leaves is kept only if something was not."""
    try:
        story()
    finally:
        world.end()
        if world.problems:
            print(f"\nlogs and mirror are in {world.root}", file=sys.stderr)
        else:
            shutil.rmtree(world.root)
    for problem in world.problems:
        print(f"PROBLEM {problem}", file=sys.stderr)
    sys.exit(1 if world.problems else 0)

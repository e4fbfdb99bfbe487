"""The program as its users start it, with an API behind it; ports and folders of its own for each."""
import itertools
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request

from api import Api

BIN = os.environ["BROWSER_TEST_BIN"]
# Each process of pytest has ports of its own.
PORTS_PER_WORKER = 50
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.count(int(os.environ["BROWSER_TEST_PORT"]) + _worker * PORTS_PER_WORKER)
KEY = "browser-key"
# On a busy machine everything takes longer, and nothing takes so long.
PATIENCE_SECONDS = 30


def free_port():
    return next(_ports)


def until(condition, what):
    """Waits until something outside of the browser is true; its value."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {PATIENCE_SECONDS} s")


class World:
    """A mirror, its configuration, and the processes at work on it."""

    def __init__(self, folder, api_url, page_size=100, **settings):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.processes = []
        self.closing = []
        # A key that is refused from the start is no reason to end if it can be replaced.
        key_file = self.folder / "api-key"
        key_file.write_text(KEY)
        key_file.chmod(0o600)
        self.settings = {
            "API__BASE_URL": api_url,
            "API__KEY_FILE": str(key_file),
            "API__PAGE_SIZE": str(page_size),
            "MIRROR__PATH": str(self.folder / "customers.db"),
            "DELETIONS__CONFIRM_PASSES": "1",
            # Passes begin when a test says so.
            "SCHEDULE__CRON": "0 0 1 1 *",
            "SCHEDULE__RUN_ON_START": "false",
            "HTTP__LISTEN": f"127.0.0.1:{self.port}",
            "LOG__LEVEL": "info",
        } | settings

    @classmethod
    def of_records(cls, folder, records, **settings):
        """With an API that lists these, as `api`."""
        api = Api(free_port(), records)
        world = cls(folder, api.url, **settings)
        world.api = api
        world.closing.append(api.close)
        return world

    @classmethod
    def of_simulator(cls, folder, customers, *arguments, **settings):
        """With `simulate-api`, which obeys `order`."""
        port = free_port()
        world = cls(folder, f"http://127.0.0.1:{port}", page_size=1000, **settings)
        world.simulator = f"http://127.0.0.1:{port}/_simulator/"
        world.spawn("simulate-api", "--port", str(port), "--customers", str(customers), "--key", KEY, *arguments)
        world.reachable(port)
        return world

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        return kept | {f"CUSTOMER_MIRROR__{name}": value for name, value in self.settings.items()}

    def order(self, command):
        urllib.request.urlopen(urllib.request.Request(self.simulator + command, method="POST"), timeout=10).close()

    def command(self, *arguments, expected=0):
        done = subprocess.run([BIN, *arguments], env=self.environment(), capture_output=True, text=True, timeout=120)
        assert done.returncode == expected, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def spawn(self, *arguments):
        with open(self.folder / f"{arguments[0]}.log", "ab") as log:
            process = subprocess.Popen([BIN, *arguments], env=self.environment(), stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def reachable(self, port=None):
        def answers():
            dead = [process.args for process in self.processes if process.poll()]
            assert not dead, f"{dead} ended: {[path.read_text()[-2000:] for path in self.folder.glob('*.log')]}"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}/healthz", timeout=5).close()
            except urllib.error.HTTPError:
                pass
            except OSError:
                return False
            return True

        until(answers, "the server answers")

    def run(self):
        """Starts the daemon."""
        self.daemon = self.spawn("run")
        self.reachable()
        return self

    def serve(self):
        """Starts `serve`, without a daemon."""
        self.server = self.spawn("serve")
        self.reachable()
        return self

    def begin_pass(self):
        self.daemon.send_signal(signal.SIGUSR1)

    def kill(self, process):
        process.kill()
        process.wait()
        self.processes.remove(process)

    def status(self):
        with urllib.request.urlopen(f"{self.origin}/api/status", timeout=10) as answer:
            return json.load(answer)

    def close(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        for close in self.closing:
            close()

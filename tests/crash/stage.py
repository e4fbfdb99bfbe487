"""The program, a server that lists what it is told, a folder; and the customers that there are."""
import json
import os
import pathlib
import subprocess

from api import Api

KEY = "crash-key"
# A program that hangs fails; nothing is asserted about how long things take.
PATIENCE_SECONDS = 300


def record(number, version=1):
    key = f"c{number:05}"
    return json.dumps({
        "customerId": key, "customerType": "CONSUMER", "name": f"Name{number} Of{version}", "referenceId": f"crm-{number}",
        "contact": {"email": f"mail-{number}-{version}@example.com", "msisdn": f"+4670{number:07}"},
        "users": [{"userId": f"user-{key}", "name": f"User {number}", "role": "ADMIN"}],
        "billing": {"address": {"street1": f"Storgatan {number}-{version}", "city": "Lund", "country": "SE"}},
        "metadata": {"note": f"only-{number}-{version} " + "x" * (number % 7 * 40)},
    }).encode()  # fmt: skip


def bad(number):
    return b'{"customerId":"bad-%d","name":"\xff"}' % number


class Stage:
    """The program, a server, a folder; and what they are told."""

    def __init__(self, root, port, customers, page_size):
        self.root, self.customers, self.page_size = pathlib.Path(root), customers, page_size
        self.api = Api(port, page_size)
        self.program = os.environ["CRASH_TEST_BIN"]
        self.upgrader = os.environ.get("CRASH_TEST_UPGRADER")

    def records(self, numbers):
        return [record(number) for number in numbers]

    def call(self, scene, mirror):
        """The command line of a scene, and its environment."""
        return scene.words(self.program, mirror), self.environment(mirror, scene.settings)

    def environment(self, mirror, settings):
        own = {
            "API__BASE_URL": self.api.url, "API__KEY": KEY, "API__PAGE_SIZE": str(self.page_size), "MIRROR__PATH": str(mirror),
            "DELETIONS__CONFIRM_PASSES": "1", "LOG__LEVEL": "warn", "RETRY__INITIAL_DELAY": "10ms",
        }  # fmt: skip
        named = {f"CUSTOMER_MIRROR__{name}": value for name, value in (own | settings).items()}
        # What the program that has the second schema version goes by.
        return named | {"UPGRADE_TEST_MIRROR": str(mirror)}

    def do(self, scene, mirror):
        words, environment = self.call(scene, mirror)
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    def run(self, mirror, arguments, settings):
        words, environment = [self.program, *arguments], self.environment(mirror, settings)
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS)

"""What the program is at when it is killed, or when the power goes: a mirror and a server to begin with, a command, and the pictures
that the mirror may show from then on.
"""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess

from api import Api, pages
from oracle import Oracle, differences, picture

KEY = "crash-key"
# A program that hangs fails; nothing is asserted about how long things take.
PATIENCE_SECONDS = 300
GONE = range(20, 28)
# What is only known of those that are erased.
OLD = "2020-01-01T00:00:00.000Z"


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


def litter(mirror, texts):
    """Writes texts where SQLite leaves some when it moves rows between pages: in the free space of leaves."""
    with mirror.open("r+b") as file:
        content = file.read()
        size = int.from_bytes(content[16:18], "big")
        left = list(texts)
        for at in range(size, len(content), size):
            kind, cells, begin = content[at], int.from_bytes(content[at + 3 : at + 5], "big"), int.from_bytes(content[at + 5 : at + 7], "big")
            text = left[0]
            # Just before the cells, so that it isn't overwritten by the next pointers to them.
            if kind in (10, 13) and begin - 8 - 2 * cells > 2 * len(text):
                file.seek(at + begin - len(text))
                file.write(text)
                left = left[1:] + left[:1]


class Scene:
    """`states` are the pictures that the mirror may show, the last of them in the end."""

    command = ("sync",)
    settings = {}
    # Whether a run that finds all done would begin another pass.
    walks = True
    # How long the command lives, if it doesn't end by itself.
    seconds = None
    # Whether there is more than one process.
    is_crowd = False
    # The picture that there is when the command has reported that it is done; the last one, if nothing else is said.
    reported = None
    # Texts that are in none of the mirror's files when the command has ended well.
    erased = ()

    def __init__(self, stage, name):
        self.stage, self.name = stage, name
        self.folder = stage.root / "scenes" / name
        self.mirror = self.folder / "state" / "m.db"
        self.folder.mkdir(parents=True)
        self.records, self.oracle = stage.records(range(stage.customers)), Oracle()
        self.set_up()
        self.expected = [state.picture() if state else None for state in self.states()]
        self.reported = len(self.expected) - 1 if self.reported is None else self.reported

    def set_up(self):
        self.pass_over(self.records)

    def states(self):
        yield self.oracle.copy()
        yield from self.oracle.walk(self.records, self.stage.page_size)

    def pass_over(self, records, sweep="done", settings=None):
        self.stage.api.list(records)
        ended = self.stage.run(self.mirror, ("sync",), settings or self.settings)
        assert ended.returncode == (65 if sweep == "held" else 0), ended
        for _ in self.oracle.walk(records, self.stage.page_size, sweep):
            pass

    def tamper(self, sql):
        db = sqlite3.connect(self.mirror)
        db.executescript(sql)
        db.close()

    def begin(self, folder):
        """A fresh copy of the scene's beginning."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        self.stage.api.list(self.records)

    def arguments(self, mirror):
        return self.command

    def words(self, program, mirror):
        return [program, *self.arguments(mirror)]

    def look(self, mirror):
        """Which of the expected pictures the mirror shows."""
        found = picture(mirror)
        if found is None:
            told = self.stage.run(mirror, ("status",), {})
            assert told.returncode == 66 and "customer-mirror sync`" in told.stderr, told
        if found not in self.expected:
            near = max(self.expected, key=lambda one: sum((one or {}).get(name) == value for name, value in (found or {}).items()))
            raise AssertionError(f"no commit left this: {differences(found, near)}")
        return len(self.expected) - 1 - self.expected[::-1].index(found)

    def go_on(self, mirror, at):
        """Runs what remains, until all is done, and looks at the end; `at` is the picture that there was."""
        self.check_beside(mirror, at)
        if at < len(self.expected) - 1 or not self.walks:
            ended = self.stage.do(self, mirror)
            assert ended.returncode in self.ends(at), ended
        now = self.look(mirror)
        assert now == len(self.expected) - 1, f"it did not get to its end: {now} of {len(self.expected) - 1}"
        self.check_beside(mirror, now)
        self.check_erased(mirror)

    def ends(self, at):
        """How the command may end where `at` was the picture before."""
        return (0,)

    def check_beside(self, mirror, at):
        """Other files than the mirror's own."""

    def check_erased(self, mirror):
        for file in mirror.parent.iterdir():
            content = file.read_bytes().lower()
            for text in self.erased:
                assert text.lower() not in content, f"{text} is still in {file.name}"

    def repeated(self, mirror):
        """How many requests were made more than once, in all passes since the scene began."""
        pages = [sum(row[1] for row in one["passes"]) if one else 0 for one in (self.expected[0], picture(mirror))]
        return len(self.stage.api.requests) - (pages[1] - pages[0])


class First(Scene):
    def set_up(self):
        self.mirror.parent.mkdir()

    def states(self):
        yield None
        yield from super().states()


class NewFolder(First):
    """The mirror's folder isn't there either."""

    def set_up(self):
        pass


class Changing(Scene):
    settings = {"DELETIONS__MAX_PERCENT": "100"}

    def set_up(self):
        self.pass_over(self.records)
        gone = self.stage.records(number for number in range(self.stage.customers) if number not in GONE)
        self.pass_over(gone)
        changed = self.stage.customers // 4
        self.records = [record(number, 2 if number < changed else 1) for number in range(5, self.stage.customers + 7)]
        self.records[15] = bad(1)


class Resume(Scene):
    """A pass that stopped in its middle goes on."""

    pages_before = 4

    def set_up(self):
        self.pass_over(self.records)
        self.records = [record(number, 2) for number in range(self.stage.customers)]
        walk = pages(self.records, self.stage.page_size)
        self.stage.api.list(self.records)
        self.stage.api.refused = walk[self.pages_before - 1][1]
        ended = self.stage.run(self.mirror, ("sync",), self.settings)
        assert ended.returncode == 77, ended
        self.stage.api.refused = None
        self.oracle.begin()
        for page in walk[: self.pages_before]:
            self.oracle.page(*page)

    def states(self):
        yield self.oracle.copy()
        for page in pages(self.records, self.stage.page_size)[self.pages_before :]:
            self.oracle.page(*page)
            yield self.oracle.copy()
        self.oracle.end(self.records)
        yield self.oracle


class Again(Changing):
    """A pass goes on that was killed, so that the -wal file has what the mirror's file lacks; and is killed again."""

    def states(self):
        states = list(super().states())
        self.stage.api.list(self.records)
        words, environment = self.stage.call(self, self.mirror)
        process = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
        middle = pages(self.records, self.stage.page_size)[6][1]
        self.stage.api.before = lambda cursor: process.kill() if cursor == middle else None
        assert process.wait() == -9
        self.stage.api.before = lambda cursor: None
        assert self.mirror.with_name("m.db-wal").stat().st_size > 0
        left = picture(self.mirror)
        yield from states[[state.picture() for state in states].index(left) :]


class Restart(Resume):
    """It is given up instead, and a new one begins."""

    command = ("sync", "--restart")

    def states(self):
        yield self.oracle.copy()
        self.oracle.passes[-1]["state"] = "abandoned"
        yield self.oracle.copy()
        yield from self.oracle.walk(self.records, self.stage.page_size)

    def go_on(self, mirror, at):
        # What was killed before it gave the old pass up has to be told again.
        self.command = ("sync", "--restart") if at == 0 else ("sync",)
        try:
            super().go_on(mirror, at)
        finally:
            self.command = Restart.command


class Daemon(Changing):
    """A pass each second."""

    command = ("run",)
    settings = Changing.settings | {"SCHEDULE__CRON": "* * * * * *"}
    # How long it may live; and it makes no more passes in that time.
    seconds = 2.5
    passes_max = 5

    def states(self):
        yield from super().states()
        for _ in range(self.passes_max):
            yield from list(self.oracle.walk(self.records, self.stage.page_size))

    def go_on(self, mirror, at):
        ended = self.stage.run(mirror, ("sync",), self.settings)
        assert ended.returncode == 0, ended
        assert self.expected[self.look(mirror)]["passes"][-1][0] == "complete"


class Sweep(Scene):
    settings = {"DELETIONS__MAX_PERCENT": "100"}

    def set_up(self):
        self.pass_over(self.records)
        self.records = self.records[: len(self.records) // 2]


class Decision(Scene):
    walks = False

    def set_up(self):
        self.pass_over(self.records)
        self.records = self.records[: len(self.records) // 2]
        self.pass_over(self.records, "held")

    def ends(self, at):
        return (66,) if at == 1 else (0,)


class Approve(Decision):
    command = ("deletions", "approve")

    def states(self):
        yield self.oracle.copy()
        self.oracle.delete(self.oracle.absent(self.records))
        self.oracle.passes[-1]["sweep"] = "approved"
        yield self.oracle


class Discard(Decision):
    command = ("deletions", "discard")

    def states(self):
        yield self.oracle.copy()
        self.oracle.passes[-1]["sweep"] = "discarded"
        yield self.oracle


class WithGone(Scene):
    """Some customers were changed and then deleted."""

    settings = {"DELETIONS__MAX_PERCENT": "100"}

    def set_up(self):
        self.pass_over(self.records)
        self.records = [record(number, 3 if number in GONE else 1) for number in range(self.stage.customers)]
        self.pass_over(self.records)
        self.records = [one for number, one in enumerate(self.records) if number not in GONE]
        self.pass_over(self.records)
        # Enough for one to be a copy that stays in a page which is rebuilt.
        self.keys = [f"c{number:05}" for number in GONE]
        self.erased = [f"only-{number}-{version}".encode() for number in GONE for version in (1, 3)]
        shutil.copy(self.mirror, f"{self.mirror}.v0-backup")
        litter(self.mirror, self.erased)


class Forget(WithGone):
    walks = False

    def arguments(self, mirror):
        return ("forget", *self.keys)

    def states(self):
        yield self.oracle.copy()
        self.oracle.erase(self.keys)
        yield self.oracle

    def ends(self, at):
        # If it had been done before, nobody has these IDs.
        return (0, 66) if at == 1 else (0,)


class Beside(WithGone):
    """`forget` while a pass is under way; both end at once."""

    is_crowd = True

    def set_up(self):
        super().set_up()
        changed = self.stage.customers // 2
        self.records = [record(number, 2 if number < changed else 1) for number in range(self.stage.customers) if number not in GONE]

    def states(self):
        walked = list(super().states())
        yield from (state.copy() for state in walked)
        for state in walked:
            state.erase(self.keys)
            yield state

    def words(self, program, mirror):
        return ["/bin/sh", "-c", f'"$0" sync & "$0" forget {" ".join(self.keys)} & wait $! && wait', program]

    def go_on(self, mirror, at):
        walked = len(self.expected) // 2
        ended = self.stage.run(mirror, ("forget", *self.keys), self.settings)
        assert ended.returncode in ((0, 66) if at >= walked else (0,)), ended
        self.check_erased(mirror)
        if at % walked < walked - 1:
            ended = self.stage.run(mirror, ("sync",), self.settings)
            assert ended.returncode == 0, ended
        assert self.look(mirror) == len(self.expected) - 1
        self.check_erased(mirror)


class Purge(WithGone):
    """A purge that was not finished is finished by the next pass, which an outsider can't tell from one that was."""

    settings = {"DELETIONS__MAX_PERCENT": "100", "DELETIONS__PURGE_AFTER": "30d"}

    def set_up(self):
        super().set_up()
        self.tamper(f"UPDATE customers SET deleted_at = '{OLD}' WHERE deleted_at IS NOT NULL")

    def states(self):
        yield from super().states()
        self.oracle.erase(self.keys)
        yield self.oracle.copy()
        self.reported = self.oracle.passes[-1]["pages"] + 3
        for _ in self.oracle.walk(self.records, self.stage.page_size):
            pass
        yield self.oracle

    def go_on(self, mirror, at):
        # One run to where the pass is complete, one more that does what the killed one may not have done after that.
        for _ in range(2):
            if self.look(mirror) < len(self.expected) - 1:
                ended = self.stage.do(self, mirror)
                assert ended.returncode == 0, ended
        super().go_on(mirror, self.look(mirror))


class Prune(Scene):
    """Old changes leave the feed."""

    settings = {"CHANGES__KEEP": "30d"}

    def set_up(self):
        self.pass_over(self.records)
        self.tamper(f"UPDATE customer_changes SET changed_at = '{OLD}' WHERE seq <= {len(self.records) // 2}")
        self.records = [record(number, 2) for number in range(self.stage.customers)]

    def states(self):
        *walked, complete = super().states()
        yield from walked
        for number in range(len(self.records) // 2):
            complete.feed[f"c{number:05}"].pop(0)
        yield complete


class Retry(Scene):
    """As a newer version of the program finds records that it understands."""

    command = ("quarantine", "retry")
    walks = False

    def set_up(self):
        self.pass_over([*self.records, bad(1)])
        self.found = [record(number) for number in range(900_000, 900_030)]
        rows = ",".join(f"(1, 1, 'old', '{one.decode()}', '{OLD}', randomblob(16))" for one in self.found)
        self.tamper(f"INSERT INTO quarantine (pass_id, page, reason, raw, at, raw_hash) VALUES {rows}")
        self.oracle.quarantine |= set(self.found)

    def states(self):
        yield self.oracle.copy()
        self.oracle.quarantine -= set(self.found)
        for one in self.found:
            self.oracle._record(one)
        yield self.oracle


class Export(Scene):
    """Over a file that is there: it is the old one or the new one."""

    walks = False
    ending = "csv"

    def set_up(self):
        super().set_up()
        (self.folder / "out").mkdir()
        old = self.place(self.mirror)
        ended = self.stage.do(self, self.mirror)
        assert ended.returncode == 0, ended
        self.new = self.content(old)
        old.write_bytes(b"as it was")
        self.stage.api.list(self.records)

    def states(self):
        yield self.oracle

    def place(self, mirror):
        return mirror.parent.parent / "out" / f"all.{self.ending}"

    def arguments(self, mirror):
        return ("export", "--output", str(self.place(mirror)))

    def content(self, file):
        return picture(file) if self.ending == "db" else file.read_bytes()

    def check_beside(self, mirror, at):
        file = self.place(mirror)
        content = file.read_bytes()
        if content != b"as it was":
            assert self.content(file) == self.new, f"{file.name} is neither the old one nor the new one: {content[:100]}"

    def check_erased(self, mirror):
        assert self.place(mirror).read_bytes() != b"as it was"


class ExportCopy(Export):
    ending = "db"


class ExportParquet(Export):
    ending = "parquet"


class Upgrade(Scene):
    """A mirror of version 1 under a program of a made-up version 2, which the program's own tests have."""

    walks = False

    def states(self):
        yield self.oracle.copy()
        self.oracle.version = 2
        yield self.oracle

    def look(self, mirror):
        at = super().look(mirror)
        db = sqlite3.connect(f"file:{mirror}?mode=ro", uri=True)
        has = [name for _, name, *_ in db.execute("PRAGMA table_info(customers)") if name == "second"]
        assert len(has) == at, has
        if at:
            assert db.execute("SELECT count(*) FROM customers WHERE second IS NOT 'two'").fetchone() == (0,)
        db.close()
        return at

    def check_beside(self, mirror, at):
        backup = mirror.with_name("m.db.v1-backup")
        if at == 1 or backup.exists():
            assert picture(backup) == self.expected[0], "the copy is not as the mirror was"


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
        if isinstance(scene, Upgrade):
            words = [self.upgrader, "--ignored", "--exact", "mirror::upgrade::tests::upgrades_the_mirror_that_is_named"]
            return words, self.environment(mirror, {}) | {"UPGRADE_TEST_MIRROR": str(mirror)}
        return scene.words(self.program, mirror), self.environment(mirror, scene.settings)

    def environment(self, mirror, settings):
        own = {
            "API__BASE_URL": self.api.url, "API__KEY": KEY, "API__PAGE_SIZE": str(self.page_size), "MIRROR__PATH": str(mirror),
            "DELETIONS__CONFIRM_PASSES": "1", "LOG__LEVEL": "warn", "RETRY__INITIAL_DELAY": "10ms",
        }  # fmt: skip
        return {f"CUSTOMER_MIRROR__{name}": value for name, value in (own | settings).items()}

    def do(self, scene, mirror):
        words, environment = self.call(scene, mirror)
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    def run(self, mirror, arguments, settings):
        words, environment = [self.program, *arguments], self.environment(mirror, settings)
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    def scenes(self, but=()):
        made = {
            "first": First, "new folder": NewFolder, "unchanged": Scene, "changing": Changing, "resume": Resume, "restart": Restart, "again": Again, "sweep": Sweep, "prune": Prune,
            "purge": Purge, "forget": Forget, "forget beside": Beside, "approve": Approve, "discard": Discard, "quarantine retry": Retry,
            "daemon": Daemon, "export csv": Export, "export parquet": ExportParquet, "export copy": ExportCopy,
        } | ({"upgrade": Upgrade} if self.upgrader else {})  # fmt: skip
        wanted = os.environ.get("CRASH_TEST_SCENES")
        return [kind(self, name.replace(" ", "-")) for name, kind in made.items() if name not in but and (not wanted or name in wanted.split(","))]

"""All that the program does, as scenes."""
import os
import shutil
import sqlite3
import subprocess

from api import pages
from oracle import picture
from scene import Scene, litter
from stage import bad, record

# Who is erased, and when they had gone.
GONE = range(20, 28)
OLD = "2020-01-01T00:00:00.000Z"


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

    def words(self, program, mirror):
        return [self.stage.upgrader, "--ignored", "--exact", "mirror::upgrade::tests::upgrades_the_mirror_that_is_named"]

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


def scenes(stage, but=()):
    made = {
        "first": First, "new folder": NewFolder, "unchanged": Scene, "changing": Changing, "resume": Resume, "restart": Restart, "again": Again, "sweep": Sweep, "prune": Prune,
        "purge": Purge, "forget": Forget, "forget beside": Beside, "approve": Approve, "discard": Discard, "quarantine retry": Retry,
        "daemon": Daemon, "export csv": Export, "export parquet": ExportParquet, "export copy": ExportCopy,
    } | ({"upgrade": Upgrade} if stage.upgrader else {})  # fmt: skip
    wanted = os.environ.get("CRASH_TEST_SCENES")
    return [kind(stage, name.replace(" ", "-")) for name, kind in made.items() if name not in but and (not wanted or name in wanted.split(","))]

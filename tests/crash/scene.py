"""What the program is at when it is killed, or when the power goes: a mirror and a server to begin with, a command, and the pictures
that the mirror may show from then on.
"""
import shutil
import sqlite3

from oracle import Oracle, differences, picture


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

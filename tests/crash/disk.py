"""A disk that keeps no more than it must: file operations recorded by strace, and what may be left of them when the power goes.

What was written to a file since it was last synced may be there or not, each write or each sector of 512 bytes for itself, in any
combination; so may each change of its length, and each name that was made, changed or removed since its folder was synced.
"""
import re

SECTOR_BYTES = 512
CALLS = (
    "open,openat,creat,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,ftruncate,fallocate,fsync,fdatasync,rename,renameat,"
    "renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,copy_file_range,sendfile"
)
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
FILE = re.compile(r"(-?\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?")
UNFINISHED = " <unfinished ...>"


def plain(text):
    return bytes.fromhex(text.replace("\\x", ""))


def calls(trace):
    """The calls of a trace of `strace -f -y -xx` in the order in which they ended: (name, arguments, result)."""
    begun = {}
    for line in trace:
        match = re.match(r"(\d+) +(.*)", line.rstrip("\n"))
        thread, text = match.groups()
        if text.endswith(UNFINISHED):
            begun[thread] = text[: -len(UNFINISHED)]
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", text)
        if resumed:
            text = begun.pop(thread) + resumed[1]
        call = re.match(r"(\w+)\((.*)\) += (-?\d+)", text)
        if call:
            yield call[1], call[2], int(call[3])


class File:
    def __init__(self, content=b""):
        self.lasting, self.pending, self.position = bytearray(content), [], 0

    def write(self, at, data):
        self.pending.append((at, data))

    def cut(self, size):
        self.pending.append((size, None))

    def sync(self):
        self.lasting = self.with_all(self.pending)
        self.pending = []

    def with_all(self, operations):
        content = bytearray(self.lasting)
        for at, data in operations:
            if data is None:
                del content[at:]
                content.extend(bytes(at - len(content)))
            else:
                content.extend(bytes(max(0, at + len(data) - len(content))))
                content[at : at + len(data)] = data
        return content

    def left(self, dice):
        return bytes(self.with_all(survivors(self.pending, dice, sectors)))


class Folder:
    def __init__(self):
        self.lasting, self.pending = {}, []

    def sync(self):
        self.lasting = self.with_all(self.pending)
        self.pending = []

    def name(self, name, what):
        self.pending.append({name: what})

    def rename(self, old, new):
        self.pending.append({new: self.now()[old], old: None})

    def with_all(self, operations):
        entries = dict(self.lasting)
        for operation in operations:
            entries |= operation
        return {name: what for name, what in entries.items() if what is not None}

    def now(self):
        return self.with_all(self.pending)

    def left(self, dice):
        return self.with_all(survivors(self.pending, dice, lambda operation: [operation]))


def sectors(operation):
    """A write in parts that reach the disk one by one."""
    at, data = operation
    if data is None:
        return [operation]
    edges = [at, *range(at - at % SECTOR_BYTES + SECTOR_BYTES, at + len(data), SECTOR_BYTES), at + len(data)]
    return [(begin, data[begin - at : end - at]) for begin, end in zip(edges, edges[1:])]


def survivors(pending, dice, parts):
    """Which of the operations that were not synced are on the disk: none, all, the first, the last, some, all but one; perhaps in parts."""
    count = len(pending)
    part = dice.randint(0, count)
    torn = dice.random()
    kept = {
        "none": lambda: [],
        "all": lambda: pending,
        "first": lambda: pending[:part],
        "last": lambda: pending[part:],
        "some": lambda: [one for one in pending if dice.random() < torn],
        "but one": lambda: pending[: part - 1] + pending[part:] if part else pending,
        "parts": lambda: [piece for one in pending for piece in parts(one) if dice.random() < torn],
        "torn last": lambda: pending[: part - 1] + [piece for one in pending[part - 1 : part] for piece in parts(one) if dice.random() < torn],
    }  # fmt: skip
    return kept[dice.choice(list(kept))]()


class Disk:
    """The files below `root`, all of them synced to begin with."""

    def __init__(self, root):
        self.root = root
        self.top = self._read(root)
        self.requests, self.answers = 0, 0

    def _read(self, path):
        if path.is_file():
            return File(path.read_bytes())
        folder = Folder()
        folder.lasting = {one.name: self._read(one) for one in path.iterdir() if not one.name.endswith("-shm")}
        return folder

    def _find(self, path):
        """What a path leads to, and the folder that it is in; nothing for what is elsewhere."""
        if path == str(self.root):
            return self.top, None
        if not path.startswith(f"{self.root}/") or path.endswith("-shm"):
            return None, None
        folder, (*above, name) = self.top, path[len(str(self.root)) + 1 :].split("/")
        for one in above:
            folder = folder.now()[one]
        return folder.now().get(name), folder

    def take(self, name, arguments, result):
        """Does what a call did. True if it concerns the disk, or somebody was told something."""
        if result < 0:
            return False
        texts = [plain(text) for text, _ in TEXT.findall(arguments)]
        assert not any(dots for _, dots in TEXT.findall(arguments)), "strace has cut a text"
        if name in ("write", "writev", "sendto", "sendmsg") and self._told(arguments, texts):
            return True
        if name in ("open", "openat", "creat"):
            return self._open(texts[0].decode(), arguments)
        if name in ("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat"):
            return self._rename(name, [text.decode() for text in texts])
        number, path, deleted = FILE.search(arguments).groups()
        what, _ = self._find(plain(path).decode())
        if what is None or deleted:
            return False
        if name in ("fsync", "fdatasync"):
            what.sync()
        elif name == "ftruncate":
            what.cut(int(arguments.rsplit(",", 1)[1]))
        elif name == "pwrite64":
            what.write(int(arguments.rsplit(",", 1)[1]), texts[0][:result])
        elif name in ("write", "writev"):
            data = b"".join(texts)[:result]
            what.write(what.position, data)
            what.position += len(data)
        elif name == "fallocate":
            assert "KEEP_SIZE" in arguments, arguments
        else:
            raise AssertionError(f"not known here: {name}({arguments[:200]})")
        return True

    def _told(self, arguments, texts):
        is_request = b"".join(texts).startswith(b"GET ")
        is_answer = arguments.startswith("1<") and bool(texts[0])
        self.requests += is_request
        self.answers += is_answer
        return is_request or is_answer

    def _open(self, path, arguments):
        what, folder = self._find(path)
        if folder is None or (what is None and "O_CREAT" not in arguments):
            return False
        if what is None:
            what = File()
            folder.name(path.rsplit("/", 1)[1], what)
        elif "O_TRUNC" in arguments:
            what.cut(0)
        if isinstance(what, File):
            what.position = 0
        return True

    def _rename(self, name, paths):
        what, folder = self._find(paths[0])
        if folder is None:
            return False
        last = [path.rsplit("/", 1)[1] for path in paths]
        if name.startswith("rename"):
            folder.rename(*last)
        else:
            folder.name(last[0], Folder() if name.startswith("mkdir") else None)
        return True

    def lay_out(self, dice, to):
        """Writes what may be left if the power goes now; `dice=None`: what there is if it doesn't."""
        self._lay_out(self.top, dice, to)

    def _lay_out(self, what, dice, to):
        if isinstance(what, File):
            to.write_bytes(what.left(dice) if dice else bytes(what.with_all(what.pending)))
            return
        to.mkdir()
        for name, one in (what.left(dice) if dice else what.now()).items():
            self._lay_out(one, dice, to / name)

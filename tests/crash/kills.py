#!/usr/bin/env python3
"""kills.py ROUNDS PORT: the program is killed in the middle of each thing that it does, and then goes on.

Half of the kills are at instants that are spread evenly over the time that the thing takes. The others are at the entry of a system
call that writes, syncs, names or sends something: strace counts them, and the numbers are spread evenly, too. After each kill
the mirror must show a picture that one of the program's commits leaves; what was begun is then brought to its end, with two requests
made once more at most, and the mirror must be what the oracle says.
"""
import collections
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

from scenes import scenes
from stage import PATIENCE_SECONDS, Stage

CALLS = "pwrite64,write,writev,sendto,ftruncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,openat,mkdir,fchown,link"
REPEATED_MAX = 2
ATTEMPTS_MAX = 40


class Killer:
    """Ends one scene's command at a part of its way, from 0 to 1."""

    def __init__(self, stage, scene):
        self.stage, self.scene = stage, scene
        self.folder = stage.root / "round"
        self.mirror = self.folder / "state" / "m.db"

    def begin(self):
        self.scene.begin(self.folder)

    def call(self):
        words, environment = self.stage.call(self.scene, self.mirror)
        return words, {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class ByTime(Killer):
    what = "instant"

    def measure(self):
        self.seconds = self.scene.seconds
        if self.seconds:
            return
        times = []
        for _ in range(3):
            self.begin()
            words, options = self.call()
            begun = time.monotonic()
            subprocess.run(words, timeout=PATIENCE_SECONDS, **options)
            times.append(time.monotonic() - begun)
        self.seconds = sorted(times)[1]

    def kill(self, part):
        words, options = self.call()
        # All that come of it have the pipe, and it ends with the last of them.
        ours, theirs = os.pipe()
        process = subprocess.Popen(words, start_new_session=True, pass_fds=(theirs,), **options)
        os.close(theirs)
        try:
            process.wait(self.seconds * part)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        os.read(ours, 1)
        os.close(ours)
        return process.wait() == -9


class ByCall(Killer):
    what = "call"

    def measure(self):
        self.begin()
        words, options = self.call()
        trace = self.stage.root / "calls"
        subprocess.run(["strace", "-f", "-qq", "-o", trace, "-e", f"trace={CALLS}", *words], timeout=PATIENCE_SECONDS, check=True, **options)
        # strace counts each thread's calls of a name.
        counts, self.calls = collections.Counter(), []
        for thread, name in re.findall(r"^(\d+) +(\w+)\(", trace.read_text(errors="replace"), re.M):
            counts[thread, name] += 1
            self.calls.append((name, counts[thread, name]))

    def kill(self, part):
        words, options = self.call()
        name, number = self.calls[int(part * len(self.calls))]
        inject = ["-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={number}"]
        ended = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", *inject, *words], timeout=PATIENCE_SECONDS, **options)
        return ended.returncode in (-9, 137)


def kinds():
    try:
        subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        print("SKIPPED: kills at system calls, which take strace, and a kernel that lets it trace", flush=True)
        return [ByTime]
    return [ByTime, ByCall]


def round_of(killer, part):
    """One kill and what follows; returns which picture it left, and how many requests were made again. None if it came too late."""
    scene = killer.scene
    killer.begin()
    if not killer.kill(part):
        return None
    at = scene.look(killer.mirror)
    scene.go_on(killer.mirror, at)
    repeated = scene.repeated(killer.mirror)
    assert repeated <= REPEATED_MAX, f"{repeated} requests were made again"
    return at, max(repeated, 0)


def main():
    rounds, port = int(sys.argv[1]), int(sys.argv[2])
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    root = pathlib.Path(tempfile.mkdtemp(prefix="crash-"))
    try:
        stage = Stage(root, port, customers=240, page_size=20)
        wanted = os.environ.get("CRASH_TEST_KILLS", f"{ByTime.what},{ByCall.what}").split(",")
        played, killers = scenes(stage), [kind for kind in kinds() if kind.what in wanted]
        # What doesn't end by itself makes no number of calls; and of a crowd, a call would end but one.
        pairs = [(scene, killer) for scene in played for killer in killers if killer is ByTime or not (scene.seconds or scene.is_crowd)]
        kills = collections.Counter()
        print(f"{'scene':18} {'kills at':9} {'kills':>5} {'too late':>8} {'states':>9} {'repeated':>8}", flush=True)
        for number, (scene, kind) in enumerate(pairs):
            killer = kind(stage, scene)
            killer.measure()
            share = rounds // len(pairs) + (number < rounds % len(pairs))
            found, late, most = collections.Counter(), 0, 0
            for index in range(share):
                for attempt in range(ATTEMPTS_MAX):
                    # Where the machine was quicker than measured, once more and a bit earlier.
                    part = (index + dice.random()) / share * 0.9**attempt
                    try:
                        ended = round_of(killer, part)
                    except (AssertionError, sqlite3.Error) as error:
                        kept = shutil.copytree(killer.folder, f"{root}-failed")
                        sys.exit(f"{scene.name}, killed at {part:.3f} of its {kind.what}s (seed {seed}): {error}\nthe files are in {kept}")
                    if ended:
                        break
                    late += 1
                else:
                    sys.exit(f"{scene.name}: ends too soon to be killed")
                found[ended[0]] += 1
                most = max(most, ended[1])
            kills[kind.what] += share
            print(
                f"{scene.name:18} {kind.what:9} {share:5} {late:8} {len(found):4} of {len(set(map(str, scene.expected))):2} {most:8}", flush=True
            )
        told = ", ".join(f"{count} at an {what}" if what == "instant" else f"{count} at a system {what}" for what, count in kills.items())
        print(f"crash: {rounds} kills ({told}), no difference from the oracle")
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()

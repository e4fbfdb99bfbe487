#!/usr/bin/env python3
"""power.py IMAGES PORT: the power goes in the middle of each thing that the program does.

strace records what the program does to its files; `disk.py` says what may be left of that when the power goes. Each such image must
show a picture that one of the program's commits leaves, and nothing of what the program had reported, or had let anybody
see, may be gone: the next run makes no more than two requests once more, a decision stands, an exported file is the old one or the
new one, and what was forgotten is in none of the files. Then the program goes on, and the mirror must be what the oracle says.
"""
import collections
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from disk import CALLS, Disk, calls
from scenes import scenes
from stage import PATIENCE_SECONDS, Stage

TEXT_BYTES_MAX = 1 << 24
REPEATED_MAX = 2


def record(stage, scene):
    """Runs the scene's command; returns its disk as it was before, the calls, and after how many it has told that it is done."""
    folder = stage.root / "recorded"
    scene.begin(folder)
    disk = Disk(folder)
    mirror = folder / "state" / "m.db"
    words, environment = stage.call(scene, mirror)
    trace = stage.root / "trace"
    ended = subprocess.run(
        ["strace", "-f", "-y", "-qq", "-xx", "-s", str(TEXT_BYTES_MAX), "-o", trace, "-e", f"trace={CALLS}", *words],
        env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert ended.returncode == 0, ended
    with trace.open() as lines:
        recorded = list(calls(lines))
    trace.unlink()
    # Nothing has escaped the recorder: all of it together is what there is now.
    probe = Disk.__new__(Disk)
    probe.__dict__ = dict(disk.__dict__)
    probe.top = probe._read(stage.root / "scenes" / scene.name)
    kept, told_at, answers = [], 0, 0
    for call in recorded:
        if probe.take(*call):
            kept.append(call)
        if probe.answers > answers:
            told_at, answers = len(kept), probe.answers
    again = stage.root / "again"
    probe.lay_out(None, again)
    compare(again, folder)
    shutil.rmtree(again)
    # An export to a file says nothing; it has told who sees it end.
    return disk, kept, told_at or len(kept)


def compare(left, right):
    files = {one.relative_to(left) for one in left.rglob("*")}
    others = {one.relative_to(right) for one in right.rglob("*") if not one.name.endswith("-shm")}
    assert files == others, f"recorded: {files}, there: {others}"
    for name in files:
        if (left / name).is_file():
            assert (left / name).read_bytes() == (right / name).read_bytes(), f"{name} is not as recorded"


def check(scene, folder, sent, told):
    """One image; returns which picture it shows."""
    mirror = folder / "state" / "m.db"
    scene.stage.api.list(scene.records)
    if told:
        assert mirror.exists(), "the mirror is gone"
        scene.check_erased(mirror)
    at = scene.look(mirror)
    if told:
        assert at >= scene.reported, f"what was reported is gone: picture {at} for {scene.reported}"
    scene.go_on(mirror, at)
    repeated = sent + scene.repeated(mirror)
    assert repeated <= REPEATED_MAX, f"{repeated} requests are made again"
    return at, max(repeated, 0)


def main():
    count, port = int(sys.argv[1]), int(sys.argv[2])
    seed = int(os.environ.get("CRASH_TEST_SEED", random.randrange(1 << 32)))
    dice = random.Random(seed)
    memory = pathlib.Path("/dev/shm")
    root = pathlib.Path(tempfile.mkdtemp(prefix="power-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        stage = Stage(root, port, customers=72, page_size=6)
        played = scenes(stage, but=("daemon",))
        print(f"{'scene':18} {'calls':>6} {'images':>6} {'reported':>8} {'states':>9} {'repeated':>8}", flush=True)
        for number, scene in enumerate(played):
            share = count // len(played) + (number < count % len(played))
            tell(scene, share, seed, dice, root)
        print(f"power: {count} images of {len(played)} scenes, no difference from the oracle")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def tell(scene, share, seed, dice, root):
    disk, kept, told_at = record(scene.stage, scene)
    # Evenly spread, and some where it has just told that it is done, and where it has ended.
    often = share // 10
    cuts = [int((index + dice.random()) / (share - 2 * often) * len(kept)) + 1 for index in range(share - 2 * often)]
    cuts = sorted([*cuts, *[told_at] * often, *[len(kept)] * often])
    found, reported, most, done = collections.Counter(), 0, 0, 0
    image = root / "image"
    for cut in cuts:
        for call in kept[done:cut]:
            disk.take(*call)
        done = cut
        disk.lay_out(dice, image)
        told = cut >= told_at
        as_it_was = shutil.copytree(image, root / "as-it-was")
        try:
            at, repeated = check(scene, image, disk.requests, told)
        except (AssertionError, sqlite3.Error) as error:
            kept_at = shutil.copytree(as_it_was, f"{tempfile.gettempdir()}/{root.name}-failed")
            sys.exit(f"{scene.name}, power gone after {cut} of {len(kept)} calls (seed {seed}): {error}\nthe image is in {kept_at}")
        shutil.rmtree(image)
        shutil.rmtree(as_it_was)
        found[at] += 1
        reported += told
        most = max(most, repeated)
    states = len(set(map(str, scene.expected)))
    print(f"{scene.name:18} {len(kept):6} {share:6} {reported:8} {len(found):4} of {states:2} {most:8}", flush=True)


if __name__ == "__main__":
    main()

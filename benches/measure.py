"""What the scripts in this folder share: a command as a whole process, and the bounds that the program is held to."""
import os
import signal
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

# What each is called, how it is measured, and its most. MB are 1,000,000 bytes, but for memory, which Linux counts in KiB.
TARGETS = {
    "--version": ("ms", 5), "get": ("ms", 5), "status": ("ms", 10), "search": ("ms", 50),
    "peak memory of a pass": ("MB", 60), "the program's file": ("MB", 15),
}


# Whoever ends a benchmark ends what it runs, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class Run(NamedTuple):
    """A process from its start to its end."""
    wall: float  # seconds
    cpu: float  # seconds
    memory: float  # MB, at its peak
    written: float  # MB


def run(command, environment, log=None):
    """Runs a command to its end, which must be a good one. `log` is a file for what it says on its way."""
    begun = time.perf_counter()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
    try:
        _, status, usage = os.wait4(child.pid, 0)
    except BaseException:
        child.kill()
        raise
    wall = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command} ended with {child.returncode}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, usage.ru_oublock * 512 / 1e6)


def median(runs):
    """The median of each column by itself."""
    return Run(*(statistics.median(column) for column in zip(*runs)))


def verdict(target, value):
    """One line: what it came to, and whether that is met."""
    unit, most = TARGETS[target]
    return f"{target}: {value:.1f} {unit}, at most {most} {unit}: {'met' if value <= most else 'NOT MET'}"

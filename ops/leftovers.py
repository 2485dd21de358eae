"""Finding what an earlier run left, should supervisor and warden both have been killed."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ops import processes

MARK = "DARKROOM_RUN_DIR"
"""Set in the environment of every child: it tells whose it is, which a process id written down somewhere cannot."""

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""


def find(run_dir: Path) -> list[int]:
    """Return the ids of running processes that were started for this run folder."""
    mark = f"{MARK}={run_dir.resolve()}"
    scan = _linux if sys.platform == "linux" else _elsewhere
    return [pid for pid, environment in scan() if mark in environment and pid != os.getpid()]


def end(run_dir: Path) -> int:
    """End them and return how many there were."""
    found = len(find(run_dir))
    deadline = time.monotonic() + GRACE
    number = signal.SIGTERM
    while left := find(run_dir):
        for pid in left:
            _kill(pid, number)
        time.sleep(0.1)
        number = signal.SIGKILL if time.monotonic() > deadline else signal.SIGTERM
    return found


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _linux() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:  # ended, or another user's
                continue
            yield int(entry.name), environment.decode(errors="replace").split("\0")


def _elsewhere() -> Iterator[tuple[int, list[str]]]:
    for line in processes.run(["ps", "-A", "-E", "-ww", "-o", "pid=,command="], timeout=10).splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command.split(" ")

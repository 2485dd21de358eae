"""Looking at other processes: whether one is gone, how much it gives way, and waiting until something is so."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")  # an orphan that nobody reaps is dead all the same
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


def eventually(condition: Callable[[], bool], bound: float = 20.0) -> bool:
    """Whether the condition holds within so many seconds."""
    ends = time.monotonic() + bound
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.01)
    return True


def session_nice(pid: int) -> int | None:
    """By how much the session of a process gives way; None where the processor is not shared by sessions."""
    group = Path(f"/proc/{pid}/autogroup")
    said = group.read_text().split() if group.exists() else []
    return int(said[-1]) if said else None

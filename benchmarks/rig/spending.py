"""What a piece of work costs in a process of its own, so that its peak is its own."""

import os
import resource
from collections.abc import Callable
from typing import NamedTuple


class Spent(NamedTuple):
    """CPU milliseconds, user and system; kibibytes that were resident at most, before the work and after it (Linux)."""

    cpu: float
    before: float
    peak: float


def spent(work: Callable[[], object]) -> Spent:
    """Do the work in a fork of this process and tell what it took."""
    asked, told = os.pipe()
    child = os.fork()
    if child == 0:
        before = resource.getrusage(resource.RUSAGE_SELF)
        work()
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        os.write(told, f"{1000 * cpu} {before.ru_maxrss} {after.ru_maxrss}".encode())
        os._exit(0)
    os.close(told)
    with os.fdopen(asked) as pipe:
        found = Spent(*map(float, pipe.read().split()))
    os.waitpid(child, 0)
    return found

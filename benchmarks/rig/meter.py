"""What a process and its descendants cost: CPU seconds and memory, from /proc (Linux)."""

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LOOK = 0.1
"""Seconds between two looks at the memory."""

MB = 1e6


@dataclass(frozen=True)
class Cost:
    """CPU and elapsed time in seconds, peak memory in bytes: of all processes, summed."""

    cpu: float
    wall: float
    rss: int


class Meter:
    """Measures the trees below some processes while its block runs; `cost` is there afterwards.

    Memory is the larger of what a look every 0.1 s saw in the whole tree, and of the highest mark of any one process,
    which the kernel keeps and which is reset when the block begins.
    """

    def __init__(self, pids: Iterable[int], memory: Callable[[Iterable[int]], int] | None = None) -> None:
        """Measure these and what they start; `memory` is `rss`, or `pss` for programs that fork."""
        self._roots = tuple(pids)
        self._memory = memory or rss
        self._over = threading.Event()
        self._seen = 0
        self.cost = Cost(0, 0, 0)

    def __enter__(self) -> Self:
        for pid in tree(self._roots):
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")
        self._cpu, self._begun = cpu(self._roots), time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wall, used = time.monotonic() - self._begun, cpu(self._roots) - self._cpu
        self._over.set()
        self._thread.join()
        peak = max((_high(pid) for pid in tree(self._roots)), default=0)
        self.cost = Cost(used, wall, max(peak, self._seen))

    def _watch(self) -> None:
        while not self._over.wait(_LOOK):
            self._seen = max(self._seen, self._memory(self._roots))


def tree(roots: Iterable[int]) -> set[int]:
    """The processes and all their descendants."""
    found: set[int] = set()
    left = list(roots)
    while left:
        pid = left.pop()
        found.add(pid)
        with suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                left.extend(int(child) for child in (thread / "children").read_text().split())
    return found


def cpu(roots: Iterable[int]) -> float:
    """Seconds that the trees have used, those of children that ended and were waited for included."""
    ticks = sum(int(word) for pid in tree(roots) if (stat := _stat(pid)) for word in stat[11:15])
    return ticks / _TICKS


def rss(roots: Iterable[int]) -> int:
    """Bytes resident in the trees; pages that processes share count for each of them."""
    return sum(int(stat[21]) * _PAGE for pid in tree(roots) if (stat := _stat(pid)))


def pss(roots: Iterable[int]) -> int:
    """Bytes resident in the trees; a page that processes share is divided among them. Dearer to look at than `rss`."""
    return sum(_proportional(pid) for pid in tree(roots))


def _proportional(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, ... (proc(5) counts them from 3); empty when gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _high(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0

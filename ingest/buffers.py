"""Memory for parts, used again: fresh pages cost more than filling them, and a heap with holes is no smaller."""

import mmap
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

SMALL = 1024 * 1024
"""Bytes below which the allocator does as well."""
KEPT = 8
"""Buffers that are kept while nobody uses them."""

Buffer = bytearray | mmap.mmap


@dataclass(frozen=True)
class Buffers:
    """For one event loop. Whoever takes a buffer gives it back when no thread looks into it any more."""

    _idle: deque[mmap.mmap] = field(default_factory=lambda: deque(maxlen=KEPT))

    def take(self, size: int, part: int) -> Buffer:
        """A buffer of at least `size` bytes, with anything in them; `part` is the most that is usually asked for."""
        if size < SMALL:
            return bytearray(size)
        for buffer in self._idle:
            if len(buffer) == part:
                self._idle.remove(buffer)
                return buffer
        fresh = mmap.mmap(-1, part)  # whose pages are taken as they are written
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # of a kernel that has none
                fresh.madvise(mmap.MADV_HUGEPAGE)  # 2 MB at a time, not 4 kB: each time is a fault
        return fresh

    def give(self, buffer: Buffer) -> None:
        """Take it back; beyond what is kept, the memory is the system's again."""
        if isinstance(buffer, mmap.mmap):
            self._idle.append(buffer)

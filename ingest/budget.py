"""One bound on the part bytes that all uploads of this process hold, so that many at once cannot exhaust its memory.

An upload is admitted with room for its first buffer, which stays its own until it ends. With that alone it can always
go on (fill, store, fill again), so uploads never wait for each other and cannot deadlock. Room beyond it adds speed:
it is taken if free, never waited for, and not while a newcomer waits. Newcomers are let in in the order they came.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ingest.problems import ProblemError

PATIENCE = 45.0
"""Seconds that a newcomer waits for room before it is told to come again later."""


class Budget:
    """`total` in bytes; used by one event loop."""

    def __init__(self, total: int) -> None:
        """All of it is free."""
        self.free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def admitted(self, size: int, patience: float = PATIENCE) -> AsyncIterator[None]:
        """Room of one's own; raises `ProblemError` when none came free in time."""
        if not self.spare(size):
            try:
                async with asyncio.timeout(patience):
                    await self._turn(size)
            except TimeoutError:
                raise ProblemError("busy") from None
        try:
            yield
        finally:
            self.give(size)

    def spare(self, size: int) -> bool:
        """Take more room if there is some that no newcomer waits for; give it back with `give`."""
        if self._waiting or size > self.free:
            return False
        self.free -= size
        return True

    def give(self, size: int) -> None:
        """Return room and admit whom it lets in."""
        self.free += size
        while self._waiting and self._waiting[0][0] <= self.free:
            wanted, admission = self._waiting.popleft()
            self.free -= wanted
            admission.set_result(None)

    async def _turn(self, size: int) -> None:
        entry = (size, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            await entry[1]
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
                size = 0  # nothing was taken, but whoever stood behind may fit in now
            self.give(size)
            raise

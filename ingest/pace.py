"""How many parts of all uploads may be under way to S3 at once: as many as it takes without making them wait.

What waits in S3's or the network's queues stands between a client's last byte and its answer, and lies in our memory.
More parts at once are good as long as S3 then takes more in all; where it does not, fewer do as well.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush

QUICK = 0.4
"""Seconds in which a part may land without anybody caring how many others there are."""
START = 4


class Pace:
    """Hill climbing on what S3 takes in all, between 1 and `most`; used by one event loop.

    Each window of landings at one limit is compared with the window before. While parts land quickly the limit rises;
    else it goes on in its direction as long as that pays: upwards at least half of what one more part should bring,
    downwards at most half of what one part less should cost.
    """

    def __init__(self, most: int) -> None:
        """Nothing is under way."""
        self.most = most
        self.limit = min(START, most)
        self.flying = 0
        self._waiting: list[tuple[bool, int, int, asyncio.Future[None]]] = []
        self._asked = 0
        self._step = -1
        self._before: float | None = None
        self._since, self._bytes, self._count, self._slowest = 0.0, 0, 0, 0.0
        self._bound, self._peak = False, 0

    @property
    def spare(self) -> bool:
        """Whether one more would be under way at once."""
        return self.flying < self.limit and not self._waiting

    @asynccontextmanager
    async def slot(self, size: int, upload: int, *, last: bool) -> AsyncIterator[None]:
        """One part of `size` bytes under way; those whose client waits for its answer go first, then older uploads."""
        await self.enter(upload, last=last)
        begun = time.monotonic()
        try:
            yield
            self.landed(size, begun, time.monotonic())
        finally:
            self.leave()

    def press(self) -> None:
        """A client is faster than S3: it is told to wait."""
        self._bound = True

    def landed(self, size: int, begun: float, now: float) -> None:
        """Learn from one part; times in seconds by one clock."""
        if not self._bytes:
            self._since = min(self._since or begun, begun)
        self._bytes += size
        self._peak = max(self._peak, self.flying)
        self._slowest = max(self._slowest, now - begun)
        self._count += 1
        if self._count >= min(self.limit, self._peak):
            if self._bound:  # else the clients are what is slow
                self._climb(self._bytes / max(now - self._since, 1e-6))
            self._begin(now)

    def _climb(self, rate: float) -> None:
        before, self._before = self._before, rate
        if self._slowest < QUICK:
            self._step = 1
        else:
            self.limit = min(self.limit, self._peak)
        if self._slowest >= QUICK and before is not None:
            worth = 0.5 / max(1, self.limit - self._step)  # half of a part's share at the limit before
            paid = rate / before - 1
            if paid < (worth if self._step > 0 else -worth):
                self._step = -self._step
        self.limit = min(self.most, max(1, self.limit + self._step))

    def _begin(self, now: float) -> None:
        """A new window."""
        self._since, self._bytes, self._count, self._slowest = now, 0, 0, 0.0
        self._bound, self._peak = bool(self._waiting), self.flying

    async def enter(self, upload: int, *, last: bool) -> None:
        """Wait for one's turn."""
        if self.spare:
            self.flying += 1
            return
        self._bound = True
        self._asked += 1
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (not last, upload, self._asked, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Be under way no more; somebody else may be now."""
        self.flying -= 1
        while self._waiting and self.flying < self.limit:
            turn = heappop(self._waiting)[3]
            if not turn.done():
                self.flying += 1
                turn.set_result(None)

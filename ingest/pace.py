"""How many parts of all uploads may be under way to S3 at once: as many as it takes without making them wait.

What waits in S3's or the network's queues stands between a client's last byte and its answer, and lies in our memory.
More parts at once are good as long as S3 then takes more in all; where it does not, fewer do as well.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple

QUICK = 0.2
"""Seconds in which parts may land, on average, without anybody caring how many there are."""
START = 4
STEP = 1.5
"""By how much the limit changes at once: by less, S3's moods would be taken for what the change did."""
LONGEST = 5.0
"""Seconds that a part waits for its turn while others go before it: newer ones are not let in before it then."""


class _Wait(NamedTuple):
    """A part that waits, in the order in which they go: `patient` ones last; `number` says who asked first."""

    patient: bool
    upload: int
    number: int
    passed_until: float
    turn: asyncio.Future[None]


class Pace:
    """Hill climbing on what S3 takes in all, between 1 and `most`; used by one event loop.

    Each window of landings at one limit is compared with the window before. While parts land quickly the limit rises;
    else it goes on in its direction as long as that pays: upwards at least half of what so many more parts should
    bring, downwards at most half of what so many less should cost.
    """

    _numbers = count()

    def __init__(self, most: int, longest: float = LONGEST) -> None:
        """Nothing is under way."""
        self.most, self._longest = most, longest
        self.limit = min(START, most)
        self.flying = 0
        self._waiting: list[_Wait] = []
        self._asked = 0
        self._rising = False
        self._before: tuple[int, float] | None = None
        self._since, self._flying, self._count, self._took = 0.0, 0, 0, 0.0
        self._bound, self._peak = False, 0

    @property
    def spare(self) -> bool:
        """Whether one more would be under way at once."""
        return self.flying < self.limit and not self._waiting

    @property
    def next(self) -> bool:
        """Whether no client's last parts wait for their turn: one of them would be the next."""
        return not self._waiting or self._waiting[0].patient

    def number(self) -> int:
        """An upload's, by its age."""
        return next(self._numbers)

    def hurry(self, upload: int) -> None:
        """Its client waits for its answer by now: what waits of it goes first as well."""
        self._waiting = [wait._replace(patient=wait.patient and wait.upload != upload) for wait in self._waiting]
        heapify(self._waiting)

    @asynccontextmanager
    async def slot(self, size: int, upload: int, *, last: bool) -> AsyncIterator[None]:
        """One part of `size` bytes under way; those whose client waits for its answer go first, then older uploads."""
        await self.enter(upload, last=last)
        begun, beside = time.monotonic(), self.flying
        try:
            yield
            self.landed(size, beside, begun, time.monotonic())
        finally:
            self.leave()

    def press(self) -> None:
        """A client is faster than S3: it is told to wait."""
        self._bound = True

    def landed(self, size: int, beside: int, begun: float, now: float) -> None:
        """Learn from one part, `beside` being how many flew when it began; times in seconds by one clock."""
        if begun <= self._since:
            return  # it flew beside others than the limit lets
        self._flying += size * (beside + self.flying) // 2
        self._took += now - begun
        self._count += 1
        self._peak = max(self._peak, self.flying)
        if self._count >= min(self.limit, self._peak):
            if self._bound:  # else the clients are what is slow
                self._climb()
            self._since, self._flying, self._count, self._took = now, 0, 0, 0.0
            self._bound, self._peak = bool(self._waiting), self.flying

    def _climb(self) -> None:
        rate = self._flying / max(self._took, 1e-6)  # Little's law: what flies / how long it does
        if self._took / self._count < QUICK:
            self._rising = True
        else:
            self.limit = min(self.limit, self._peak)
            limit, earlier = self._before or (self.limit, rate)
            if rate / earlier - 1 <= (self.limit / limit - 1) / 2:
                self._rising = not self._rising
        self._before = self.limit, rate
        step = max(self.limit + 1, int(self.limit * STEP)) if self._rising else int(self.limit / STEP)
        self.limit = min(self.most, max(1, step))

    async def enter(self, upload: int, *, last: bool) -> None:
        """Wait for one's turn."""
        if self.spare:
            self.flying += 1
            return
        self._bound = True
        self._asked += 1
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, _Wait(not last, upload, self._asked, time.monotonic() + self._longest, turn))
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
            turn = self._whose()
            if not turn.done():
                self.flying += 1
                turn.set_result(None)

    def _whose(self) -> asyncio.Future[None]:
        """The turn that is next, taken out of those that wait."""
        first = min(self._waiting, key=lambda wait: wait.number)
        if time.monotonic() < first.passed_until:
            return heappop(self._waiting).turn
        self._waiting.remove(first)
        heapify(self._waiting)
        return first.turn

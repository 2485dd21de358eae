"""How much a caller may ask for: requests in a time, and bytes that are under way at once.

Both are counted in Redis for all processes together. While Redis is away each process counts by itself: it never stands
in the way of an upload.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.callers import ANYBODY, Caller
from ingest.problems import ProblemError
from pipeline.adapters.quotas import RENEWED, AwayError, Rates, SharedBytes
from pipeline.units import frequency

log = structlog.get_logger()

REST = 5.0
"""Seconds for which Redis is left alone after it did not answer."""
SMALL = 64 * 1024
"""Bytes of a body that are not counted: JSON, and the smallest of pictures."""

T = TypeVar("T")


@dataclass
class Allowances:
    """`rate` is the usual number of requests in so many seconds, `most` the usual bytes at once, of one caller.

    `size` is what a body counts for that does not say how long it is.
    """

    shared_rates: Rates
    shared_bytes: SharedBytes
    rate: tuple[int, int]
    most: int
    size: int
    _rates: Rates = field(default_factory=Rates)
    _bytes: Counter[str] = field(default_factory=Counter)
    _away_until: float = 0.0

    async def count(self, caller: Caller) -> None:
        """Count a request; raises `ProblemError` (429) when there were too many."""
        rate = self.rate if caller.rate is None else frequency(caller.rate)
        wait = await self._shared(lambda: self.shared_rates.count(caller.id, *rate))
        if wait is None:
            wait = await self._rates.count(caller.id, *rate)
        if wait:
            raise ProblemError("rate_exceeded", wait)

    @asynccontextmanager
    async def room(self, caller: Caller, size: int) -> AsyncIterator[None]:
        """Keep room for a body of so many bytes; raises `ProblemError` (429) when there is none.

        One that is larger than all of the allowance gets through alone.
        """
        most = self.most if caller.bytes_at_once is None else caller.bytes_at_once
        ticket = secrets.token_hex(8)
        admitted = await self._shared(lambda: self.shared_bytes.reserve(caller.id, ticket, size, most))
        used = self._bytes[caller.id]
        if admitted is False or (admitted is None and used and used + size > most):
            raise ProblemError("bytes_at_once_exceeded")
        self._bytes[caller.id] += size
        renewing = asyncio.create_task(self._renew(caller, ticket, size))
        try:
            yield
        finally:
            renewing.cancel()
            self._bytes[caller.id] -= size
            if not self._bytes[caller.id]:
                del self._bytes[caller.id]
            if admitted is not None:
                await asyncio.shield(self._shared(lambda: self.shared_bytes.release(caller.id, ticket, size)))

    async def _renew(self, caller: Caller, ticket: str, size: int) -> None:
        while True:
            await asyncio.sleep(RENEWED)
            await self._shared(lambda: self.shared_bytes.reserve(caller.id, ticket, size, 2**62))

    async def _shared(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """What Redis says; None while it is away."""
        if time.monotonic() < self._away_until:
            return None
        with suppress(AwayError):
            return await ask()
        self._away_until = time.monotonic() + REST
        log.warning("allowances_counted_here")
        return None


@dataclass(frozen=True)
class Throttle:
    """Counts what callers with credentials ask for; nobody else is told apart from others."""

    app: ASGIApp
    allowances: Allowances

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through; raises `ProblemError` (429)."""
        caller = scope["state"]["caller"] if scope["type"] == "http" else ANYBODY
        if caller is ANYBODY or not caller.rights:
            await self.app(scope, receive, send)
            return
        await self.allowances.count(caller)
        size = self._size(Headers(scope=scope))
        if size <= SMALL:
            await self.app(scope, receive, send)
            return
        async with self.allowances.room(caller, size):
            await self.app(scope, receive, send)

    def _size(self, headers: Headers) -> int:
        length = headers.get("content-length", "0" if "transfer-encoding" not in headers else "")
        return int(length) if length.isascii() and length.isdecimal() else self.allowances.size

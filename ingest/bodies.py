"""A request's body as it comes: one read at a time, so that not reading it slows the client down."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from ingest.problems import ProblemError


@dataclass(frozen=True)
class Patience:
    """How long a client may take for a body, in seconds: without a byte, and in all.

    A phone that lost its network says no goodbye, and whoever sends a byte a minute may mean no good. Time in which we
    do not read does not count as idle.
    """

    idle: float = 60.0
    total: float = 4 * 3600.0


class _Watch:
    """Interrupts a task that waits for a client too long: one timer a body, looked at again when it has come too soon.

    `asyncio.timeout` would set and cancel one for each chunk, which is a twentieth of what a photo costs.
    """

    def __init__(self, patience: Patience) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle, self._end = patience.idle, self._loop.time() + patience.total
        self._waiting: tuple[asyncio.Task[None], int] | None = None
        self._until = min(self._end, self._loop.time() + self._idle)
        self._timer = self._loop.call_at(self._until, self._look)
        self._over = False

    async def message(self, receive: Receive) -> Message:
        """The next one; raises `ProblemError` when it does not come in time."""
        task, now = cast("asyncio.Task[None]", asyncio.current_task()), self._loop.time()
        if now >= self._end:
            raise ProblemError("request_timeout")
        self._until = min(self._end, now + self._idle)
        self._waiting = task, task.cancelling()
        try:
            return await receive()
        except asyncio.CancelledError:
            if self._over and task.uncancel() <= self._waiting[1]:
                raise ProblemError("request_timeout") from None
            raise
        finally:
            self._waiting = None

    def close(self) -> None:
        """The body is read."""
        self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        if self._waiting is None:  # while nobody waits for the client, it cannot be late
            self._until = now + self._idle if now >= self._end else min(self._end, now + self._idle)
        elif now >= self._until:
            self._over = True
            self._waiting[0].cancel()
            return
        self._timer = self._loop.call_at(self._until, self._look)


async def chunks(receive: Receive, patience: Patience = Patience()) -> AsyncIterator[bytes]:
    """The body's bytes; raises `ClientDisconnect` when they end too soon, `ProblemError` when they come too slowly."""
    watch = _Watch(patience)
    try:
        more = True
        while more:
            message = await watch.message(receive)
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            yield message.get("body", b"")
            more = message.get("more_body", False)
    finally:
        watch.close()


async def small(receive: Receive, most: int) -> bytes:
    """A whole body of at most so many bytes; raises `ProblemError`."""
    body = bytearray()
    async for chunk in chunks(receive):
        body += chunk
        if len(body) > most:
            raise ProblemError("body_too_large")
    return bytes(body)

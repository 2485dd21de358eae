"""A request's body as it comes: one read at a time, so that not reading it slows the client down."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from ingest.problems import ProblemError


@dataclass(frozen=True)
class Patience:
    """How long a client may take for a body, in seconds: without a byte, and in all.

    A phone that lost its network says no goodbye, and whoever sends a byte a minute may mean no good. Time in which we
    do not read does not count as idle.
    """

    idle: float = 60.0
    total: float = 4 * 3600.0


async def chunks(receive: Receive, patience: Patience = Patience()) -> AsyncIterator[bytes]:
    """The body's bytes; raises `ClientDisconnect` when they end too soon, `ProblemError` when they come too slowly."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience.total
    more = True
    while more:
        try:
            async with asyncio.timeout_at(min(end, loop.time() + patience.idle)):
                message = await receive()
        except TimeoutError:
            raise ProblemError("request_timeout") from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def small(receive: Receive, most: int) -> bytes:
    """A whole body of at most so many bytes; raises `ProblemError`."""
    body = bytearray()
    async for chunk in chunks(receive):
        body += chunk
        if len(body) > most:
            raise ProblemError("body_too_large")
    return bytes(body)

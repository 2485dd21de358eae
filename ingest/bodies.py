"""A request's body as it comes: one read at a time, so that not reading it slows the client down."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from ingest.problems import ProblemError

PATIENCE = 60.0
"""Seconds without a byte after which a client is taken for gone: a phone that lost its network says no goodbye."""


async def chunks(receive: Receive, patience: float = PATIENCE) -> AsyncIterator[bytes]:
    """The body's bytes; raises `ClientDisconnect` when they end too soon, `ProblemError` when they stop coming."""
    more = True
    while more:
        try:
            async with asyncio.timeout(patience):
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

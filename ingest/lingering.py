"""Lets a client see an answer that comes before it has sent all of its body.

A server that answers and closes while bytes are still arriving makes the kernel reset the connection, and the client
may then lose the answer that was on its way. So the answer goes out, the rest is read and dropped within bounds, and
only then is the connection closed (nginx calls it `lingering_close`).
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 16 * 1024 * 1024
MOST_SECONDS = 2.0


@dataclass(frozen=True)
class Lingering:
    """Wraps the application; on answers that come early it adds `Connection: close`."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application and look after what it did not read."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        pending = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers

        async def read() -> Message:
            nonlocal pending
            message = await receive()
            pending = pending and message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def drain() -> None:
            dropped = 0
            with suppress(TimeoutError):
                async with asyncio.timeout(MOST_SECONDS):
                    while pending and dropped < MOST_BYTES:
                        dropped += len((await read()).get("body", b""))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and pending:
                MutableHeaders(scope=message)["Connection"] = "close"
            elif message["type"] == "http.response.body" and pending and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await drain()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self.app(scope, read, answer)

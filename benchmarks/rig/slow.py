"""Many clients on thin lines: each sends so many bytes a second and waits for its answer."""

import asyncio
from dataclasses import dataclass

_STEP = 0.1
"""Seconds between two pieces."""


@dataclass(frozen=True)
class Crowd:
    """So many clients at once, bytes of each one's request and bytes/s of each one's line."""

    clients: int
    rate: int


def send(port: int, crowd: Crowd, request: bytes) -> int:
    """How many of them were answered 201 (or 2xx), `request` being head and body of each."""
    return asyncio.run(_all(port, crowd, request))


async def _all(port: int, crowd: Crowd, request: bytes) -> int:
    ends = await asyncio.gather(
        *(_one(port, crowd.rate, request) for _ in range(crowd.clients)), return_exceptions=True
    )
    return sum(end is True for end in ends)


async def _one(port: int, rate: int, request: bytes) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    piece = round(rate * _STEP)
    loop = asyncio.get_running_loop()
    due = loop.time()
    try:
        for start in range(0, len(request), piece):
            writer.write(request[start : start + piece])
            await writer.drain()
            due += _STEP
            await asyncio.sleep(due - loop.time())
        status = await asyncio.wait_for(reader.readline(), 60)
        return status.startswith(b"HTTP/1.1 2")
    finally:
        writer.close()

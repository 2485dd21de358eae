"""Many clients on thin lines: each sends so many bytes a second and waits for its answer."""

import asyncio
import http.client
import io
from contextlib import suppress
from dataclasses import dataclass

_STEP = 0.1
"""Seconds between two pieces."""
_TRIES = 10
"""How often a client that is told to come again does so, after as many seconds as it was told, as `curl --retry`."""
_BUSY = 503


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
    for _ in range(_TRIES):
        status, later = await _once(port, rate, request)
        if status != _BUSY or later is None:
            return 200 <= status < 300  # noqa: PLR2004 - success
        await asyncio.sleep(later)
    return False


async def _once(port: int, rate: int, request: bytes) -> tuple[int, float | None]:
    """The status, and the seconds after which to come again if the answer says so."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    try:
        with suppress(ConnectionError):  # the answer says why
            await _pour(writer, round(rate * _STEP), request, answer)
        line, _, headers = (await asyncio.wait_for(answer, 60)).partition(b"\r\n")
        told = http.client.parse_headers(io.BytesIO(headers))["retry-after"]
        return int(line.split()[1]), None if told is None else float(told)
    finally:
        answer.cancel()
        writer.close()


async def _pour(writer: asyncio.StreamWriter, piece: int, request: bytes, answer: asyncio.Task[bytes]) -> None:
    """Send it piece by piece, until it is answered."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for start in range(0, len(request), piece):
        if answer.done():
            return
        writer.write(request[start : start + piece])
        await writer.drain()
        due += _STEP
        await asyncio.sleep(due - loop.time())

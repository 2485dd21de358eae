"""A stream of bytes into one S3 object: in parts while it comes, in one request when it fits one part."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar

from ingest.budget import Budget
from ingest.buffers import Buffer, Buffers
from ingest.lanes import Lane
from ingest.pace import Pace
from pipeline.adapters import checksums
from pipeline.adapters.checksums import crc64, crc64_of_parts
from pipeline.errors import AlreadyStoredError, DarkroomError, TransientError
from pipeline.events import Stored
from pipeline.ports import Label, ObjectStore, Part

MIB = 1024 * 1024
PART = 5 * MIB
"""Bytes of a part, the least that S3 takes: what is not in S3 yet keeps the client waiting for its answer."""
MOST_PARTS = 10_000
IN_FLIGHT = 4
"""Parts of one upload that may be under way at once."""

_NONE = bytearray()

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Storage:
    """What all uploads share on their way to S3."""

    objects: ObjectStore
    threads: Executor
    budget: Budget
    pace: Pace
    buffers: Buffers = field(default_factory=Buffers)


def part_size(most: int) -> int:
    """Bytes of each part of an upload that may have `most` bytes: equal, as some stores want them, and not too many."""
    return max(PART, -(-most // MOST_PARTS // MIB) * MIB) if most > PART * MOST_PARTS else PART


def verified(objects: ObjectStore, key: str, size: int) -> str:
    """The stored object's ETag; raises `TransientError` when it is not of the size that was written. Blocks."""
    found = objects.head(key)
    if found is None or found.size != size:
        raise TransientError(f"S3 has {found.size if found else 'nothing'} where {size} bytes were stored")
    return found.etag


class Transfer:
    """One upload's bytes on their way to S3; at most `IN_FLIGHT` parts are under way while another is filled.

    `write` returns when there is room for more: not reading meanwhile is what slows the client down. `room` is the size
    of the first buffer, which the budget admitted, at most a part; further ones are of `part` bytes each and charged to
    it here. `allowed` is awaited before every write to S3 and raises to stop it; `most` is what the upload cannot
    exceed, if known. End with `finish`, or with `abandon` after any error. `brought` once every byte is in S3, `made`
    once the object is.
    """

    def __init__(
        self,
        storage: Storage,
        target: tuple[str, Label],
        room: int,
        part: int,
        allowed: Callable[[], Awaitable[None]],
        most: int | None = None,
    ) -> None:
        """Nothing is sent yet."""
        self.size = 0
        self.stored = 0  # bytes of whole parts in S3
        self.made = False
        self.brought = asyncio.Event()
        self._lane, self._most = Lane(storage.pace), most
        self._storage, self._store = storage, storage.objects
        self._target = target
        self._part = part
        self._allowed = allowed
        self._room = room  # of the buffer that is being filled
        self._own = self._buffer = storage.buffers.take(room, part)
        self._own_free = False
        self._filled = 0
        self._upload: asyncio.Future[str] | None = None
        self._calls: set[asyncio.Future[Any]] = set()
        self._flights: set[asyncio.Task[Part]] = set()
        self._sent = self._flying = 0
        self._parts: list[Part] = []
        self._failure: BaseException | None = None
        self._landed = asyncio.Event()

    async def write(self, data: memoryview) -> None:
        """Take the bytes; raises what storing an earlier part raised."""
        self.size += len(data)
        self._lane.came(self.size, self._most)
        while data:
            if self._filled == self._room:
                await self._send()
                self._buffer = await self._empty_buffer()
            piece = data[: self._room - self._filled]
            self._buffer[self._filled : self._filled + len(piece)] = piece
            self._filled += len(piece)
            data = data[len(piece) :]

    async def finish(self) -> Stored:
        """Store the rest and make the object; its checksum is the one that S3 compared the whole with."""
        key, label = self._target
        self._lane.hurry()
        if self._upload is None:
            await self._allowed()
            body = memoryview(self._buffer)[: self._filled]
            return self._stored(await self._made(self._put, key, body, label), crc64(body))
        await self._send()
        while self._flying:
            await self._landing()
        self.brought.set()
        await self._allowed()
        parts = sorted(self._parts, key=lambda part: part.number)
        etag = await self._made(self._call, self._store.complete, key, self._upload.result(), parts)
        await self._verify()
        return self._stored(etag, crc64_of_parts(parts))

    async def abandon(self) -> None:
        """Wait for what is under way, then forget the parts. A whole object is left for the purge task to delete."""
        while self._calls or self._flights:
            for flight in self._flights:
                flight.cancel()  # those whose turn has not come; a part under way is waited for
            await asyncio.wait({*self._calls, *self._flights})
        if self._buffer is not _NONE and self._buffer is not self._own:
            self._return(self._buffer)
        self._storage.buffers.give(self._own)
        self._own = self._buffer = _NONE
        if self._upload is not None and not self._upload.cancelled() and self._upload.exception() is None:
            with suppress(DarkroomError):  # the purge task tries again
                await self._call(self._store.abort, self._target[0], self._upload.result())

    async def _made(self, call: Callable[..., Awaitable[str]], *args: Any) -> str:  # noqa: ANN401 - the call's arguments
        """The ETag of the object that the call makes, or has made: the key is ours alone, so an answer was lost."""
        try:
            return await call(*args)
        except AlreadyStoredError:
            return await self._verify()

    async def _put(self, key: str, body: memoryview, label: Label) -> str:
        async with self._lane.slot(len(body)):
            return await self._call(self._store.put, key, body, label)

    async def _verify(self) -> str:
        return await self._call(verified, self._store, self._target[0], self.size)

    def _stored(self, etag: str, crc: str | None) -> Stored:
        self.made = True
        self.brought.set()
        self._storage.buffers.give(self._own)
        self._own = _NONE
        return Stored(self.size, etag, f"{checksums.NAME}:{crc}" if crc else None)

    async def _send(self) -> None:
        """Let what is in the buffer fly as a part; from now on the buffer is the thread's."""
        if self._failure:
            raise self._failure
        await self._allowed()
        if self._upload is None:
            self._upload = self._start(self._store.begin, *self._target)
        await asyncio.shield(self._upload)
        buffer, body = self._buffer, memoryview(self._buffer)[: self._filled]
        self._sent += 1
        self._flying += 1
        flight = asyncio.create_task(self._fly(self._sent, body))
        self._flights.add(flight)
        flight.add_done_callback(lambda done: self._land(done, buffer))
        self._buffer, self._filled = _NONE, 0

    async def _fly(self, number: int, body: memoryview) -> Part:
        """Store one part when it is its turn."""
        async with self._lane.slot(len(body)):
            await self._allowed()
            upload_id = self._upload.result() if self._upload else ""
            return await self._call(self._store.put_part, self._target[0], upload_id, number, body)

    def _land(self, done: asyncio.Task[Part], buffer: Buffer) -> None:
        self._flights.discard(done)
        self._flying -= 1
        if buffer is self._own:
            self._own_free = True
        else:
            self._return(buffer, looked_into=done.cancelled())
        if done.cancelled():
            self._failure = self._failure or TransientError("the upload was abandoned")
        elif error := done.exception():
            self._failure = self._failure or error
        else:
            self._parts.append(done.result())
            self.stored += done.result().size
        self._landed.set()

    async def _empty_buffer(self) -> Buffer:
        """The own one, or another one as long as parts need not wait for their turn."""
        while True:
            if self._flying < IN_FLIGHT:
                if self._own_free:
                    self._own_free = False
                    return self._own
                if self._lane.room and self._storage.budget.spare(self._part):
                    return self._storage.buffers.take(self._part, self._part)
            self._lane.press()
            await self._landing()  # the own buffer at least is in the air

    def _return(self, buffer: Buffer, *, looked_into: bool = False) -> None:
        """Give a buffer back that was borrowed; one that a thread still looks into is not used again."""
        self._storage.budget.give(self._part)
        if not looked_into:
            self._storage.buffers.give(buffer)

    async def _landing(self) -> None:
        if not self._failure:
            self._landed.clear()
            await self._landed.wait()
        if self._failure:
            raise self._failure

    async def _call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        # Shielded: a cancelled upload still has to know how its call ended.
        return await asyncio.shield(self._start(function, *args, **kwargs))

    def _start(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._storage.threads, partial(function, *args, **kwargs))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return call

"""Bytes of a resumable upload on their way into the equal parts of one object, from where the request before ended."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import ParamSpec, TypeVar

from ingest.budget import Budget
from ingest.buffers import Buffer, Buffers
from ingest.holding import Holding, Safe
from ingest.lanes import Lane
from ingest.pace import Pace
from ingest.problems import ProblemError
from pipeline import keys
from pipeline.adapters.checksums import NAME, crc64, crc64_of_parts
from pipeline.errors import AlreadyStoredError, DarkroomError, NotFoundError, TransientError
from pipeline.events import Stored
from pipeline.ports import Label, ObjectStore, Part, Pieces
from pipeline.reception import Tail, reception_of

IN_FLIGHT = 4

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Shelves:
    """Where the bytes go, and what they may take of this process."""

    objects: ObjectStore
    pieces: Pieces
    budget: Budget
    threads: Executor
    buffers: Buffers
    pace: Pace


class Receiving:
    """One request's bytes. While they count only `at_once`, nothing of them is safe before the end.

    `open` first; then `write`; then `finish` or `rest`, whatever happened in between, once. `brought` once every byte
    is in S3 and the row says so: whoever comes can make the object.
    """

    def __init__(self, holding: Holding, shelves: Shelves, label: Label, *, at_once: bool) -> None:
        """Nothing is fetched or sent yet."""
        self.reception = reception_of(holding.task.reception or {})
        self.offset = self._began = holding.task.offset
        self._holding, self._shelves, self.label = holding, shelves, label
        self.at_once = at_once
        self._size = self.reception.part_size
        self._before = self._sent = self._began // self._size
        self._buffer: Buffer = bytearray()
        self._filled = 0
        self._landed: dict[int, Part] = {}
        self._flying: set[asyncio.Task[Part]] = set()
        self._lane = Lane(shelves.pace)
        self._failure: BaseException | None = None
        self._buffers, self._borrowed = 1, 0
        self._finishing = False
        self.brought = asyncio.Event()

    @property
    def room(self) -> int:
        """Bytes of the buffer that is to be filled next: a part, or what is missing of the whole upload."""
        length = self.reception.length
        return self._size if length is None else min(self._size, length - self._sent * self._size)

    @property
    def head(self) -> memoryview | None:
        """What has come of the upload's first part, as long as it is not sent."""
        return memoryview(self._buffer)[: self._filled] if self._sent == 0 else None

    async def open(self) -> None:
        """Fetch the tail that the request before has left."""
        self._buffer = self._fresh()
        tail = self.reception.tail
        if tail is not None:
            found = await self._call(self._shelves.objects.read, tail.key, tail.size, tail.etag)
            self._buffer[: len(found)] = found
            self._filled = len(found)

    async def write(self, data: memoryview) -> None:
        """Take the bytes, returning when there is room for more; raises what storing an earlier part raised."""
        self.offset += len(data)
        self._lane.came(self.offset, self.reception.length)
        while data:
            if self._filled == self._size:
                await self._send()
            piece = data[: self._size - self._filled]
            self._buffer[self._filled : self._filled + len(piece)] = piece
            self._filled += len(piece)
            data = data[len(piece) :]

    def safe(self) -> Safe:
        """What no crash can take: all bytes before the first part that has not landed."""
        if self.reception.whole:
            return self.offset, self.reception
        reached = self._before
        while reached + 1 in self._landed:
            reached += 1
        if self._finishing:  # as long as the object is not made, the client must not be told that nothing is missing
            reached = min(reached, (self.offset - 1) // self._size)
        if self.at_once or reached <= self._before:
            return self._began, replace(self.reception, tail=self._left)
        return reached * self._size, replace(self.reception, tail=None, crc=self._crc(reached))

    async def finish(self, key: str) -> Stored:
        """Make the object of all that came, and drop what was left on the way; raises `DarkroomError`."""
        self._finishing = True
        self._lane.hurry()
        self.reception = replace(self.reception, doubtful=True)
        await self._holding.check()
        upload_id = self.reception.upload_id
        if upload_id is None:
            body = memoryview(self._buffer)[: self._filled]
            async with self._lane.slot(len(body)):
                etag = await self._made(key, self._shelves.objects.put, key, body, self.label)
            crc: str | None = crc64(body)
        else:
            parts = await self._all_parts(key)
            crc = crc64_of_parts([*self._earlier, *parts[self._before :]])
            if not self.reception.partial:
                self.reception = replace(self.reception, whole=True, tail=None, crc=crc or "")
                await self._holding.note(self.safe)
                self.brought.set()
            await self._holding.check()
            etag = await self._made(key, self._shelves.objects.complete, key, upload_id, parts, crc)
            await self._verify(key)
        await self.tidy()
        self._shelves.buffers.give(self._buffer)
        self._buffer = bytearray()
        return Stored(self.offset, etag, f"{NAME}:{crc}" if crc else None)

    async def tidy(self) -> None:
        """Drop every tail that any request left; before the commit, since nobody comes back after it."""
        media = self._holding.media
        if self._holding.task.epoch > 1:
            await self._call(self._shelves.objects.purge, keys.tails(media.project_id, media.id))

    async def rest(self) -> Safe:
        """Wait for what is under way and keep what is left over, if it can be; never raises `DarkroomError`."""
        self._lane.hurry()
        await self.landing()
        if self._filled == self._size and not self._finishing:
            with suppress(DarkroomError, ProblemError):
                await self._send()
                await self.landing()
        offset, reception = self.safe()
        fresh = self._filled and self.offset > self._began and not (self.at_once or self._finishing)
        if not fresh or offset // self._size != self._sent:
            return offset, reception
        media, task = self._holding.media, self._holding.task
        key = keys.tail(media.project_id, media.id, task.epoch)
        with suppress(DarkroomError, ProblemError):
            await self._holding.check()
            body = memoryview(self._buffer)[: self._filled]
            etag = await self._call(self._shelves.objects.put, key, body, Label("application/octet-stream"))
            return self._sent * self._size + self._filled, replace(reception, tail=Tail(key, self._filled, etag))
        return offset, reception

    @property
    def _earlier(self) -> list[Part]:
        """All parts of earlier requests, as one, for its checksum."""
        return [Part(0, "", self._before * self._size, self.reception.crc)] if self._before else []

    def _crc(self, reached: int) -> str:
        """The checksum of the parts up to that number."""
        landed = (self._landed[number] for number in range(self._before + 1, reached + 1))
        return crc64_of_parts([*self._earlier, *landed]) or ""

    @property
    def _left(self) -> Tail | None:
        return reception_of(self._holding.task.reception or {}).tail

    async def _send(self) -> None:
        """Let the full buffer fly as a part, and get another."""
        if self._failure:
            raise self._failure
        await self._holding.check()
        media = self._holding.media
        upload_id = self.reception.upload_id or await self._begin(media.s3_key)
        self._sent += 1
        number, buffer = self._sent, self._buffer
        flight = asyncio.create_task(self._fly(upload_id, number, memoryview(buffer)[: self._size]))
        self._flying.add(flight)
        flight.add_done_callback(lambda done: self._land(done, number, buffer))
        self._buffer, self._filled = bytearray(), 0
        self._buffer = await self._empty_buffer()

    async def _fly(self, upload_id: str, number: int, body: memoryview) -> Part:
        """Store one part when it is its turn."""
        async with self._lane.slot(len(body)):
            await self._holding.check()
            key = self._holding.media.s3_key
            return await self._call(self._shelves.objects.put_part, key, upload_id, number, body)

    async def _begin(self, key: str) -> str:
        """Open the multipart upload and say so in the row; close what earlier holders opened and could not say."""
        objects = self._shelves.objects
        if self._holding.task.epoch > 1:
            for stray in await self._call(lambda: list(objects.uploads(key))):
                await self._call(objects.abort, stray.key, stray.id)
        upload_id = await self._call(objects.begin, key, self.label)
        self.reception = replace(self.reception, upload_id=upload_id)
        await self._holding.note(self.safe)
        return upload_id

    def _fresh(self) -> Buffer:
        return self._shelves.buffers.take(self.room, self._size)

    async def _empty_buffer(self) -> Buffer:
        """The first buffer is the request's own; more are borrowed of the budget while they are to be had."""
        while True:
            if not self._buffers:
                self._buffers = 1
                return self._fresh()
            if len(self._flying) < IN_FLIGHT and self._lane.room and self._shelves.budget.spare(self._size):
                self._borrowed += 1
                self._buffers += 1
                return self._fresh()
            self._lane.press()
            await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            if self._failure:
                raise self._failure

    def _land(self, done: asyncio.Task[Part], number: int, buffer: Buffer) -> None:
        self._flying.discard(done)
        if not done.cancelled():  # else a thread may look into it still
            self._shelves.buffers.give(buffer)
        self._buffers -= 1
        if self._borrowed and self._borrowed >= self._buffers:
            self._borrowed -= 1
            self._shelves.budget.give(self._size)
        if done.cancelled():
            self._failure = self._failure or TransientError("the upload was abandoned")
        elif error := done.exception():
            self._failure = self._failure or error
        else:
            self._landed[number] = done.result()

    async def _all_parts(self, key: str) -> list[Part]:
        """Send the last part; the parts of earlier requests are told by S3."""
        upload_id, last = self.reception.upload_id or "", []
        if self._filled:
            body = memoryview(self._buffer)[: self._filled]
            last = [await self._fly(upload_id, self._sent + 1, body)]
        await self.landing()
        if self._failure:
            raise self._failure
        listed = await self._call(lambda: list(self._shelves.pieces.parts(key, upload_id))) if self._before else []
        parts = {part.number: part for part in listed if part.number <= self._before} | self._landed
        if sorted(parts) != list(range(1, self._sent + 1)):
            raise TransientError(f"S3 has {len(parts)} parts of {self._sent}")
        return [*(parts[number] for number in sorted(parts)), *last]

    async def landing(self) -> None:
        """Wait for what is under way."""
        while self._flying:
            await asyncio.wait(self._flying)

    async def _made(self, key: str, function: Callable[P, str], *args: P.args, **kwargs: P.kwargs) -> str:
        try:
            return await self._call(function, *args, **kwargs)
        except (AlreadyStoredError, NotFoundError):
            return await self._verify(key)

    async def _verify(self, key: str) -> str:
        found = await self._call(self._shelves.objects.head, key)
        if found is None or found.size != self.offset:
            raise TransientError(f"S3 has {found.size if found else 'nothing'} where {self.offset} bytes were stored")
        return found.etag

    async def _call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.shield(self._start(function, *args, **kwargs))

    def _start(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._shelves.threads, partial(function, *args, **kwargs))

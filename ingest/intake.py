"""The way of one file: looked at, intended, streamed into S3, committed; or, if anything goes wrong, taken back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from ingest.described import described, label_of
from ingest.digests import Digests
from ingest.leases import Hold, Intent, Leases
from ingest.oneshot import SMALL, OneShot
from ingest.pressure import Pressure
from ingest.problems import ProblemError
from ingest.prompt import Receipt, promptly
from ingest.reporting import reported
from ingest.settling import public, settle, take_back, taken
from ingest.streaming import Storage, Transfer, part_size
from ingest.submissions import Submission
from pipeline.errors import DarkroomError
from pipeline.ledger import Ledger
from pipeline.limits import Limits
from pipeline.media import Media
from pipeline.ports import Label
from pipeline.repeats import Turn
from pipeline.sniff import HEAD, Type, sniff

SOON = 0.25
"""Seconds in which a small file is here, or else is intended while the rest of it comes."""

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True)
class Incoming:
    """A file that comes: `most` is the size that it cannot exceed, if known, `turn` its Idempotency-Key's, if any."""

    submission: Submission
    content: AsyncIterator[memoryview]
    most: int | None
    digests: Digests
    turn: Turn | None = None


@dataclass(frozen=True)
class Intake:
    """Takes files in. Blocking calls run in threads of their own kind, so that a slow S3 holds no renewal up.

    `prompt` is how many seconds after S3 has every byte a client waits for the end.
    """

    ledger: Ledger
    storage: Storage
    limits: Limits
    pressure: Pressure
    leases: Leases
    threads: Executor
    prompt: float

    async def take(self, incoming: Incoming) -> Receipt:
        """Store the file; the answer need not wait for S3 and the records to make an object and a media of it.

        Raises `ProblemError`, and `ClientDisconnect` when the client goes away; what was stored is then taken back.
        """
        submission = incoming.submission
        head = await _head(incoming.content)
        await self.pressure.check()
        media = described(self.ledger.site, submission.project_id, submission.original_name, self._type_of(head))
        label = label_of(media, submission.field_name)
        also = () if incoming.turn is None else (incoming.turn.begins(media.id),)
        if incoming.most is not None and incoming.most <= SMALL:
            return Receipt(await self._at_once(incoming, head, label, Hold(media, self.ledger, also)))
        part = part_size(self.limits.bytes if incoming.most is None else incoming.most)
        room = part if incoming.most is None else min(part, incoming.most)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.storage.budget.admitted(room))
            intent = await stack.enter_async_context(self.leases.intended(media, also))
            transfer = Transfer(self.storage, (media.s3_key, label), room, part, intent.check, incoming.most)
            await stack.enter_async_context(self._taken_back(intent, transfer))
            await stack.enter_async_context(reported(media, lambda: transfer.stored, self.ledger, self.threads))
            async for view in self._checked(incoming, head):
                await transfer.write(view)
            finishing = asyncio.create_task(self._finish(stack.pop_all(), intent, transfer, incoming.digests))
        rest = await promptly(finishing, transfer.brought, self.prompt, media.id)
        return Receipt(media, rest) if rest else Receipt(finishing.result())

    async def _at_once(self, incoming: Incoming, head: list[memoryview], label: Label, hold: Hold) -> Media:
        """Read a small file, then have one thread do the rest; one that takes its time is intended meanwhile."""
        loop = asyncio.get_running_loop()
        async with self.storage.budget.admitted(incoming.most or 0):
            with self.leases.kept(hold):
                early = loop.call_later(SOON, loop.run_in_executor, self.threads, hold.begin_early)
                try:
                    body = b"".join([view async for view in self._checked(incoming, head)])
                except BaseException as error:
                    if hold.begun:
                        await self._forget(hold, error)
                    raise
                finally:
                    early.cancel()
                shot = OneShot(self.ledger, self.storage.objects, hold, label, body, incoming.digests.check())
                return await _whatever_happens(self.storage.threads, shot.run)

    async def _checked(self, incoming: Incoming, head: list[memoryview]) -> AsyncIterator[memoryview]:
        """The file's bytes, as long as they are not too many; it ends only if they are those that were announced."""
        size = sum(map(len, head))
        if size > self.limits.bytes:
            raise ProblemError("bytes_exceeded")
        for view in head:
            incoming.digests.update(view)
            yield view
        async for view in incoming.content:
            size += len(view)
            if size > self.limits.bytes:
                raise ProblemError("bytes_exceeded")
            incoming.digests.update(view)
            yield view
        incoming.digests.check()

    async def _forget(self, hold: Hold, error: BaseException) -> None:
        """Take back what was intended, if it was."""

        def forget() -> None:
            with suppress(ProblemError):
                take_back(hold.begin().task, error, self.ledger)

        await asyncio.get_running_loop().run_in_executor(self.threads, forget)

    async def _finish(self, stack: AsyncExitStack, intent: Intent, transfer: Transfer, digests: Digests) -> Media:
        """Make the object and say so in the records."""
        async with stack:
            stored = replace(await transfer.finish(), digests=digests.check() or None)
            task, media = await intent.claimed()
            return taken(await settle(task, stored, self.ledger, self.threads, media))

    @asynccontextmanager
    async def _taken_back(self, intent: Intent, transfer: Transfer) -> AsyncIterator[None]:
        """Whatever goes wrong, forget what was stored and say so; raises `ProblemError` for our own errors."""
        try:
            yield
        except BaseException as error:
            if transfer.made:  # the outcome is the records', in doubt too: nothing of it is taken back here
                raise
            await transfer.abandon()
            await self._forget(intent.hold, error)
            if isinstance(error, DarkroomError):
                raise public(error) from error
            raise

    def _type_of(self, head: list[memoryview]) -> Type:
        found = sniff(head[0] if len(head) == 1 else b"".join(head))
        if found is None:
            raise ProblemError("format_unsupported")
        if found.mime_type not in self.limits.accept:
            raise ProblemError("type_not_accepted")
        return found


async def _whatever_happens(threads: Executor, function: Callable[[], T]) -> T:
    """What a thread returns, also to a request that is cancelled: what it does is then done all the same."""
    call = asyncio.get_running_loop().run_in_executor(threads, function)
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        return call.result()


async def _head(file: AsyncIterator[memoryview]) -> list[memoryview]:
    """The first pieces of the file, until they are enough to tell what it is."""
    pieces: list[memoryview] = []
    async for view in file:
        pieces.append(view)
        if sum(map(len, pieces)) >= HEAD:
            break
    return pieces

"""The way of one file: looked at, intended, streamed into S3, committed; or, if anything goes wrong, taken back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import structlog
from starlette.requests import ClientDisconnect

from ingest.digests import Digests
from ingest.leases import Hold, intended
from ingest.pressure import Pressure
from ingest.problems import ProblemError
from ingest.settling import arrived, settle
from ingest.streaming import Storage, Transfer, part_size
from ingest.submissions import Submission
from pipeline import keys, names
from pipeline.errors import DarkroomError, LeaseLostError
from pipeline.events import Aborted
from pipeline.ledger import Ledger
from pipeline.limits import Limits
from pipeline.media import Media
from pipeline.ports import Label
from pipeline.progress import Report
from pipeline.repeats import Turn
from pipeline.sniff import HEAD, Type, sniff

REPORTED = 1.0
"""Seconds between two reports of how much of an upload is stored."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Incoming:
    """A file that comes: `most` is the size that it cannot exceed, if known, `turn` its Idempotency-Key's, if any."""

    submission: Submission
    content: AsyncIterator[memoryview]
    most: int | None
    digests: Digests
    turn: Turn | None = None


@dataclass(frozen=True)
class Receipt:
    """A file that has come: its record, and what is still to be awaited when S3 takes long to make the object."""

    media: Media
    rest: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True)
class Intake:
    """Takes files in. Blocking calls run in threads of their own kind, so that a slow S3 holds no renewal up.

    `prompt` is how many seconds after S3 has every byte a client waits for the end.
    """

    ledger: Ledger
    storage: Storage
    limits: Limits
    pressure: Pressure
    threads: Executor
    prompt: float

    async def take(self, incoming: Incoming) -> Receipt:
        """Store the file; the answer need not wait for S3 and the records to make an object and a media of it.

        Raises `ProblemError`, and `ClientDisconnect` when the client goes away; what was stored is then taken back.
        """
        head = await _head(incoming.content)
        await self.pressure.check()
        media = self._describe(incoming.submission, self._type_of(b"".join(head)))
        log.debug("upload_began", media_id=media.id)
        part = part_size(self.limits.bytes if incoming.most is None else incoming.most)
        room = part if incoming.most is None else min(part, incoming.most)
        also = () if incoming.turn is None else (incoming.turn.begins(media.id),)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.storage.budget.admitted(room))
            hold = await stack.enter_async_context(intended(media, self.ledger, self.threads, also))
            transfer = Transfer(self.storage, (media.s3_key, _label(media, incoming)), room, part, hold.check)
            await stack.enter_async_context(self._taken_back(media, hold, transfer))
            await stack.enter_async_context(self._reporting(media, transfer))
            await self._read(transfer, incoming, head)
            finishing = asyncio.create_task(self._finish(stack.pop_all(), hold, transfer, incoming.digests))
        return await _prompt(finishing, transfer.brought, media, self.prompt)

    async def _read(self, transfer: Transfer, incoming: Incoming, head: list[memoryview]) -> None:
        async for view in _whole(head, incoming.content):
            if transfer.size + len(view) > self.limits.bytes:
                raise ProblemError("bytes_exceeded")
            incoming.digests.update(view)
            await transfer.write(view)
        incoming.digests.check()

    async def _finish(self, stack: AsyncExitStack, hold: Hold, transfer: Transfer, digests: Digests) -> Media:
        """Make the object and say so in the records."""
        async with stack:
            stored = replace(await transfer.finish(), digests=digests.check() or None)
            settled = await settle(await hold.task(), stored, self.ledger, self.threads)
        if not arrived(settled):
            raise ProblemError("upload_superseded")
        return settled

    @asynccontextmanager
    async def _taken_back(self, media: Media, hold: Hold, transfer: Transfer) -> AsyncIterator[None]:
        """Whatever goes wrong, forget what was stored and say so; raises `ProblemError` for our own errors."""
        try:
            yield
        except BaseException as error:
            if transfer.made:  # the outcome is the records', in doubt too: nothing of it is taken back here
                raise
            await transfer.abandon()
            await self._take_back(hold, media, error)
            if isinstance(error, DarkroomError):
                raise _public(error) from error
            raise

    @asynccontextmanager
    async def _reporting(self, media: Media, transfer: Transfer) -> AsyncIterator[None]:
        reporting = asyncio.create_task(self._report(media, transfer))
        try:
            yield
        finally:
            reporting.cancel()

    async def _report(self, media: Media, transfer: Transfer) -> None:
        """Tell whoever follows how many bytes are stored; small files are done before the first time."""
        told = 0
        while True:
            await asyncio.sleep(REPORTED)
            if transfer.stored > told:
                told = transfer.stored
                report = partial(
                    self.ledger.queue.report, media.project_id, media.id, "upload", Report(0.0, stored=told)
                )
                await asyncio.get_running_loop().run_in_executor(self.threads, report)

    async def _take_back(self, hold: Hold, media: Media, error: BaseException) -> None:
        """Say in the record that it will never be whole; whoever cannot say it leaves that to a worker."""
        event = _aborted(error)
        log.info("upload_aborted", media_id=media.id, reason=event.reason, error=repr(error))
        if isinstance(error, LeaseLostError):
            return
        try:
            await settle(await hold.task(), event, self.ledger, self.threads)
        except ProblemError:
            log.warning("upload_left_to_recovery", media_id=media.id)

    def _type_of(self, head: bytes) -> Type:
        found = sniff(head)
        if found is None:
            raise ProblemError("format_unsupported")
        if found.mime_type not in self.limits.accept:
            raise ProblemError("type_not_accepted")
        return found

    def _describe(self, submission: Submission, found: Type) -> Media:
        media_id, project_id = keys.new_media_id(), submission.project_id
        name = names.safe(submission.original_name, found)
        key = keys.original(project_id, media_id, name)
        return Media(
            id=media_id,
            project_id=project_id,
            original_name=names.kept(submission.original_name or name),
            file_name=name,
            file_type=found.kind,
            mime_type=found.mime_type,
            s3_key=key,
            s3_url=self.ledger.site.url(key),
            upload_date=datetime.now(UTC).isoformat(timespec="milliseconds"),
            position=None,  # drawn with the intent
        )


async def _prompt(finishing: "asyncio.Task[Media]", brought: asyncio.Event, media: Media, prompt: float) -> Receipt:
    """The record, if it is settled soon after all bytes are in S3; else as it is now, and what is left to wait for."""
    bringing = asyncio.create_task(brought.wait())
    try:
        await asyncio.wait([finishing, bringing], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([finishing], timeout=prompt)
        if finishing.done():
            return Receipt(finishing.result())
    except asyncio.CancelledError:
        await _cancelled(finishing)
        raise
    finally:
        bringing.cancel()

    async def rest() -> None:
        try:
            await asyncio.wait([finishing])
        except asyncio.CancelledError:
            await _cancelled(finishing)
            raise
        if error := finishing.exception():
            log.warning("upload_failed_late", media_id=media.id, error=repr(error))

    return Receipt(media, rest)


async def _cancelled(finishing: "asyncio.Task[Media]") -> None:
    finishing.cancel()
    await asyncio.wait([finishing])
    if not finishing.cancelled():
        finishing.exception()  # which nobody else will ask for


def _label(media: Media, incoming: Incoming) -> Label:
    facts = {"projectId": media.project_id, "mediaId": media.id, "fieldName": incoming.submission.field_name}
    return Label(media.mime_type, facts, disposition=names.disposition(media.file_name))


async def _head(file: AsyncIterator[memoryview]) -> list[memoryview]:
    """The first pieces of the file, until they are enough to tell what it is."""
    pieces: list[memoryview] = []
    async for view in file:
        pieces.append(view)
        if sum(map(len, pieces)) >= HEAD:
            break
    return pieces


async def _whole(head: list[memoryview], rest: AsyncIterator[memoryview]) -> AsyncIterator[memoryview]:
    for view in head:
        yield view
    async for view in rest:
        yield view


def _aborted(error: BaseException) -> Aborted:
    match error:
        case ProblemError():
            return Aborted(error.code, error.sentence)
        case ClientDisconnect():
            return Aborted("client_gone", "The client went away before the upload was complete.")
        case asyncio.CancelledError():
            return _aborted(ProblemError("shutting_down"))
        case DarkroomError():
            return _aborted(ProblemError("storage_unavailable"))
        case _:
            return _aborted(ProblemError("internal_error"))


def _public(error: DarkroomError) -> ProblemError:
    return ProblemError("upload_superseded" if isinstance(error, LeaseLostError) else "storage_unavailable")

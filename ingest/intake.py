"""The way of one file: looked at, intended, streamed into S3, committed; or, if anything goes wrong, taken back."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog
from starlette.requests import ClientDisconnect

from ingest.budget import Budget
from ingest.leases import Hold, intended
from ingest.pressure import Pressure
from ingest.problems import ProblemError
from ingest.settling import arrived, settle
from ingest.streaming import PART, Transfer
from ingest.submissions import Submission
from pipeline import keys, names
from pipeline.errors import DarkroomError, LeaseLostError
from pipeline.events import Aborted, Stored
from pipeline.ledger import Ledger
from pipeline.limits import Limits
from pipeline.media import Media
from pipeline.ports import Label, ObjectStore
from pipeline.progress import Report
from pipeline.repeats import Turn
from pipeline.sniff import HEAD, Type, sniff

REPORTED = 1.0
"""Seconds between two reports of how much of an upload is stored."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Intake:
    """Takes files in. Blocking calls run in threads of their own kind, so that a slow S3 holds no renewal up."""

    ledger: Ledger
    objects: ObjectStore
    limits: Limits
    budget: Budget
    pressure: Pressure
    ledger_threads: Executor
    object_threads: Executor

    async def take(
        self, submission: Submission, file: AsyncIterator[memoryview], most: int | None, turn: Turn | None = None
    ) -> Media:
        """Store the file and return its record; `most` is the size that the file cannot exceed, if known.

        `turn` is that of the request's Idempotency-Key, if it has one.

        Raises `ProblemError`, and `ClientDisconnect` when the client goes away; what was stored is then taken back.
        """
        head = await _head(file)
        await self.pressure.check()
        media = self._describe(submission, self._type_of(b"".join(head)))
        log.debug("upload_began", media_id=media.id)
        room = PART if most is None else min(PART, most)
        also = () if turn is None else (turn.begins(media.id),)
        async with self.budget.admitted(room), intended(media, self.ledger, self.ledger_threads, also) as hold:
            stored = await self._store(media, submission, hold, _whole(head, file), room)
            settled = await settle(await hold.task(), stored, self.ledger, self.ledger_threads)
        if not arrived(settled):
            raise ProblemError("upload_superseded")
        return settled

    async def _store(
        self,
        media: Media,
        submission: Submission,
        hold: Hold,
        content: AsyncIterator[memoryview],
        room: int,
    ) -> Stored:
        facts = {"projectId": media.project_id, "mediaId": media.id, "fieldName": submission.field_name}
        label = Label(media.mime_type, facts, disposition=names.disposition(media.file_name))
        threads, target = self.object_threads, (media.s3_key, label)
        transfer = Transfer(self.objects, threads, self.budget, target, room, hold.check)
        reporting = asyncio.create_task(self._report(media, transfer))
        try:
            async for view in content:
                if transfer.size + len(view) > self.limits.bytes:
                    raise ProblemError("bytes_exceeded")  # noqa: TRY301 - one way out for all that goes wrong
                await transfer.write(view)
            return await transfer.finish()
        except BaseException as error:
            await transfer.abandon()
            await self._take_back(hold, media, error)
            if isinstance(error, DarkroomError):
                raise _public(error) from error
            raise
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
                await asyncio.get_running_loop().run_in_executor(self.ledger_threads, report)

    async def _take_back(self, hold: Hold, media: Media, error: BaseException) -> None:
        """Say in the record that it will never be whole; whoever cannot say it leaves that to a worker."""
        event = _aborted(error)
        log.info("upload_aborted", media_id=media.id, reason=event.reason, error=repr(error))
        if isinstance(error, LeaseLostError):
            return
        try:
            await settle(await hold.task(), event, self.ledger, self.ledger_threads)
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

"""Uploads that come in several requests: created, taken for a request, brought further, laid down again or ended."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import ParamSpec, TypeVar

import structlog

from ingest.bringing import Body, Brought
from ingest.callers import Caller
from ingest.described import label_of, recognised
from ingest.held import Held
from ingest.holding import Holding
from ingest.leases import SLOW
from ingest.problems import PROBLEMS, ProblemError
from ingest.prompt import promptly
from ingest.receiving import Receiving, Shelves
from ingest.reporting import reported
from ingest.settling import arrived, settle
from pipeline import granting
from pipeline.changes import RefusedError
from pipeline.errors import DarkroomError, LeaseLostError, PermanentError, UnavailableError
from pipeline.events import Aborted, Stored
from pipeline.granting import Opened
from pipeline.ledger import Ledger
from pipeline.limits import Limits
from pipeline.media import Media, Status
from pipeline.reception import Reception, reception_of
from pipeline.repeats import Turn
from pipeline.sniff import HEAD, UNKNOWN, sniff
from pipeline.tasks import Task, TaskStatus

log = structlog.get_logger()

PATIENCE = 15.0
"""Seconds that a request waits for another to lay the upload down: its holder looks at the row at every renewal."""
FIELD = "file"

P = ParamSpec("P")
R = TypeVar("R")


class _LeftToWorkersError(Exception):
    """S3 is away, and the row says what is left to do."""


@dataclass(frozen=True)
class Resumable:
    """`keep` is how long, in ms, an upload may stay incomplete after its last byte.

    `prompt` is how many seconds after S3 has every byte a client waits for the end.
    """

    ledger: Ledger
    shelves: Shelves
    keep: int
    prompt: float
    threads: Executor
    held: Held

    async def create(self, media: Media, reception: Reception, turn: Turn | None = None) -> Opened:
        """The first transaction; `turn` is that of the request's Idempotency-Key. Raises `ProblemError`."""
        return await self.call(self._create, media, reception, turn)

    async def look(self, media_id: str, caller: Caller) -> Opened:
        """The upload as it stands, when whoever asks may go on with it; raises `ProblemError`."""
        opened, now = await self.call(self._looked, media_id)
        if opened is None or (caller.projects is not None and opened.media.project_id not in caller.projects):
            raise ProblemError("upload_not_found")
        media, task = opened
        if task is None or task.reception is None or reception_of(task.reception).direct:
            raise ProblemError("upload_gone" if media.status is not Status.UPLOADING else "upload_not_found")
        over = media.status is Status.UPLOADING and now > task.grant_until
        if over or (media.status is not Status.UPLOADING and not arrived(media)):
            raise ProblemError("upload_gone")
        return opened

    async def at_rest(self, media_id: str, caller: Caller) -> Opened:
        """The same once no request holds it: the one that does is asked to lay it down."""
        deadline = time.monotonic() + PATIENCE
        while True:
            opened = await self.look(media_id, caller)
            task = opened.task
            if task is None or task.status is not TaskStatus.RUNNING or opened.media.status is not Status.UPLOADING:
                return opened
            if reception_of(task.reception or {}).ours:  # which nobody can bring any further
                return opened
            if (task.lease_until or 0) < await self._now():
                return opened
            if time.monotonic() > deadline:
                raise ProblemError("upload_locked")
            await self._ask(task)
            await asyncio.sleep(random.uniform(0.02, 0.1))  # noqa: S311 - jitter, no secret

    @asynccontextmanager
    async def hold(self, seen: Opened) -> AsyncIterator[Holding]:
        """Take an upload that was seen at rest for one request; raises `ProblemError` when it cannot be had."""
        media_id, began = seen.media.id, time.monotonic()
        claimed = await self.call(granting.take, self.ledger, media_id)
        if claimed is None:
            raise ProblemError("upload_locked")
        holding = Holding(claimed, began, self.ledger, self.threads)
        self.held.add(holding)
        try:
            taken_over = seen.task is not None and seen.task.status is TaskStatus.RUNNING
            doubtful = taken_over or reception_of(claimed.task.reception or {}).doubtful
            if doubtful and await self._made(holding):
                raise ProblemError("upload_complete")
            yield holding
        finally:
            self.held.remove(holding)
            if not holding.over:  # it was refused before it brought anything
                with suppress(DarkroomError, ProblemError):
                    await self._lay_down(holding, (holding.task.offset, reception_of(holding.task.reception or {})))

    async def bring(self, seen: Opened, offset: int, body: Body) -> Brought:
        """Take a request's bytes, which begin at the offset.

        Raises `ProblemError`, and `ClientDisconnect` when the client goes away: what came is kept, unless it is a
        checksum's or no file that is taken.
        """
        async with AsyncExitStack() as stack:
            holding = await stack.enter_async_context(self.hold(seen))
            if holding.task.offset != offset:
                raise ProblemError("upload_offset_mismatch")
            receiving = Receiving(holding, self.shelves, label_of(holding.media, FIELD), at_once=body.check is not None)
            if body.length is not None:
                receiving.reception = replace(receiving.reception, length=body.length)
            await stack.enter_async_context(self._laid_down(holding, receiving))
            await stack.enter_async_context(self.shelves.budget.admitted(receiving.room))
            await stack.enter_async_context(holding.kept(receiving.safe))
            if not holding.media.partial:
                stored = reported(holding.media, lambda: receiving.safe()[0], self.ledger, self.threads)
                await stack.enter_async_context(stored)
            await receiving.open()
            await self._read(holding, receiving, body)
            if receiving.offset != receiving.reception.length:
                await self._lay_down(holding, await receiving.rest())
                return Brought(receiving.offset)
            await self._recognise(holding, receiving, body.limits)
            finishing = asyncio.create_task(self._finish(stack.pop_all(), holding, receiving, body))
        rest = await promptly(finishing, receiving.brought, self.prompt, holding.media.id)
        if rest is None:
            finishing.result()
        return Brought(receiving.offset, rest)

    async def terminate(self, media_id: str) -> None:
        """End the upload for good; whoever holds it finds out, and its bytes go."""
        await self.call(self.ledger.delete, media_id)
        self.held.want(media_id)

    async def _read(self, holding: Holding, receiving: Receiving, body: Body) -> None:
        length = receiving.reception.length
        most = body.limits.bytes if length is None else length
        async with holding.interruptible():
            async for chunk in body.chunks:
                if receiving.offset + len(chunk) > most:
                    raise ProblemError("bytes_exceeded")
                if body.check:
                    body.check.running.update(memoryview(chunk))
                await receiving.write(memoryview(chunk))
                if receiving.head is not None and len(receiving.head) >= HEAD:
                    await self._recognise(holding, receiving, body.limits)
        if body.check and body.check.running.digest() != body.check.digest:
            raise ProblemError("checksum_mismatch")
        receiving.at_once = False

    async def _recognise(self, holding: Holding, receiving: Receiving, limits: Limits) -> None:
        """Look at the first bytes, once there are enough of them, before any is stored under the upload's key."""
        if holding.media.mime_type != UNKNOWN.mime_type or receiving.reception.partial:
            return
        found = sniff(receiving.head or b"")
        if found is None or found.mime_type not in limits.accept:
            raise ProblemError("format_unsupported" if found is None else "type_not_accepted")
        event = recognised(holding.media, found)
        holding.media = await self.call(granting.recognise, self.ledger, holding.task, event, holding.media)
        receiving.label = label_of(holding.media, FIELD)

    async def _finish(self, stack: AsyncExitStack, holding: Holding, receiving: Receiving, body: Body) -> None:
        """Make the object and say so. Once the row says that every byte is there, a worker can do it as well."""
        with suppress(_LeftToWorkersError):
            async with stack:
                try:
                    stored = await receiving.finish(holding.media.s3_key)
                except UnavailableError as error:
                    if receiving.brought.is_set():
                        raise _LeftToWorkersError from error
                    raise
                if receiving.reception.partial:
                    crc = (stored.checksum or "").partition(":")[2]
                    reception = replace(receiving.reception, tail=None, doubtful=False, crc=crc)
                    await self._lay_down(holding, (receiving.offset, reception))
                else:
                    await self.settle(holding, replace(stored, digests=body.digests))

    @asynccontextmanager
    async def _laid_down(self, holding: Holding, receiving: Receiving) -> AsyncIterator[None]:
        """Whatever goes wrong, keep what came; raises `ProblemError` for our own errors."""
        try:
            yield
        except LeaseLostError as error:
            holding.over = True
            raise ProblemError("upload_superseded") from error
        except BaseException as error:
            await self._interrupted(holding, receiving, error)
            if isinstance(error, DarkroomError):
                raise ProblemError("storage_unavailable") from error
            raise

    async def settle(self, holding: Holding, event: Stored | Aborted) -> None:
        """Commit how the upload ended; raises `ProblemError`."""
        settled = await settle(holding.task, event, self.ledger, self.threads, holding.media)
        holding.over = True
        if not arrived(settled) and isinstance(event, Stored):
            raise ProblemError("upload_superseded")

    async def _interrupted(self, holding: Holding, receiving: Receiving, error: BaseException) -> None:
        """Keep what came; or end an upload that will never be taken."""
        reason = error.code if isinstance(error, ProblemError) else type(error).__name__
        log.info("upload_interrupted", media_id=holding.media.id, offset=receiving.offset, reason=reason)
        try:
            if isinstance(error, ProblemError) and error.code in {"format_unsupported", "type_not_accepted"}:
                await receiving.landing()
                await self.settle(holding, Aborted(error.code, error.sentence))
            else:
                await self._lay_down(holding, await receiving.rest())
        except (DarkroomError, ProblemError):  # the lease ends, and the row says what was safe before
            log.warning("upload_not_laid_down", media_id=holding.media.id)

    async def _lay_down(self, holding: Holding, safe: tuple[int, Reception]) -> None:
        before = holding.tail
        await holding.lay_down(safe, await self._now() + self.keep)
        if before is not None and before != safe[1].tail:
            with suppress(DarkroomError):  # it goes with the upload's end
                await self.stored(self.shelves.pieces.drop, before.key)

    async def _made(self, holding: Holding) -> bool:
        """Whether the object is whole already: whoever made it could not say so."""
        reception = reception_of(holding.task.reception or {})
        try:
            found = await self.stored(self.shelves.objects.head, holding.media.s3_key)
        except DarkroomError as error:
            raise ProblemError("storage_unavailable") from error
        if found is None or found.size != reception.length:
            return False
        if reception.partial:
            await self._lay_down(holding, (found.size, replace(reception, tail=None, doubtful=False)))
        else:
            await Receiving(holding, self.shelves, label_of(holding.media, FIELD), at_once=False).tidy()
            await self.settle(holding, Stored(found.size, found.etag))
        return True

    async def _ask(self, task: Task) -> None:
        if not self.held.want(task.media_id) and task.wanted_at is None:
            await self.call(granting.ask, self.ledger, task)
            await self.held.ring(task.media_id)

    def _create(self, media: Media, reception: Reception, turn: Turn | None) -> Opened:
        drawn_at = time.monotonic()
        draw = self.ledger.next_piece if media.partial else self.ledger.next_position
        position = draw(media.project_id)
        if time.monotonic() - drawn_at > SLOW:  # the project may have been closed, and found empty, meanwhile
            raise ProblemError("records_unavailable")
        now, also = self.ledger.records.now(), () if turn is None else (turn.begins(media.id),)
        until = now + self.keep
        look_at = now + 2 * self.ledger.lease.length if reception.ours else until  # we take it at once, or are dead
        try:
            return granting.open_upload(self.ledger, replace(media, position=position), until, look_at, reception, also)
        except RefusedError as refusal:
            raise ProblemError("request_in_progress") from refusal

    def _looked(self, media_id: str) -> tuple[Opened | None, int]:
        """The upload and the time, by one thread."""
        return granting.look(self.ledger, media_id), self.ledger.records.now()

    async def _now(self) -> int:
        return await self.call(self.ledger.records.now)

    async def stored(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call what asks S3; raises `DarkroomError`."""
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self.shelves.threads, call)

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call what asks the records; raises `ProblemError`, `LeaseLostError`."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, partial(function, *args, **kwargs))
        except LeaseLostError:
            raise
        except PermanentError as error:
            raise ProblemError(error.reason if error.reason in PROBLEMS else "internal_error") from error
        except DarkroomError as error:
            raise ProblemError("records_unavailable") from error

"""Uploads that go straight to S3: permitted here, brought by the client, looked at here before they count."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import ParamSpec, TypeVar

import structlog

from ingest.callers import Caller
from ingest.described import described, label_of
from ingest.holding import Holding
from ingest.leases import SLOW
from ingest.problems import PROBLEMS, ProblemError
from ingest.prompt import Receipt, promptly
from ingest.settling import arrived, settle
from pipeline import granting, grants, keys
from pipeline.arrivals import arrival
from pipeline.changes import RefusedError
from pipeline.config import Grants
from pipeline.errors import AlreadyStoredError, DarkroomError, LeaseLostError, NotFoundError, PermanentError
from pipeline.events import Aborted
from pipeline.granting import Opened
from pipeline.ledger import Ledger
from pipeline.limits import Limits
from pipeline.media import Media, Status
from pipeline.ports import Form, ObjectStore, Part, Pieces, Signer
from pipeline.reception import Reception, reception_of
from pipeline.repeats import Turn
from pipeline.sniff import declared

log = structlog.get_logger()

LARGEST_FORM = 5 * 1024**3
"""Bytes; what S3 takes in one request."""
PART_SECONDS = 3600
"""For how long the URL of a part is good, at most: clients ask for another when they need it again."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Direct:
    """What a client does at S3 is bound to a row of ours: no other key, and no other upload id, is ever signed."""

    ledger: Ledger
    objects: ObjectStore
    pieces: Pieces
    signer: Signer
    grants: Grants
    threads: Executor
    object_threads: Executor
    prompt: float

    async def open_form(self, media: Media, terms: Reception, turn: Turn | None) -> Media:
        """A new upload in one form; `turn` is that of the request's Idempotency-Key. Raises `ProblemError`."""
        return await self._call(self._open_form, media, terms, turn)

    async def open_parts(self, media: Media, terms: Reception, turn: Turn | None) -> Media:
        """A new upload in parts; raises `ProblemError`."""
        return await self._call(self._open, media, self.grants.direct, terms, turn)

    async def form(self, media: Media, limits: Limits, checksums: Mapping[str, str]) -> Form:
        """The form, good until the grant is over, for those bytes alone; raises `ProblemError`."""
        seconds = await self._left(await self._opened(media))
        most = min(limits.bytes, LARGEST_FORM)
        return await self._call(self.signer.form, media.s3_key, label_of(media, "file"), most, seconds, checksums)

    async def begin(self, media: Media) -> str:
        """The id of its multipart upload at S3, which is opened unless it was before; raises `ProblemError`."""
        async with self._held(await self._opened(media)) as holding:
            reception = reception_of(holding.task.reception or {})
            if reception.upload_id:
                return reception.upload_id
            upload_id: str = await self._store(self.objects.begin, media.s3_key, label_of(media, "file"))
            await holding.lay_down((0, replace(reception, upload_id=upload_id)), holding.task.grant_until)
            return upload_id

    async def bound(self, key: str, upload_id: str | None, caller: Caller) -> Opened:
        """The upload of that key, if the id is its own and the caller may go on with it; raises `ProblemError`."""
        media_id = keys.inhabitant(keys.home(key) or "")
        opened = await self._call(granting.look, self.ledger, media_id) if media_id else None
        if opened is None or opened.task is None or opened.task.reception is None:
            raise ProblemError("upload_not_found")
        if opened.media.s3_key not in {key, keys.home(key)}:  # of what is deleted only the home is known
            raise ProblemError("upload_not_found")
        reception = reception_of(opened.task.reception)
        theirs = caller.projects is not None and opened.media.project_id not in caller.projects
        if theirs or not reception.direct or (reception.upload_id or "") != (upload_id or ""):
            raise ProblemError("upload_not_found")
        return opened

    async def part(self, opened: Opened, number: int) -> tuple[str, int]:
        """Where one part may be PUT, and for how many seconds."""
        left = await self._left(opened)
        seconds = min(left, PART_SECONDS)
        reception = reception_of((opened.task.reception if opened.task else None) or {})
        url = await self._call(self.signer.part, opened.media.s3_key, reception.upload_id or "", number, seconds)
        return url, seconds

    async def parts(self, opened: Opened) -> list[Part]:
        """The parts that S3 has; raises `ProblemError`."""
        await self._left(opened)
        return await self._store(self._parts, opened)

    async def complete(self, opened: Opened, limits: Limits, announced: Mapping[str, str]) -> Receipt:
        """Make the object of its parts, if it comes in parts, and look at it; raises `ProblemError`.

        `announced` are digests of what came in parts, beside those that it was begun with.
        """
        if opened.media.status is not Status.UPLOADING:
            return Receipt(_taken(opened.media))
        await self._left(opened)
        brought = asyncio.Event()
        finishing = asyncio.create_task(self._complete(opened, limits, announced, brought))
        rest = await promptly(finishing, brought, self.prompt, opened.media.id)
        return Receipt(opened.media, rest) if rest else Receipt(finishing.result())

    async def abort(self, opened: Opened) -> None:
        """End the upload: what is there of it goes."""
        if opened.media.status is not Status.UPLOADING:
            raise ProblemError("upload_complete")
        await self._call(self.ledger.delete, opened.media.id)

    async def _complete(
        self, opened: Opened, limits: Limits, announced: Mapping[str, str], brought: asyncio.Event
    ) -> Media:
        async with self._held(opened) as holding:
            reception = reception_of(holding.task.reception or {})
            limits = reception.narrow(limits)
            if reception.upload_id:
                if any(reception.digests.get(name, value) != value for name, value in announced.items()):
                    raise ProblemError("digest_conflict")
                reception = replace(reception, digests={**reception.digests, **announced})
                await self._assemble(holding, reception, limits, brought)
            return await self._completed(holding, limits, reception.digests)

    async def _completed(self, holding: Holding, limits: Limits, announced: Mapping[str, str]) -> Media:
        media = holding.media
        event = await self._store(arrival, self.objects, limits, media.s3_key, announced)
        if event is None:
            raise ProblemError("object_missing")
        settled = await settle(holding.task, event, self.ledger, self.threads)
        holding.over = True
        if isinstance(event, Aborted):
            raise ProblemError(event.reason)
        return _taken(settled)

    async def _assemble(self, holding: Holding, reception: Reception, limits: Limits, brought: asyncio.Event) -> None:
        """Complete the multipart upload; one that is gone was completed before.

        First the row says that its client has called it complete: from then on workers do it, should we fail to.
        """
        key, upload_id = holding.media.s3_key, reception.upload_id or ""
        try:
            parts = await self._stored(lambda: list(self.pieces.parts(key, upload_id)))
            if sum(part.size for part in parts) > limits.bytes:
                await settle(holding.task, _too_large(), self.ledger, self.threads)
                holding.over = True
                raise ProblemError("bytes_exceeded")
            if not parts:
                raise ProblemError("parts_missing")
            await holding.note(lambda: (0, replace(reception, whole=True)))
            brought.set()
            await self._stored(self.objects.complete, key, upload_id, parts)
        except (NotFoundError, AlreadyStoredError):
            log.info("upload_assembled_before", media_id=holding.media.id)
        except LeaseLostError:
            raise
        except DarkroomError as error:
            raise ProblemError("storage_unavailable") from error

    def describe(self, project_id: str, name: str, mime_type: str, limits: Limits) -> Media:
        """A media to be opened, of a type that is taken; raises `ProblemError`."""
        found = declared(mime_type, name)
        if found is None or found.mime_type not in limits.accept:
            raise ProblemError("type_not_accepted")
        return described(self.ledger.site, project_id, name, found)

    def _open_form(self, media: Media, terms: Reception, turn: Turn | None) -> Media:
        """Nobody has to say that it was sent, so a worker looks for it; and it can be sent until the grant is over."""
        now = self.ledger.records.now()
        bound = replace(media, grant_until=now + round(1000 * self.grants.form))
        return self._open(bound, self.grants.form, terms, turn, now + grants.SHORTEST_LOOK)

    def _open(
        self, media: Media, seconds: float, terms: Reception, turn: Turn | None, look_at: int | None = None
    ) -> Media:
        drawn_at = time.monotonic()
        placed = replace(media, position=self.ledger.next_position(media.project_id))
        if time.monotonic() - drawn_at > SLOW:  # the project may have been closed, and found empty, meanwhile
            raise ProblemError("records_unavailable")
        until = placed.grant_until or self.ledger.records.now() + round(1000 * seconds)
        also = () if turn is None else (turn.begins(media.id),)
        try:
            granting.open_upload(self.ledger, placed, until, min(look_at or until, until), terms, also)
        except RefusedError as refusal:
            raise ProblemError("request_in_progress") from refusal
        return placed

    @asynccontextmanager
    async def _held(self, opened: Opened) -> AsyncIterator[Holding]:
        """Hold the upload's row, and lay it down again unless that was done; raises `ProblemError`."""
        began = time.monotonic()
        claimed = await self._call(granting.take, self.ledger, opened.media.id)
        if claimed is None:
            raise ProblemError("upload_locked")
        holding = Holding(claimed, began, self.ledger, self.threads)
        try:
            async with holding.kept(lambda: (0, reception_of(holding.task.reception or {}))):
                yield holding
        except LeaseLostError as error:
            raise ProblemError("upload_superseded") from error
        finally:
            if not holding.over:
                with suppress(DarkroomError):
                    reception = reception_of(holding.task.reception or {})
                    await holding.lay_down((0, reception), holding.task.grant_until)

    async def _opened(self, media: Media) -> Opened:
        opened = await self._call(granting.look, self.ledger, media.id)
        if opened is None:
            raise ProblemError("upload_gone")
        return opened

    async def _left(self, opened: Opened) -> int:
        """Seconds for which the grant still lasts; raises `ProblemError` when it is over."""
        until = opened.task.grant_until if opened.task else 0
        left = (until - await self._call(self.ledger.records.now)) // 1000
        if left <= 0 or opened.media.status is not Status.UPLOADING:
            raise ProblemError("upload_gone")
        return left

    def _parts(self, opened: Opened) -> list[Part]:
        reception = reception_of((opened.task.reception if opened.task else None) or {})
        return list(self.pieces.parts(opened.media.s3_key, reception.upload_id or ""))

    async def _store(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await self._stored(function, *args, **kwargs)
        except NotFoundError as error:
            raise ProblemError("upload_gone") from error
        except DarkroomError as error:
            raise ProblemError("storage_unavailable") from error

    async def _stored(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self.object_threads, call)

    async def _call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            call = partial(function, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(self.threads, call)
        except PermanentError as error:
            raise ProblemError(error.reason if error.reason in PROBLEMS else "internal_error") from error
        except DarkroomError as error:
            raise ProblemError("records_unavailable") from error


def _taken(media: Media) -> Media:
    if not arrived(media):
        raise ProblemError("upload_gone")
    return media


def _too_large() -> Aborted:
    problem = ProblemError("bytes_exceeded")
    return Aborted(problem.code, problem.sentence)

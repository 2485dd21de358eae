"""One upload made of several that were brought at the same time: S3 copies, hardly a byte comes through here."""

from dataclasses import dataclass, replace

from ingest.callers import Caller
from ingest.described import label_of, recognised
from ingest.holding import Holding
from ingest.problems import ProblemError
from ingest.resumable import FIELD, Resumable
from pipeline import granting, keys
from pipeline.adapters.checksums import NAME, crc64_of_parts
from pipeline.errors import AlreadyStoredError, DarkroomError, LeaseLostError, TransientError
from pipeline.events import Aborted, Stored
from pipeline.limits import Limits
from pipeline.media import Media, Status
from pipeline.ports import Label, Part, Source
from pipeline.reception import SMALLEST_PART, Reception, reception_of
from pipeline.repeats import Turn
from pipeline.sniff import HEAD, sniff

UNASSIGNED = "_"
"""The project of a partial upload that names none: clients say it of the final one alone."""
LARGEST_COPY = 1024**3
"""Bytes of one copied part; S3 copies 5 GiB at most in one request."""


@dataclass(frozen=True)
class Piece:
    """A partial upload that is complete; `crc` is the base64 CRC-64/NVME of its `size` bytes."""

    media_id: str
    key: str
    etag: str
    size: int
    crc: str


@dataclass(frozen=True)
class Concatenation:
    """Makes final uploads."""

    resumable: Resumable

    async def pieces(self, ids: tuple[str, ...], project_id: str, caller: Caller) -> tuple[Piece, ...]:
        """The uploads of these ids, which must be complete and partial; raises `ProblemError`."""
        return tuple([await self._piece(media_id, project_id, caller) for media_id in ids])

    async def make(
        self, media: Media, reception: Reception, pieces: tuple[Piece, ...], limits: Limits, turn: Turn | None
    ) -> None:
        """Make a new upload of the pieces, in their order; raises `ProblemError`.

        It is answered for when it is whole, however long S3 takes: only this process knows how to put it together.
        """
        resumable = self.resumable
        opened = await resumable.create(media, reception, turn)
        async with resumable.hold(opened) as holding, resumable.shelves.budget.admitted(2 * SMALLEST_PART):
            try:
                async with holding.kept(lambda: (0, reception_of(holding.task.reception or {}))):
                    await self._recognise(holding, pieces, limits)
                    stored = await self._made(holding, pieces)
                    await resumable.settle(holding, stored)
            except LeaseLostError as error:
                raise ProblemError("upload_superseded") from error
            except (DarkroomError, ProblemError) as error:
                problem = error if isinstance(error, ProblemError) else ProblemError("storage_unavailable")
                if not holding.over:
                    await resumable.settle(holding, Aborted(problem.code, problem.sentence))
                raise problem from error
        for piece in pieces:  # one that is left here goes when its grant is over
            await resumable.terminate(piece.media_id)

    async def _piece(self, media_id: str, project_id: str, caller: Caller) -> Piece:
        anybody = replace(caller, projects=None if caller.projects is None else caller.projects | {UNASSIGNED})
        if keys.MEDIA_ID.fullmatch(media_id) is None:
            raise ProblemError("upload_concat_invalid")
        media, task = await self.resumable.at_rest(media_id, anybody)
        reception = reception_of((task.reception if task else None) or {"part_size": 1})
        complete = task is not None and task.offset == reception.length
        if not (reception.partial and complete and media.status is Status.UPLOADING):
            raise ProblemError("upload_concat_invalid")
        if media.project_id not in {project_id, UNASSIGNED}:
            raise ProblemError("upload_concat_invalid")
        found = await self.resumable.call(self.resumable.shelves.objects.head, media.s3_key)
        if found is None or found.size != reception.length:
            raise ProblemError("upload_concat_invalid")
        return Piece(media_id, media.s3_key, found.etag, found.size, reception.crc)

    async def _recognise(self, holding: Holding, pieces: tuple[Piece, ...], limits: Limits) -> None:
        shelves, call = self.resumable.shelves, self.resumable.stored
        head = b""
        for piece in pieces:
            if len(head) < HEAD:
                head += await call(shelves.objects.read, piece.key, HEAD, piece.etag)
        found = sniff(head)
        if found is None or found.mime_type not in limits.accept:
            raise ProblemError("format_unsupported" if found is None else "type_not_accepted")
        event = recognised(holding.media, found)
        holding.media = await self.resumable.call(granting.recognise, self.resumable.ledger, holding.task, event)

    async def _made(self, holding: Holding, pieces: tuple[Piece, ...]) -> Stored:
        etag = await self._joined(holding, pieces, label_of(holding.media, FIELD))
        crc = _crc(pieces)
        return Stored(sum(piece.size for piece in pieces), etag, f"{NAME}:{crc}" if crc else None)

    async def _joined(self, holding: Holding, pieces: tuple[Piece, ...], label: Label) -> str:
        """The ETag of the object of all pieces: what is enough for a part is copied, the rest read and joined."""
        shelves, call, key = self.resumable.shelves, self.resumable.stored, holding.media.s3_key
        upload_id, parts, buffer = "", list[Part](), b""
        for piece in pieces:
            await holding.check()
            start = _to_read(piece.size, len(buffer))
            if start:
                buffer += await call(shelves.objects.read, piece.key, start, piece.etag)
            for span in _spans(start, piece.size):
                upload_id = upload_id or await call(shelves.objects.begin, key, label)
                if buffer:
                    parts.append(await call(shelves.objects.put_part, key, upload_id, len(parts) + 1, buffer))
                    buffer = b""
                source = Source(piece.key, piece.etag, *span)
                parts.append(await call(shelves.pieces.copy_part, key, upload_id, len(parts) + 1, source))
                await holding.check()
            if len(buffer) >= SMALLEST_PART:
                upload_id = upload_id or await call(shelves.objects.begin, key, label)
                parts.append(await call(shelves.objects.put_part, key, upload_id, len(parts) + 1, buffer))
                buffer = b""
        if not upload_id:
            return await call(shelves.objects.put, key, buffer, label)
        if buffer:
            parts.append(await call(shelves.objects.put_part, key, upload_id, len(parts) + 1, buffer))
        await holding.check()
        try:
            etag = await call(shelves.objects.complete, key, upload_id, parts, _crc(pieces))
        except AlreadyStoredError:
            etag = ""
        found = await call(shelves.objects.head, key)
        if found is None or found.size != sum(piece.size for piece in pieces):
            raise TransientError("the pieces were not put together")
        return etag or found.etag


def _to_read(size: int, waiting: int) -> int:
    """How many bytes at a piece's start cannot be copied: they fill up what waits, or are all too few for a part."""
    start = min(SMALLEST_PART - waiting, size) if waiting else 0
    return size if size - start < SMALLEST_PART else start


def _spans(start: int, size: int) -> list[tuple[int, int]]:
    """First and last bytes of the parts that the rest is copied in, none of them too small."""
    spans: list[tuple[int, int]] = []
    while start < size:
        end = size if size - start < LARGEST_COPY + SMALLEST_PART else start + LARGEST_COPY
        spans.append((start, end - 1))
        start = end
    return spans


def _crc(pieces: tuple[Piece, ...]) -> str | None:
    return crc64_of_parts([Part(0, "", piece.size, piece.crc or None) for piece in pieces])

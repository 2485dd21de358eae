"""tus 1.0.0 at `/files/`: uploads that go on where the connection broke. An upload's id is that of its media."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from ingest.bodies import Patience, chunks
from ingest.bringing import Body
from ingest.callers import Caller, Right, caller_of
from ingest.concatenation import UNASSIGNED, Concatenation
from ingest.described import described
from ingest.idempotency import Idempotency
from ingest.pressure import Pressure
from ingest.problems import ProblemError
from ingest.prompt import behind
from ingest.resumable import Resumable
from ingest.submissions import project_of
from ingest.tus_headers import (
    ALGORITHMS,
    CONTENT_TYPE,
    EXTENSIONS,
    VERSION,
    checksum_of,
    concat_of,
    http_date,
    length_of,
    metadata_of,
    number_of,
)
from ingest.tus_version import PATH, speaks
from pipeline.granting import Opened
from pipeline.keys import MEDIA_ID
from pipeline.limits import Limits
from pipeline.media import Media, Status
from pipeline.reception import Reception, part_size, reception_of
from pipeline.repeats import Turn
from pipeline.sniff import UNKNOWN


@dataclass(frozen=True)
class Tus:
    """The endpoints."""

    resumable: Resumable
    concatenation: Concatenation
    limits: Limits
    pressure: Pressure
    idempotency: Idempotency
    patience: Patience

    async def collection(self, request: Request) -> Response:
        """POST: a new upload, perhaps with its first bytes. OPTIONS: what this server can do."""
        if request.method == "OPTIONS":
            return self._abilities()
        speaks(request)
        caller, metadata = caller_of(request), metadata_of(request.headers)
        limits = caller.narrow(self.limits)
        kind, ids = concat_of(request.headers)
        if kind == "final":
            return await self._final(request, ids, metadata, limits)
        length = length_of(request.headers)
        if length is not None and length > limits.bytes:
            raise ProblemError("bytes_exceeded")
        if length == 0:
            raise ProblemError("file_empty")
        project_id = _project(request, metadata, caller, partial=kind == "partial")
        await self.pressure.check()
        media = described(self.resumable.ledger.site, project_id, _name(metadata), UNKNOWN)
        reception = Reception(
            part_size=part_size(limits.bytes if length is None else length),
            length=length,
            metadata=request.headers.get("upload-metadata", ""),
            concat=kind,
        )

        async def create(turn: Turn | None) -> Response:
            opened = await self.resumable.create(replace(media, partial=reception.partial), reception, turn)
            request.state.facts.update(project_id=project_id, media_id=media.id)
            headers = {"Location": PATH + media.id, **_expiry(opened)}
            if request.headers.get("content-type") == CONTENT_TYPE:
                return await self._bring(request, media.id, caller, 0, headers)
            return Response(status_code=201, headers=headers)

        said = (project_id, request.headers.get("upload-metadata", ""), str(length))
        return await self.idempotency.once(request, said, create, _begun)

    async def _final(
        self, request: Request, ids: tuple[str, ...], metadata: Mapping[str, str], limits: Limits
    ) -> Response:
        """An upload that is put together of others."""
        if request.headers.get("content-type") == CONTENT_TYPE:
            raise ProblemError("upload_final")
        caller, concat = caller_of(request), request.headers["upload-concat"]
        project_id, said = _project(request, metadata, caller), request.headers.get("upload-metadata", "")

        async def create(turn: Turn | None) -> Response:
            pieces = await self.concatenation.pieces(ids, project_id, caller)
            length = sum(piece.size for piece in pieces)
            if length > limits.bytes:
                raise ProblemError("bytes_exceeded")
            await self.pressure.check()
            media = described(self.resumable.ledger.site, project_id, _name(metadata), UNKNOWN)
            reception = Reception(part_size=part_size(length), length=length, metadata=said, concat=concat)
            request.state.facts.update(project_id=project_id, media_id=media.id, file_bytes=length)
            await self.concatenation.make(media, reception, pieces, limits, turn)
            return Response(status_code=201, headers={"Location": PATH + media.id})

        return await self.idempotency.once(request, (project_id, said, concat), create, _joined)

    async def one(self, request: Request) -> Response:
        """HEAD, PATCH and DELETE of one upload."""
        if request.method == "OPTIONS":
            return self._abilities()
        speaks(request)
        media_id = request.state.facts["media_id"] = _id(request)
        match request.method:
            case "HEAD":
                return await self._head(media_id, caller_of(request))
            case "PATCH":
                return await self._patch(request, media_id)
            case _:
                return await self._delete(media_id, caller_of(request))

    async def _head(self, media_id: str, caller: Caller) -> Response:
        opened = await self.resumable.at_rest(media_id, caller)
        reception = _reception(opened)
        joining = reception.final and opened.media.status is Status.UPLOADING
        offset, length = _offset(opened), _length(opened)
        headers = {
            **({} if joining else {"Upload-Offset": str(offset)}),
            **({"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}),
            **({"Upload-Metadata": reception.metadata} if reception.metadata else {}),
            **({"Upload-Concat": reception.concat} if reception.concat else {}),
        }
        return Response(status_code=200, headers=headers | _expiry(opened))

    async def _patch(self, request: Request, media_id: str) -> Response:
        if request.headers.get("content-type") != CONTENT_TYPE:
            raise ProblemError("upload_type_invalid")
        offset = number_of(request.headers, "upload-offset", "upload_offset_invalid")
        if offset is None:
            raise ProblemError("upload_offset_invalid")
        return await self._bring(request, media_id, caller_of(request), offset, {})

    async def _bring(
        self, request: Request, media_id: str, caller: Caller, offset: int, headers: Mapping[str, str]
    ) -> Response:
        """Take the request's bytes and say how far the upload is."""
        check, limits = checksum_of(request.headers), caller.narrow(self.limits)
        opened = await self.resumable.at_rest(media_id, caller)
        if _reception(opened).final:
            raise ProblemError("upload_final")
        if offset != _offset(opened):
            raise ProblemError("upload_offset_mismatch")
        length, rest = _declared(request, opened, limits), None
        announced = number_of(request.headers, "content-length", "upload_length_invalid")
        if announced is not None and offset + announced > (limits.bytes if length is None else length):
            raise ProblemError("bytes_exceeded")
        if length != _length(opened) or offset != length:  # else nothing is missing
            body = Body(chunks(request.receive, self.patience), limits, length, check, whole=offset == 0)
            brought = await self.resumable.bring(opened, offset, body)
            offset, rest = brought.offset, brought.rest
        request.state.facts["offset"] = offset
        said = {**_expiry(opened), **headers, "Upload-Offset": str(offset)}
        return Response(status_code=201 if headers else 204, headers=said, background=behind(rest))

    async def _delete(self, media_id: str, caller: Caller) -> Response:
        opened = await self.resumable.look(media_id, caller)
        if opened.media.status is not Status.UPLOADING:
            caller.may(Right.WRITE)  # it is a media by now, which not everybody who uploads may delete
        await self.resumable.terminate(media_id)
        return Response(status_code=204)

    def _abilities(self) -> Response:
        headers = {
            "Tus-Version": VERSION,
            "Tus-Extension": ",".join(EXTENSIONS),
            "Tus-Max-Size": str(self.limits.bytes),
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        }
        return Response(status_code=204, headers=headers)


async def _begun(media: Media) -> Response:
    """The answer to a creation whose first request never got it; how far it is the client asks in any case."""
    return Response(status_code=201, headers={"Location": PATH + media.id})


async def _joined(media: Media) -> Response | None:
    """The same for a final upload, which is answered for only when it is whole."""
    return None if media.status is Status.UPLOADING else await _begun(media)


def _project(request: Request, metadata: Mapping[str, str], caller: Caller, *, partial: bool = False) -> str:
    """The project that is named and that the caller may upload to; a partial upload need not name one."""
    given = [*request.query_params.getlist("projectId"), *request.headers.getlist("x-project-id")]
    project_id = project_of([*given, *([metadata["projectId"]] if "projectId" in metadata else [])])
    if project_id is None and partial:
        own = sorted(caller.projects or ())
        project_id = UNASSIGNED if caller.projects is None else own[0] if len(own) == 1 else None
    if project_id is None:
        raise ProblemError("project_id_missing")
    caller.enter(project_id)
    return project_id


def _name(metadata: Mapping[str, str]) -> str:
    """What the client calls the file: tus-js-client's examples say `filename`, Uppy `name` as well."""
    return metadata.get("filename") or metadata.get("name") or ""


def _id(request: Request) -> str:
    media_id = str(request.path_params["media_id"])
    if not MEDIA_ID.fullmatch(media_id):
        raise ProblemError("upload_not_found")
    return media_id


def _declared(request: Request, opened: Opened, limits: Limits) -> int | None:
    """The whole upload's length, which a request may say that was deferred before; raises `ProblemError`."""
    length = number_of(request.headers, "upload-length", "upload_length_invalid")
    known = _length(opened)
    if length is None or request.method == "POST":
        return known
    if known not in {None, length} or length < _offset(opened) or length == 0:
        raise ProblemError("upload_length_invalid")
    if length > limits.bytes:
        raise ProblemError("bytes_exceeded")
    return length


def _reception(opened: Opened) -> Reception:
    return reception_of((opened.task.reception if opened.task else None) or {"part_size": 1})


def _offset(opened: Opened) -> int:
    media, task = opened
    return _size(media) or (task.offset if task else 0)


def _length(opened: Opened) -> int | None:
    return _size(opened.media) or _reception(opened).length


def _size(media: Media) -> int:
    """The bytes of an upload that is complete; 0 before."""
    return 0 if media.status is Status.UPLOADING else media.size


def _expiry(opened: Opened) -> dict[str, str]:
    pending = opened.media.status is Status.UPLOADING and opened.task is not None
    return {"Upload-Expires": http_date(opened.task.grant_until)} if pending and opened.task else {}

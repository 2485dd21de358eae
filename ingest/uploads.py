"""Uploads in one request: `POST /api/upload`, a form, and `PUT /api/upload/{projectId}/{fileName}`, the file alone."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest import digests
from ingest.bodies import Patience, chunks
from ingest.callers import caller_of
from ingest.digests import Digests
from ingest.forms import FormParser, boundary_of
from ingest.idempotency import Idempotency
from ingest.intake import Incoming, Intake
from ingest.problems import ProblemError
from ingest.submissions import Form, Submission, project_of
from pipeline.media import Media, Status
from pipeline.repeats import Turn

OVERHEAD = 1024 * 1024
"""Bytes of a form beside its file: a body that is larger than the limit by more than that holds too large a file."""


@dataclass(frozen=True)
class Uploads:
    """The endpoints."""

    intake: Intake
    idempotency: Idempotency
    patience: Patience

    async def post(self, request: Request) -> Response:
        """Stream the form's file into S3 and answer with its media."""
        boundary = boundary_of(request.headers.get("content-type"))
        most = _length(request)
        if most is not None and most > self.intake.limits.bytes + OVERHEAD:
            raise ProblemError("bytes_exceeded")
        whole = digests.of_body(request.headers.items())
        body = whole.watch(chunks(request.receive, self.patience))
        given = (*request.query_params.getlist("projectId"), *request.headers.getlist("x-project-id"))
        form = Form(body, FormParser(boundary), project_of(given))
        submission = await form.open()
        announced = Digests([*submission.headers, *digests.s3(request.headers.items())])
        return await self._taken(request, Incoming(submission, form.file(), most, announced))

    async def put(self, request: Request) -> Response:
        """Stream the body into S3 and answer with its media; what `curl -T` sends."""
        most = _length(request)
        if most is not None and most > self.intake.limits.bytes:
            raise ProblemError("bytes_exceeded")
        project_id = project_of([request.path_params["project_id"]]) or ""
        submission = Submission(project_id, request.path_params["file_name"], "file")
        content = _file(chunks(request.receive, self.patience))
        return await self._taken(request, Incoming(submission, content, most, Digests(request.headers.items())))

    async def _taken(self, request: Request, incoming: Incoming) -> Response:
        submission = incoming.submission
        request.state.facts["project_id"] = submission.project_id
        caller = caller_of(request)
        caller.enter(submission.project_id)
        intake = replace(self.intake, limits=caller.narrow(self.intake.limits))

        async def store(turn: Turn | None) -> Response:
            receipt = await intake.take(replace(incoming, turn=turn))
            media = receipt.media
            request.state.facts.update(media_id=media.id, file_bytes=media.size)
            answer = created(request, media.id, media.s3_url, media.s3_key, receipt.status(201))
            answer.background = receipt.behind
            return answer

        said = (submission.project_id, submission.original_name)
        return await self.idempotency.once(request, said, store, partial(_remade, request))


async def _file(body: AsyncIterator[bytes]) -> AsyncIterator[memoryview]:
    """The body as a file, which has bytes."""
    size = 0
    async for chunk in body:
        size += len(chunk)
        if chunk:
            yield memoryview(chunk)
    if not size:
        raise ProblemError("file_empty")


def _length(request: Request) -> int | None:
    """What the request's head says that its body has, which the server holds it to."""
    return int(request.headers["content-length"]) if "content-length" in request.headers else None


async def _remade(request: Request, media: Media) -> Response | None:
    """The answer to an upload whose first request never got it; None while that may still be whole."""
    if media.status is Status.UPLOADING:
        return None
    if media.status is Status.DELETED:
        raise ProblemError("upload_superseded")
    return created(request, media.id, media.s3_url, media.s3_key)


def created(request: Request, media_id: str, url: str, key: str, status: int = 201) -> Response:
    """The answer to whoever brought a media in."""
    follow = status_url(request, media_id)
    body = {"success": True, "mediaId": media_id, "url": url, "s3Key": key, "statusUrl": follow}
    return JSONResponse(body, status, {"Location": follow})


def status_url(request: Request, media_id: str) -> str:
    """What `url_for` says of the route `media`, which looks through all routes each time."""
    return f"{request.base_url}api/media/{media_id}"

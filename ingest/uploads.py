"""`POST /api/upload`: a form with one file."""

from dataclasses import dataclass, replace
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest.bodies import chunks
from ingest.callers import caller_of
from ingest.forms import FormParser, boundary_of
from ingest.idempotency import Idempotency
from ingest.intake import Intake
from ingest.problems import ProblemError
from ingest.submissions import Form, project_of
from pipeline.media import Media, Status
from pipeline.repeats import Turn

OVERHEAD = 1024 * 1024
"""Bytes of a form beside its file: a body that is larger than the limit by more than that holds too large a file."""


@dataclass(frozen=True)
class Uploads:
    """The endpoint."""

    intake: Intake
    idempotency: Idempotency

    async def post(self, request: Request) -> Response:
        """Stream the form's file into S3 and answer with its media."""
        boundary = boundary_of(request.headers.get("content-type"))
        most = int(request.headers["content-length"]) if "content-length" in request.headers else None
        if most is not None and most > self.intake.limits.bytes + OVERHEAD:
            raise ProblemError("bytes_exceeded")
        given = (*request.query_params.getlist("projectId"), *request.headers.getlist("x-project-id"))
        form = Form(chunks(request.receive), FormParser(boundary), project_of(given))
        submission = await form.open()
        request.state.facts["project_id"] = submission.project_id
        caller = caller_of(request)
        caller.enter(submission.project_id)
        intake = replace(self.intake, limits=caller.narrow(self.intake.limits))

        async def store(turn: Turn | None) -> Response:
            media = await intake.take(submission, form.file(), most, turn)
            request.state.facts.update(media_id=media.id, file_bytes=media.size)
            return created(request, media.id, media.s3_url, media.s3_key)

        said = (submission.project_id, submission.original_name)
        return await self.idempotency.once(request, said, store, partial(_remade, request))


def _remade(request: Request, media: Media) -> Response | None:
    """The answer to an upload whose first request never got it; None while that may still be whole."""
    if media.status is Status.UPLOADING:
        return None
    if media.status is Status.DELETED:
        raise ProblemError("upload_superseded")
    return created(request, media.id, media.s3_url, media.s3_key)


def created(request: Request, media_id: str, url: str, key: str, status: int = 201) -> Response:
    """The answer to whoever brought a media in."""
    status_url = str(request.url_for("media", media_id=media_id))
    body = {"success": True, "mediaId": media_id, "url": url, "s3Key": key, "statusUrl": status_url}
    return JSONResponse(body, status, {"Location": status_url})

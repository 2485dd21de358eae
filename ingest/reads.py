"""Media as clients see them: one, a project's, their deletion and another try."""

import asyncio
import base64
import binascii
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest.callers import caller_of
from ingest.problems import ProblemError
from ingest.submissions import project_of
from pipeline.deadletters import retried
from pipeline.errors import UnavailableError
from pipeline.keys import MEDIA_ID
from pipeline.ledger import Ledger
from pipeline.media import Media, Status
from pipeline.rows import media_of, public

USUAL, MOST = 50, 200
"""Media on one page of a project's list."""
_LONGEST_CURSOR = 19  # characters: what is decoded is less than 2**63

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Reads:
    """The endpoints."""

    ledger: Ledger
    threads: Executor

    async def one(self, request: Request) -> Response:
        """The media's record."""
        return JSONResponse(public(await self._seen(request)))

    async def delete(self, request: Request) -> Response:
        """Delete the media; its bytes go later."""
        media = await self._seen(request)
        await self._in_thread(self.ledger.delete, media.id)
        return Response(status_code=204)

    async def retry(self, request: Request) -> Response:
        """Try a failed media again; asking while that is under way changes nothing."""
        seen = await self._seen(request)
        media = await self._in_thread(self.ledger.redrive, seen.id) or seen
        if not retried(media):
            raise ProblemError("original_missing" if media.status is Status.FAILED else "not_failed")
        return JSONResponse(public(media), status_code=202)

    async def project(self, request: Request) -> Response:
        """A page of a project's media, in the order of their positions."""
        project_id = project_of([request.path_params["project_id"]]) or ""
        caller_of(request).enter(project_id)
        limit = _limit(request.query_params.get("limit"))
        after = _position(request.query_params.get("cursor"))
        # One more than is shown tells whether there is a next page.
        rows = await self._in_thread(self.ledger.records.project, project_id, after, limit + 1)
        page = [media_of(row) for row in rows[:limit]]
        cursor = _cursor(rows[limit - 1]["position"]) if len(rows) > limit else None
        return JSONResponse({"items": [public(media) for media in page], "cursor": cursor})

    async def _seen(self, request: Request) -> Media:
        media_id = request.state.facts["media_id"] = media_id_of(request)
        return caller_of(request).see(await self._in_thread(self.ledger.read, media_id))

    async def _in_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.threads, partial(function, *args, **kwargs))
        except UnavailableError as error:
            raise ProblemError("records_unavailable") from error


def media_id_of(request: Request) -> str:
    """The id in the path; raises `ProblemError` when it is none."""
    media_id = str(request.path_params["media_id"])
    if not MEDIA_ID.fullmatch(media_id):
        raise ProblemError("media_not_found")
    return media_id


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST):
        raise ProblemError("limit_invalid")
    return int(text)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"p{position}".encode()).decode().rstrip("=")


def _position(cursor: str | None) -> int:
    """The position after which the page begins; positions count from 0."""
    if cursor is None:
        return -1
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise ProblemError("cursor_invalid") from None
    if not (text.startswith("p") and text[1:].isdecimal() and len(text) <= _LONGEST_CURSOR):
        raise ProblemError("cursor_invalid")
    return int(text[1:])

"""Around every request: an id, one canonical log line, and an answer in our words whatever goes wrong."""

import asyncio
import re
import secrets
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.problems import ProblemError, reply
from pipeline.errors import UnavailableError

log = structlog.get_logger()

CLIENT_GONE = 499
"""What the log gives as the status when nobody was left to answer (nginx's number for it)."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class Requests:
    """Endpoints add to `request.state.facts` what the request's log line should say."""

    app: ASGIApp
    production: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application on one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        facts: dict[str, Any] = {}
        scope.setdefault("state", {})["facts"] = facts
        status: int | None = None
        begun = time.monotonic()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, answer)
            except ClientDisconnect:
                pass
            except (Exception, asyncio.CancelledError) as error:
                if status is not None:
                    raise
                await self._answer(error, facts)(scope, receive, answer)
            finally:
                log.info(
                    "request_served",
                    method=scope["method"],
                    path=scope["path"],
                    status=CLIENT_GONE if status is None else status,
                    seconds=round(time.monotonic() - begun, 4),
                    **facts,
                )

    def _answer(self, error: BaseException, facts: dict[str, Any]) -> Response:
        problem = _problem_of(error)
        facts["code"] = problem.code
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR and problem.status != HTTPStatus.NOT_IMPLEMENTED:
            log.error("request_failed", code=problem.code, exc_info=error)
        answer = reply(problem, None if self.production else _inside(error))
        if isinstance(error, HTTPException) and error.headers:
            answer.headers.update(error.headers)
        return answer


def _problem_of(error: BaseException) -> ProblemError:
    match error:
        case ProblemError():
            return error
        case HTTPException(status_code=404):
            return ProblemError("not_found")
        case HTTPException(status_code=405):
            return ProblemError("method_not_allowed")
        case asyncio.CancelledError():
            return ProblemError("shutting_down")
        case UnavailableError():
            return ProblemError("unavailable")
        case _:
            return ProblemError("internal_error")


def _inside(error: BaseException) -> str | None:
    cause = error.__cause__ or error
    return None if isinstance(cause, ProblemError | HTTPException) else repr(cause)

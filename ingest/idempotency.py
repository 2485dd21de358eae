"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that is sent again is not done again."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import Response

from ingest.callers import caller_of
from ingest.problems import ProblemError
from ingest.settling import arrived
from pipeline import repeats
from pipeline.changes import RefusedError
from pipeline.errors import DarkroomError, UnavailableError
from pipeline.ledger import Ledger
from pipeline.media import Media, Status
from pipeline.repeats import Busy, Other, Replay, Turn

log = structlog.get_logger()

_KEY = re.compile(r"[!-~]{1,255}")
_DIGESTS = ("content-md5", "content-digest", "repr-digest", "digest", "upload-checksum")
_REPLAYED = ("location", "content-type", "cache-control", "upload-offset", "upload-expires")
MOST_BODY = 8192
"""Characters of an answer that are remembered: those of creating requests are short."""

R = TypeVar("R")
Work = Callable[[Turn | None], Awaitable[Response]]
Remake = Callable[[Media], Awaitable[Response | None]]


@dataclass(frozen=True)
class Idempotency:
    """Only success uses a key up: after an error the same request may be sent with it again."""

    ledger: Ledger
    threads: Executor

    async def once(self, request: Request, said: Iterable[str], work: Work, remake: Remake) -> Response:
        """The answer of `work`, or of the request before that had the same key.

        `said` is what tells requests apart beside their heads: the project, the file's name. `work` puts
        `turn.begins(media_id)` into the transaction that begins its media. `remake` answers for a media that an
        earlier request began before its process died; None when it is not to be answered for yet.

        Raises `ProblemError`: 400 for no key, 409 while the first request runs, 422 for another request.
        """
        key = _key(request)
        if key is None:
            return await work(None)
        place = repeats.place(caller_of(request).id, key)
        match await self._in_thread(repeats.begin, self.ledger.records, place, _fingerprint(request, said)):
            case Replay(reply):
                request.state.facts["replayed"] = True
                return Response(reply["body"], reply["status"], reply["headers"] | {"Idempotent-Replayed": "true"})
            case Busy():
                raise ProblemError("request_in_progress")
            case Other():
                raise ProblemError("idempotency_key_reused")
            case Turn() as turn:
                async with self._held(turn) as done:
                    answer = await self._remade(turn, remake) or await work(turn)
                    await done(answer)
                    return answer

    async def _remade(self, turn: Turn, remake: Remake) -> Response | None:
        """What a dead request would have answered; None when there was none, or its upload failed."""
        media = await self._in_thread(self.ledger.read, turn.taken) if turn.taken else None
        if media is None or (media.status is Status.FAILED and not arrived(media)):
            return None
        answer = await remake(media)
        if answer is None:
            raise ProblemError("request_in_progress")
        return answer

    @asynccontextmanager
    async def _held(self, turn: Turn) -> AsyncIterator[Callable[[Response], Awaitable[None]]]:
        """Keep the key ours; whoever leaves without an answer gives it up."""
        answered = False

        async def done(answer: Response) -> None:
            nonlocal answered
            renewing.cancel()
            if answer.status_code < HTTPStatus.BAD_REQUEST and len(answer.body) <= MOST_BODY:
                answered = await self._noted(repeats.answered, turn, _reply(answer))

        renewing = asyncio.create_task(self._renew(turn))
        try:
            yield done
        finally:
            renewing.cancel()
            if not answered:
                await asyncio.shield(self._noted(repeats.given_up, turn))

    async def _renew(self, turn: Turn) -> None:
        while True:
            await asyncio.sleep(repeats.RENEWED)
            await self._noted(repeats.renew, turn)

    async def _noted(self, note: Callable[..., None], turn: Turn, *more: object) -> bool:
        """Whether it could be written; if not, the key's time ends, and the record says what happened."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self.threads, note, self.ledger.records, turn, *more)
        except (RefusedError, DarkroomError) as error:
            log.warning("request_not_noted", error=str(error))
            return False
        return True

    async def _in_thread(self, function: Callable[..., R], *args: object) -> R:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, function, *args)
        except UnavailableError as error:
            raise ProblemError("records_unavailable") from error


async def unnamed(_media: Media) -> None:
    """The `remake` of a request that begins no media: it is done again, and ends as the first one did."""


def _key(request: Request) -> str | None:
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    key = given[0].strip().removeprefix('"').removesuffix('"')
    if len(given) > 1 or not _KEY.fullmatch(key):
        raise ProblemError("idempotency_key_invalid")
    return key


def _fingerprint(request: Request, said: Iterable[str]) -> str:
    """By what another request with the same key is known; a form's boundary may differ, and its body is not read."""
    head = request.headers
    kind = head.get("content-type", "").partition(";")[0].strip().lower()
    digests = [value for name, value in head.items() if name in _DIGESTS or name.startswith("x-amz-checksum-")]
    what = [request.method, request.url.path, head.get("content-length"), kind, *sorted(digests), *said]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def _reply(answer: Response) -> dict[str, object]:
    kept = {name: value for name, value in answer.headers.items() if name in _REPLAYED}
    return {"status": answer.status_code, "headers": kept, "body": bytes(answer.body).decode()}

"""Server-sent events: `GET /api/media/{mediaId}/events` and `GET /api/projects/{projectId}/events`.

The state comes from the records, whatever happened since the client last looked; Redis only says when to look, and how
far running work is. So nothing is lost with it, and a client that reconnects gets the state as it is.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ingest.brought import Brought, Inquiry
from ingest.callers import caller_of
from ingest.problems import ProblemError
from ingest.reads import media_id_of
from ingest.submissions import project_of
from ingest.watching import Watch, Watches
from pipeline import projectrows
from pipeline.errors import UnavailableError
from pipeline.ledger import Ledger
from pipeline.lifecycle import owed, settled
from pipeline.media import Media
from pipeline.progress import Report, overall
from pipeline.rows import media_of, public

PING = 15.0
"""Seconds of silence after which a comment is sent, so that no proxy takes the connection for dead."""
LASTING = 1800.0
"""Seconds after which a stream ends: its client comes again, and its credentials are looked at again."""
NEWEST = 200
"""Media of a project whose state is sent at the start."""
_REMEMBERED = 2000
_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Events:
    """The endpoints. Each client is a coroutine; the records are read on a few threads."""

    ledger: Ledger
    watches: Watches
    threads: Executor
    brought: Brought

    async def media(self, request: Request) -> Response:
        """The state of a media whenever it changes, and how far it is, until it has settled."""
        media_id = request.state.facts["media_id"] = media_id_of(request)
        media = caller_of(request).see(await self._read(media_id))
        if settled(media) and request.headers.get("last-event-id") == str(media.version):
            return Response(status_code=204)  # which tells an EventSource not to come again
        return self._stream(self._of_media(media), media.project_id, media_id)

    async def project(self, request: Request) -> Response:
        """The same of all media of a project, the newest at the start."""
        project_id = project_of([request.path_params["project_id"]]) or ""
        caller_of(request).enter(project_id)
        last = request.headers.get("last-event-id", "")
        since = int(last) if last.isascii() and last.isdecimal() and len(last) < 16 else 0  # noqa: PLR2004 - ms, in digits
        await self._newest(project_id)  # while an answer can still say that it cannot be read
        return self._stream(self._of_project(project_id, since), project_id, None)

    def _stream(self, told: Callable[[Watch], AsyncIterator[str]], project_id: str, media_id: str | None) -> Response:
        self.watches.admit()

        async def body() -> AsyncIterator[str]:
            with self.watches.watch(project_id, media_id) as watch:
                yield "retry: 2000\n\n"
                async for event in with_pings(told(watch)):
                    yield event

        return StreamingResponse(body(), media_type="text/event-stream", headers=_HEADERS)

    def _of_media(self, media: Media) -> Callable[[Watch], AsyncIterator[str]]:
        async def told(watch: Watch) -> AsyncIterator[str]:
            seen, known, changed, inquiry = 0, media, True, Inquiry(self.brought)
            reported = await self._in_thread(self.ledger.queue.progress, media.id)
            news: Mapping[str, Report] = reported
            ends_at = time.monotonic() + LASTING
            while time.monotonic() < ends_at:
                if changed:
                    known = await self._try_read(known)
                if known.version > seen:
                    seen = known.version
                    yield _state(known, seen)
                if settled(known):
                    return
                inquiry.know(known)
                if news:
                    reported |= news
                    yield _progress(known, reported)
                which, reported_of = await watch.news(inquiry.patience(self.watches.patience))
                news = reported_of.get(media.id, {})
                await inquiry.ask(reported_of)
                changed = which is None or bool(which) or not news

        return told

    def _of_project(self, project_id: str, since: int) -> Callable[[Watch], AsyncIterator[str]]:
        async def told(watch: Watch) -> AsyncIterator[str]:
            seen: dict[str, int] = {}
            reports: dict[str, dict[str, Report]] = {}
            inquiry = Inquiry(self.brought)
            found = [media for media in await self._try(self._newest(project_id), []) if media.updated_at > since]
            ends_at, look_at = time.monotonic() + LASTING, 0.0
            while time.monotonic() < ends_at:
                for media in sorted(found, key=lambda each: each.updated_at):
                    inquiry.know(media)
                    if media.version > seen.get(media.id, 0):
                        seen[media.id] = media.version
                        yield _state(media, media.updated_at)
                which, reported_of = await watch.news(inquiry.patience(self.watches.patience))
                silent = not await inquiry.ask(reported_of) or time.monotonic() >= look_at
                if silent:
                    look_at = time.monotonic() + self.watches.patience
                for media_id, report in reported_of.items():
                    reports.setdefault(media_id, {}).update(report)
                    if (media := await self._try(self._read(media_id), None)) is not None and not settled(media):
                        yield _progress(media, reports[media_id])
                found = await self._found(project_id, which, quiet=silent and not reported_of)
                for crowded in (seen, reports):
                    while len(crowded) > _REMEMBERED:
                        crowded.pop(next(iter(crowded)))

        return told

    async def _found(self, project_id: str, which: Iterable[str] | None, *, quiet: bool) -> list[Media]:
        """The media that may have changed: those that were named, or in silence the newest."""
        if which is None or (quiet and not which):
            newest: list[Media] = await self._try(self._newest(project_id), [])
            return newest
        read = [await self._try(self._read(media_id), None) for media_id in which]
        return [media for media in read if media is not None]

    async def _newest(self, project_id: str) -> list[Media]:
        place = projectrows.positions(project_id)
        drawn = (await self._in_thread(self.ledger.records.get, place) or {}).get("next", 0)
        rows = await self._in_thread(self.ledger.records.project, project_id, max(drawn - NEWEST, 0) - 1, NEWEST)
        return [media_of(row) for row in rows]

    async def _read(self, media_id: str) -> Media | None:
        found: Media | None = await self._in_thread(self.ledger.read, media_id)
        return found

    async def _try_read(self, known: Media) -> Media:
        found: Media = await self._try(self._read(known.id), None) or known
        return found

    async def _try(self, read: Any, otherwise: Any) -> Any:  # noqa: ANN401 - what is read
        """A stream that has begun waits for the records to come back."""
        try:
            return await read
        except ProblemError:
            return otherwise

    async def _in_thread(self, function: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - the function's
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, function, *args)
        except UnavailableError as error:
            raise ProblemError("records_unavailable") from error


async def with_pings(events: AsyncIterator[str]) -> AsyncIterator[str]:
    """The events, and a comment whenever there was none for a while."""
    waiting = asyncio.ensure_future(anext(events))
    try:
        while True:
            done, _ = await asyncio.wait([waiting], timeout=PING)
            if not done:
                yield ": ping\n\n"
                continue
            try:
                event = waiting.result()
            except StopAsyncIteration:
                return
            yield event
            waiting = asyncio.ensure_future(anext(events))
    finally:
        waiting.cancel()


def _state(media: Media, event_id: int) -> str:
    stages = {"done": sorted(media.done), "owed": list(owed(media))}
    return f"id: {event_id}\nevent: media\ndata: {_json(public(media) | {'stages': stages})}\n\n"


def _progress(media: Media, reports: Mapping[str, Report]) -> str:
    progress = overall(media, reports)
    stored = reports["upload"].stored if "upload" in reports else None
    running = {key: report.fraction for key, report in reports.items() if key in owed(media) and report.stored is None}
    facts = {"speed": progress.speed, "secondsLeft": progress.left, "bytesStored": stored}
    known = {name: round(value, 4) for name, value in facts.items() if value is not None}
    said = {"mediaId": media.id, "fraction": round(progress.fraction, 4), "tasks": running, **known}
    return f"event: progress\ndata: {_json(said)}\n\n"


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))

"""A process that will die: ingest and worker in one, wired as the product wires them, with every port watched."""

import asyncio
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, cast

from starlette.types import ASGIApp, Message

from ingest.access import access_of
from ingest.app import create
from pipeline.adapters.broker import RedisQueue
from pipeline.adapters.wiring import Services
from pipeline.ports import ObjectStore, Pieces, Queue, Records, Signer, Webhooks
from pipeline.tasks import Hint
from tests.builders import ffmpeg
from tests.chaos.crashpoints import Watch, Watched
from tests.multipart import CONTENT_TYPE, file, form
from workers.actors import WORK
from workers.holding import Shift
from workers.pool import Pool
from workers.rendering import Envelope
from workers.tools import Tools

_PIECE = 256 * 1024  # bytes of a request that come at once


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Heard(RedisQueue):
    """The queue, and what was sent by it: the hints that this process will follow."""

    inbox: deque[Hint] = field(default_factory=deque)

    def send(self, hints: Iterable[Hint]) -> int:
        """Send the hints and keep them."""
        sent = list(hints)
        unsent = super().send(sent)
        self.inbox.extend(sent)
        return unsent


@dataclass(frozen=True)
class Mortal:
    """`plain` are the services as nobody watches them; what `testify` is told outlives the process.

    `acknowledged` is the id of a media whose client was told of success, `born` of one that nobody was told of.
    """

    project: str
    corpus: Path
    watch: Watch
    plain: Services
    app: ASGIApp
    envelope: Envelope
    inbox: deque[Hint]
    testify: Callable[..., None]

    @property
    def tools(self) -> Tools:
        """The worker's, watched."""
        return self.envelope.tools

    def photo(self) -> bytes:
        """A small photo's bytes."""
        return (self.corpus / "photo.jpg").read_bytes()

    def upload(self, name: str, turn: str = "ingest", *, whole: bool = True) -> str | None:
        """POST a file of the corpus and return the media's id. `whole` False: the client goes away, and there is none.

        On a machine that is too busy to renew a lease within a second, an upload may be refused: AssertionError.
        """
        body = form([file((self.corpus / name).read_bytes(), name)])
        sent = body if whole else body[:-_PIECE]
        status, answer = self.request("POST", "/api/upload", turn, sent, whole=whole)
        assert status == 201 or not whole, answer
        return str(json.loads(answer)["mediaId"]) if whole else None

    def request(self, method: str, path: str, turn: str, body: bytes = b"", *, whole: bool = True) -> tuple[int, bytes]:
        """One HTTP request, handed to the application as a server does; status 0 when nothing was answered."""
        answer = self.ask(method, path, turn, body, whole=whole)
        return answer.status, answer.body

    def ask(
        self,
        method: str,
        path: str,
        turn: str = "ingest",
        body: bytes = b"",
        headers: Mapping[str, str] = MappingProxyType({"content-type": CONTENT_TYPE}),
        *,
        whole: bool = True,
    ) -> Answer:
        """The same, with headers of one's own; the query names the project, and what stands behind the path's `?`."""
        self.watch.turn = turn
        answer = asyncio.run(self._asked(method, path, body, headers, whole=whole))
        self.watch.turn = ""
        return answer

    def work(self) -> None:
        """Follow the hints, one by one, to their end, as a worker does."""
        while self.inbox:
            hint = self.inbox.popleft()
            self.watch.turn = hint.key
            self.envelope.take(hint.media_id, hint.key)
        self.watch.turn = ""

    async def _asked(self, method: str, path: str, body: bytes, headers: Mapping[str, str], *, whole: bool) -> Answer:
        status, answer, told = 0, b"", list[tuple[bytes, bytes]]()
        pieces = [body[at : at + _PIECE] for at in range(0, len(body), _PIECE)]
        coming: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        messages = iter([*coming, {"type": "http.request"}] if whole else coming)
        scope = {
            "type": "http",
            "method": method,
            "path": path.partition("?")[0],
            "query_string": f"projectId={self.project}&{path.partition('?')[2]}".encode(),
            "headers": [
                (b"host", b"127.0.0.1"),
                *((name.lower().encode(), value.encode()) for name, value in headers.items()),
            ],
        }

        async def receive() -> Message:
            return next(messages, {"type": "http.disconnect"})

        async def send(message: Message) -> None:
            nonlocal status, answer, told
            status, told = message.get("status", status), message.get("headers", told)
            answer += message.get("body", b"")

        await self.app(scope, receive, send)
        return Answer(status, {name.decode().lower(): value.decode() for name, value in told}, answer)


def mortal(
    plain: Services, decoders: Pool, corpus: Path, project: str, watch: Watch, testify: Callable[..., None]
) -> Mortal:
    """Wire one, its scratch folder beneath the settings'."""
    heard = Heard(plain.queue.client, plain.queue.producer)
    records = cast("Records", Watched(Records, plain.ledger.records, watch))
    objects = cast("ObjectStore", Watched(ObjectStore, plain.objects, watch))
    pieces = cast("Pieces", Watched(Pieces, plain.pieces, watch))
    signer = cast("Signer", Watched(Signer, plain.signer, watch))
    queue = cast("Queue", Watched(Queue, heard, watch))
    ledger = replace(plain.ledger, records=records, queue=queue)
    watched = replace(plain, ledger=ledger, objects=objects, pieces=pieces, signer=signer, queue=queue)  # type: ignore[arg-type]
    scratch = plain.settings.scratch / f"mortal-{os.getpid()}"
    scratch.mkdir(parents=True)
    webhooks = cast("Webhooks", Watched(Webhooks, plain.webhooks, watch))
    shift = Shift(grace=0)
    tools = Tools(ledger, objects, pieces, queue, plain.pipeline, scratch, ffmpeg(), shift, webhooks, pool=decoders)
    app = create(watched, access_of("127.0.0.1", (), (), guarded=True))
    return Mortal(project, corpus, watch, plain, app, Envelope(tools, WORK), heard.inbox, testify)

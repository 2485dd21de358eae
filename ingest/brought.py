"""How much is there of uploads that go straight to S3: nobody reports it, so S3 is asked while somebody follows."""

import asyncio
import time
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field

import structlog

from pipeline import granting
from pipeline.errors import DarkroomError
from pipeline.ledger import Ledger
from pipeline.media import Media, Status
from pipeline.ports import Pieces
from pipeline.progress import Report
from pipeline.reception import reception_of

log = structlog.get_logger()

EVERY = 5.0
"""Seconds between two looks at what S3 has of an upload, whoever of all that follow it looks."""
MOST = 16
"""Uploads that one stream looks at in that time: a project may have many."""


@dataclass(frozen=True)
class Brought:
    """Looks at S3, and tells everybody who follows."""

    ledger: Ledger
    pieces: Pieces
    threads: Executor

    async def tell(self, media_id: str) -> bool:
        """Report the bytes of the parts that are there; False when the upload does not come in parts past us."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, self._tell, media_id)
        except DarkroomError as error:
            log.info("upload_not_looked_at", media_id=media_id, error=str(error))
            return True

    def _tell(self, media_id: str) -> bool:
        opened = granting.look(self.ledger, media_id)
        row = opened.task.reception if opened and opened.task else None
        if opened is None or row is None or opened.media.status is not Status.UPLOADING:
            return False
        reception = reception_of(row)
        if not reception.direct or not reception.upload_id:
            return False
        stored = sum(part.size for part in self.pieces.parts(opened.media.s3_key, reception.upload_id))
        if stored:
            self.ledger.queue.report(opened.media.project_id, media_id, "upload", Report(0.0, stored=stored))
        return True


@dataclass
class Inquiry:
    """What one stream has to ask about: uploads under way of which it heard nothing for a while."""

    brought: Brought
    _under_way: set[str] = field(default_factory=set)
    _heard: set[str] = field(default_factory=set)
    _not_ours: set[str] = field(default_factory=set)
    _next: float = field(default_factory=lambda: time.monotonic() + 1.0)

    def know(self, media: Media) -> None:
        """The media as it stands."""
        if media.status is Status.UPLOADING and media.id not in self._not_ours:
            self._under_way.add(media.id)
        else:
            self._under_way.discard(media.id)
            self._not_ours.discard(media.id)

    def patience(self, usual: float) -> float:
        """Seconds to wait for news, where the stream would wait so long by itself."""
        return min(usual, max(self._next - time.monotonic(), 0.0)) if self._under_way else usual

    async def ask(self, heard: Iterable[str]) -> bool:
        """Ask about those that nobody else asked about meanwhile, if it is time; `heard` were reported just now.

        Returns whether it was time, which is what the stream may have been woken by.
        """
        self._heard.update(heard)
        if not self._under_way or time.monotonic() < self._next:
            return False
        for media_id in sorted(self._under_way - self._heard)[:MOST]:
            if not await self.brought.tell(media_id):
                self._under_way.discard(media_id)
                self._not_ours.add(media_id)
        self._heard.clear()
        self._next = time.monotonic() + EVERY
        return True

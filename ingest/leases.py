"""The upload's row while its request is open: intended at once, renewed, and looked at before every write to S3."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace

import structlog

from ingest.problems import PROBLEMS, ProblemError
from pipeline.changes import Change, RefusedError
from pipeline.errors import DarkroomError, LeaseLostError, PermanentError
from pipeline.ledger import Claimed, Ledger
from pipeline.media import Media

log = structlog.get_logger()

RETRY = 1.0
"""Seconds until a renewal that did not get through is tried again."""

SLOW = 15.0
"""Seconds after which a position that was drawn is not used any more: far less than a project's deletion waits."""

_LOOKS = 10
"""How often in the time between two renewals it is looked whose turn has come."""


class Hold:
    """The upload's task, ours from its intent on; `until` is when the lease ends by the monotonic clock, in seconds.

    `also` are changes that the intent is to make: one is refused when another request has the upload's Idempotency-Key.
    """

    def __init__(self, media: Media, ledger: Ledger, also: Sequence[Change] = ()) -> None:
        """Nothing is written yet."""
        self._media, self._ledger, self._also = media, ledger, also
        self._outcome: Claimed | ProblemError | None = None
        self._writing = threading.Lock()
        self.begun = False
        self.until = 0.0
        self.due = float("inf")
        """When to renew it next."""
        self.lost = False

    def begin(self) -> Claimed:
        """Write the upload's first transaction, once, whoever asks first. Blocks; raises `ProblemError`."""
        self.begun = True
        with self._writing:
            if self._outcome is None:
                began = time.monotonic()
                try:
                    self._outcome = self._begin(began)
                except ProblemError as error:
                    self._outcome = error
                else:
                    self._held_since(began)
        if isinstance(self._outcome, ProblemError):
            raise self._outcome
        return self._outcome

    def begin_early(self) -> None:
        """Write it without telling anybody how that went; who asks later is told. Blocks."""
        with suppress(ProblemError):
            self.begin()

    def ensure(self) -> None:
        """Return if the row is surely still ours; raises `ProblemError`, `LeaseLostError`."""
        if self.lost:
            raise LeaseLostError
        if time.monotonic() >= self.until:
            raise ProblemError("records_unavailable")

    def renew(self) -> None:
        """Hold the row for another lease, if that can be. Blocks."""
        if not isinstance(self._outcome, Claimed):
            return
        began, task = time.monotonic(), self._outcome.task
        try:
            self._ledger.renew(task)
        except LeaseLostError:
            self.lost = True
        except DarkroomError as error:
            log.warning("upload_renewal_failed", media_id=task.media_id, error=str(error))
            self.due = time.monotonic() + RETRY
        else:
            self._held_since(began)

    def _begin(self, began: float) -> Claimed:
        try:
            position = self._ledger.next_position(self._media.project_id)
            if time.monotonic() - began > SLOW:  # the project may have been closed, and found empty, meanwhile
                raise ProblemError("records_unavailable")
            media = replace(self._media, position=position)
            return Claimed(self._ledger.intend(media, self._also), media)
        except RefusedError as refusal:
            raise ProblemError("request_in_progress") from refusal
        except PermanentError as error:
            raise ProblemError(error.reason if error.reason in PROBLEMS else "internal_error") from error
        except DarkroomError as error:
            raise ProblemError("records_unavailable") from error

    def _held_since(self, began: float) -> None:
        self.until = began + self._ledger.lease.length / 1000
        self.due = began + self._ledger.lease.renewal / 1000


@dataclass
class Intent:
    """A hold whose first transaction is on its way."""

    hold: Hold
    _written: asyncio.Future[Claimed]

    async def claimed(self) -> Claimed:
        """The row and the record, once they are written; raises `ProblemError` when they could not be."""
        return await asyncio.shield(self._written)

    async def check(self) -> None:
        """Return if the row is written and surely still ours; raises `ProblemError`, `LeaseLostError`."""
        await self.claimed()
        self.hold.ensure()


@dataclass
class Leases:
    """The rows of all uploads whose requests are open here: one task looks after them and has threads renew them."""

    ledger: Ledger
    threads: Executor
    _kept: set[Hold] = field(default_factory=set)
    _keeping: asyncio.Task[None] | None = None

    @contextmanager
    def kept(self, hold: Hold) -> Iterator[None]:
        """Renew it until the block ends."""
        self._kept.add(hold)
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            self._kept.discard(hold)

    @asynccontextmanager
    async def intended(self, media: Media, also: Sequence[Change] = ()) -> AsyncIterator[Intent]:
        """Write the upload's first transaction meanwhile, then renew its lease until the block ends."""
        hold = Hold(media, self.ledger, also)
        intent = Intent(hold, asyncio.get_running_loop().run_in_executor(self.threads, hold.begin))
        with self.kept(hold):
            yield intent

    async def _keep(self) -> None:
        loop, pause = asyncio.get_running_loop(), self.ledger.lease.renewal / 1000 / _LOOKS
        while self._kept:
            await asyncio.sleep(pause)
            now = time.monotonic()
            for hold in [each for each in self._kept if each.due <= now and not each.lost]:
                hold.due = float("inf")  # until this renewal says when the next one is
                loop.run_in_executor(self.threads, hold.renew)

"""The upload's row while its request is open: intended at once, renewed, and looked at before every write to S3."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from ingest.problems import PROBLEMS, ProblemError
from pipeline.changes import Change, RefusedError
from pipeline.errors import DarkroomError, LeaseLostError, PermanentError
from pipeline.ledger import Ledger
from pipeline.media import Media
from pipeline.tasks import Task

log = structlog.get_logger()

RETRY = 1.0
"""Seconds until a renewal that did not get through is tried again."""

SLOW = 15.0
"""Seconds after which a position that was drawn is not used any more: far less than a project's deletion waits."""


class Hold:
    """The upload's task, ours from its intent on; `until` is when the lease ends by the monotonic clock, in seconds."""

    def __init__(self, intent: asyncio.Future[Task], until: float) -> None:
        """The intent is on its way."""
        self._intent = intent
        self.until = until
        self.lost = False

    async def task(self) -> Task:
        """The row, once it is written; raises `ProblemError` when it could not be."""
        try:
            return await asyncio.shield(self._intent)
        except DarkroomError as error:
            raise ProblemError("records_unavailable") from error

    async def check(self) -> None:
        """Return if the row is written and surely still ours; raises `ProblemError`, `LeaseLostError`."""
        await self.task()
        if self.lost:
            raise LeaseLostError
        if time.monotonic() >= self.until:
            raise ProblemError("records_unavailable")


@asynccontextmanager
async def intended(media: Media, ledger: Ledger, threads: Executor, also: Sequence[Change] = ()) -> AsyncIterator[Hold]:
    """Write the upload's first transaction meanwhile, then renew its lease until the block ends.

    `also` are changes that it is to make: when one is refused, another request has the upload's Idempotency-Key.
    """
    intent = asyncio.get_running_loop().run_in_executor(threads, _intend, ledger, media, also)
    hold = Hold(intent, time.monotonic() + ledger.lease.length / 1000)
    renewing = asyncio.create_task(_renew(hold, ledger, threads))
    try:
        yield hold
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])


def _intend(ledger: Ledger, media: Media, also: Sequence[Change]) -> Task:
    drawn_at = time.monotonic()
    try:
        position = ledger.next_position(media.project_id)
        if time.monotonic() - drawn_at > SLOW:  # the project may have been closed, and found empty, meanwhile
            raise ProblemError("records_unavailable")
        return ledger.intend(replace(media, position=position), also)
    except RefusedError as refusal:
        raise ProblemError("request_in_progress") from refusal
    except PermanentError as error:
        raise ProblemError(error.reason if error.reason in PROBLEMS else "internal_error") from error


async def _renew(hold: Hold, ledger: Ledger, threads: Executor) -> None:
    try:
        task = await hold.task()
    except ProblemError:
        return  # whoever asks for the task is told
    pause = ledger.lease.renewal / 1000
    while not hold.lost:
        await asyncio.sleep(pause)
        begun = time.monotonic()
        try:
            await asyncio.get_running_loop().run_in_executor(threads, ledger.renew, task)
        except LeaseLostError:
            hold.lost = True
        except DarkroomError as error:
            log.warning("upload_renewal_failed", media_id=task.media_id, error=str(error))
            pause = RETRY
        else:
            hold.until = begun + ledger.lease.length / 1000
            pause = ledger.lease.renewal / 1000

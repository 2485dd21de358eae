"""The upload's row while its request is open: intended at once, renewed, and looked at before every write to S3."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from ingest.problems import ProblemError
from pipeline.changes import Change, RefusedError
from pipeline.errors import DarkroomError, LeaseLostError
from pipeline.ledger import Ledger
from pipeline.media import Media
from pipeline.tasks import Task

log = structlog.get_logger()

RETRY = 1.0
"""Seconds until a renewal that did not get through is tried again."""


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
    try:
        return ledger.intend(replace(media, position=ledger.next_position(media.project_id)), also)
    except RefusedError as refusal:
        raise ProblemError("request_in_progress") from refusal


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

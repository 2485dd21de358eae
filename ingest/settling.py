"""How an upload ends in the records: once, and when in doubt as the record says."""

import asyncio
import random
from concurrent.futures import Executor

import structlog

from ingest.problems import ProblemError
from pipeline.errors import DarkroomError, LeaseLostError
from pipeline.events import Aborted, Stored
from pipeline.ledger import Ledger
from pipeline.media import Media, Status
from pipeline.tasks import Task

log = structlog.get_logger()

PAUSES = (0.1, 0.3, 0.6, 1.0, 2.0)
"""Seconds between two tries to write or read the outcome; the client is waiting for it."""


async def settle(task: Task, event: Stored | Aborted, ledger: Ledger, threads: Executor) -> Media:
    """Commit the event; returns the record as it stands then, which need not be what the event wanted.

    A write of unknown outcome is tried again: the ledger recognises its own. When another holder has taken the task,
    the record is read until that one has settled it. Raises `ProblemError` when it stays unknown; then nothing was
    touched, the lease ends, and a worker settles it.
    """
    loop = asyncio.get_running_loop()
    for pause in (*PAUSES, None):
        try:
            return await loop.run_in_executor(threads, ledger.commit, task, event)
        except LeaseLostError:
            media = await _read(task.media_id, ledger, threads)
            if media is not None and media.status is not Status.UPLOADING:
                return media
        except DarkroomError as error:
            log.warning("upload_commit_failed", media_id=task.media_id, error=str(error))
        if pause is not None:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
    raise ProblemError("records_unavailable")


def arrived(media: Media) -> bool:
    """Whether the record says that the upload was taken, whatever became of it since."""
    if media.status is Status.FAILED:
        return not (media.reason or "").startswith("upload_")
    return media.status in {Status.UPLOADED, Status.PROCESSING, Status.READY}


async def _read(media_id: str, ledger: Ledger, threads: Executor) -> Media | None:
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, ledger.read, media_id)
    except DarkroomError:
        return None

"""How an upload ends in the records: once, and when in doubt as the record says."""

import asyncio
import random
import time
from concurrent.futures import Executor

import structlog
from starlette.requests import ClientDisconnect

from ingest.problems import ProblemError
from pipeline.errors import DarkroomError, LeaseLostError
from pipeline.events import Aborted, Stored
from pipeline.ledger import Ledger
from pipeline.media import Media, Status
from pipeline.tasks import Task

log = structlog.get_logger()

PAUSES = (0.1, 0.3, 0.6, 1.0, 2.0)
"""Seconds between two tries to write or read the outcome; the client is waiting for it."""


def settled(task: Task, event: Stored | Aborted, ledger: Ledger, known: Media | None = None) -> Media:
    """Commit the event; returns the record as it stands then, which need not be what the event wanted. Blocks.

    A write of unknown outcome is tried again: the ledger recognises its own. When another holder has taken the task,
    the record is read until that one has settled it. Raises `ProblemError` when it stays unknown; then nothing was
    touched, the lease ends, and a worker settles it. `known` is the record as the caller wrote it.
    """
    for pause in (*PAUSES, None):
        try:
            return ledger.commit(task, event, known)
        except LeaseLostError:
            media = _read(task.media_id, ledger)
            if media is not None and media.status is not Status.UPLOADING:
                return media
        except DarkroomError as error:
            log.warning("upload_commit_failed", media_id=task.media_id, error=str(error))
        known = None
        if pause is not None:
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
    raise ProblemError("records_unavailable")


async def settle(
    task: Task, event: Stored | Aborted, ledger: Ledger, threads: Executor, known: Media | None = None
) -> Media:
    """`settled`, in a thread."""
    return await asyncio.get_running_loop().run_in_executor(threads, settled, task, event, ledger, known)


def take_back(task: Task, error: BaseException, ledger: Ledger) -> None:
    """Say in the record that it will never be whole; whoever cannot say it leaves that to a worker. Blocks."""
    event = aborted(error)
    log.info("upload_aborted", media_id=task.media_id, reason=event.reason, error=repr(error))
    if isinstance(error, LeaseLostError):
        return
    try:
        settled(task, event, ledger)
    except ProblemError:
        log.warning("upload_left_to_recovery", media_id=task.media_id)


def arrived(media: Media) -> bool:
    """Whether the record says that the upload was taken, whatever became of it since."""
    if media.status is Status.FAILED:
        return not (media.reason or "").startswith("upload_")
    return media.status in {Status.UPLOADED, Status.PROCESSING, Status.READY}


def taken(media: Media) -> Media:
    """The record if the upload was taken; raises `ProblemError`."""
    if not arrived(media):
        raise ProblemError("upload_superseded")
    return media


def aborted(error: BaseException) -> Aborted:
    """What the record says of an upload that ended with the error."""
    match error:
        case ProblemError():
            return Aborted(error.code, error.sentence)
        case ClientDisconnect():
            return Aborted("client_gone", "The client went away before the upload was complete.")
        case asyncio.CancelledError():
            return aborted(ProblemError("shutting_down"))
        case DarkroomError():
            return aborted(ProblemError("storage_unavailable"))
        case _:
            return aborted(ProblemError("internal_error"))


def public(error: DarkroomError) -> ProblemError:
    """What the client is told of it."""
    return ProblemError("upload_superseded" if isinstance(error, LeaseLostError) else "storage_unavailable")


def _read(media_id: str, ledger: Ledger) -> Media | None:
    try:
        return ledger.read(media_id)
    except DarkroomError:
        return None

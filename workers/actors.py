"""Where code meets pipeline.toml: one Dramatiq actor a stage, on its queue and terms."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import dramatiq
import structlog

from pipeline import projects
from pipeline.adoption import adopt
from pipeline.config import Pipeline
from pipeline.errors import ChangedError, PermanentError, TransientError, UnavailableError
from pipeline.retries import LONGEST_MESSAGE_DELAY
from workers import chores, making
from workers.rendering import Envelope, Work
from workers.stages import WORK as MAKING
from workers.tools import Tools

log = structlog.get_logger()

WORK: dict[str, Work] = {
    "upload": chores.recover_upload,
    "validate": making.validate,
    "spread": chores.spread,
    **dict.fromkeys(MAKING, making.make),
    "backfill": making.backfill,
    "record": chores.record,
    "purge": chores.purge,
}
"""Every stage and what does it."""


def bind(broker: dramatiq.Broker, tools: Tools) -> None:
    """Declare the actors of all stages, and of what has no media: `erase` and `submit`."""
    envelope = Envelope(tools, WORK)

    def look(media_id: str, key: str) -> None:
        """A hint: look at this row now."""
        delay = envelope.take(media_id, key)
        if delay is not None:
            raise dramatiq.errors.Retry(delay=delay)

    for stage in WORK:
        _declare(broker, tools.pipeline, stage, look)
    _declare(broker, tools.pipeline, "erase", lambda media_id, key: _erase(tools, media_id, key))
    bounded = partial(_worth_it, tools.pipeline.stages["submit"].retries.attempts)
    _declare(broker, tools.pipeline, "submit", lambda **job: _submit(tools, **job), bounded)


def _asked_for(_retries: int, error: BaseException) -> bool:
    return isinstance(error, dramatiq.errors.Retry)


def _declare(
    broker: dramatiq.Broker,
    pipeline: Pipeline,
    stage: str,
    work: Callable[..., None],
    when: Callable[[int, BaseException], bool] = _asked_for,
) -> None:
    """The row decides whether there is another attempt, so that a message is retried only when the envelope asks."""
    terms = pipeline.stages[stage]
    options: dict[str, Any] = {**terms.retries.options(), "retry_when": when}
    dramatiq.Actor(work, broker=broker, actor_name=stage, queue_name=terms.queue, priority=0, options=options)


def _worth_it(attempts: int, retries: int, error: BaseException) -> bool:
    """A job has no row that would count: beside what is away, an answer that may be another one the next time."""
    passing = isinstance(error, TransientError | ChangedError) and retries + 1 < attempts
    return passing or _asked_for(retries, error)


def _erase(tools: Tools, name: str, _key: str) -> None:
    """A project is being deleted: take some steps, and ask for the next one."""
    deadline = time.monotonic() + tools.pipeline.stages["erase"].timeout
    delay: int | None = 0
    try:
        while delay == 0 and time.monotonic() < deadline:
            delay = projects.step(tools.ledger, tools.objects, name)
    except UnavailableError as error:
        log.warning("project_not_erased", project=name, error=str(error))
        delay = tools.pipeline.stages["erase"].retries.delay(1)
    else:
        log.info("project_erasing" if delay is not None else "project_erased", project=name)
    if delay is not None and delay <= 1000 * LONGEST_MESSAGE_DELAY:  # else the sweeper hints when it is time
        raise dramatiq.errors.Retry(delay=max(delay, 1))


def _submit(tools: Tools, projectId: str = "", key: str = "", jobId: str | None = None) -> None:  # noqa: N803 - the wire form
    """A producer's job: adopt an object that is in the bucket already. The job counts once its row exists."""
    try:
        media_id = adopt(tools.ledger, tools.objects, tools.pipeline, projectId, key, jobId).media_id
    except UnavailableError as error:
        log.warning("submit_failed", key=key, jobId=jobId, error=str(error))
        delay = tools.pipeline.stages["submit"].retries.delay(1)
        raise dramatiq.errors.Retry(delay=delay) from error
    except (TransientError, ChangedError) as error:
        log.warning("submit_failed", key=key, jobId=jobId, error=str(error))
        raise
    except PermanentError as error:
        log.warning("job_refused", key=key, jobId=jobId, reason=error.reason)
        raise
    log.info("job_accepted", mediaId=media_id, key=key, jobId=jobId)

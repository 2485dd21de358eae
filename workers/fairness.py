"""One project cannot take all workers of a queue: its running tasks are counted from their leases, before each claim.

A count of rows heals itself: what a dead worker held stops counting when its lease ends. Two claims at the same moment
may both find room, so the bound is one of fairness, not of safety.
"""

import random

from pipeline.tasks import TaskStatus
from workers.tools import Tools

_SOON, _LATEST = 1.0, 15.0  # seconds


def crowded(tools: Tools, media_id: str, key: str) -> int | None:
    """The ms to wait when the task's project has as many running as its queue allows; None when there is room.

    The longer a task has waited the less often it asks: with many waiting somebody always does. Raises
    `UnavailableError`.
    """
    stage, bounds = tools.pipeline.stage(key), tools.pipeline.most_of
    if stage.queue not in bounds and stage.long not in bounds:
        return None
    task, now = tools.ledger.task(media_id, key), tools.ledger.records.now()
    if task is None or task.project_id is None or task.status is not TaskStatus.PENDING or task.queue not in bounds:
        return None
    running = [row for row in tools.ledger.records.leased(task.project_id, now) if row["queue"] == task.queue]
    if len(running) < bounds[task.queue]:
        return None
    wait = min(max((now - task.owed_at) / 8000, _SOON), _LATEST)
    return round(1000 * wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

"""How far the workers are behind: the age of the oldest task that waits for nothing but a free hand."""

from pipeline.ports import Records
from pipeline.rows import task_of
from pipeline.tasks import CONTROL, SHARDS, Task, TaskStatus

SAMPLE = 50
"""Rows looked at in each shard of the wake index, the most overdue first: in a backlog the old ones are among them."""
_EVER = 2**53


def oldest_waiting(records: Records) -> float:
    """Seconds for which the oldest task that was never begun has been owed; 0 when none waits.

    A task that was tried waits for its own reasons, and one file's trouble must not shut everybody out. Raises
    `UnavailableError`.
    """
    now = records.now()
    rows = (row for shard in range(SHARDS) for row in records.overdue(shard, _EVER, SAMPLE))
    ages = [now - task.owed_at for task in map(task_of, rows) if _untouched(task)]
    return max(ages, default=0) / 1000


def _untouched(task: Task) -> bool:
    return task.status is TaskStatus.PENDING and task.epoch == 0 and task.stage not in CONTROL

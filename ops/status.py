"""`darkroom status`: what a media is waiting for, or all that is owed."""

from collections import Counter
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from ops.outputs import print_table
from pipeline.adapters.wiring import Services
from pipeline.media import SETTLED
from pipeline.progress import Progress, overall
from pipeline.rows import task_of
from pipeline.tasks import SHARDS, Task, TaskStatus

EVER = 2**53
"""Later than any wake-up, milliseconds."""

MOST = 1000
"""Rows of each shard that are counted."""


class UnknownMediaError(Exception):
    """There is no such media."""


def show_media(services: Services, media_id: str) -> None:
    """Print a media's outputs and task rows.

    Raises:
        UnknownMediaError: there is none of that id.
    """
    media = services.ledger.read(media_id)
    if media is None:
        raise UnknownMediaError(f"There is no media {media_id}")
    console = Console()
    print_table(console, media)
    reports = services.queue.progress(media_id)
    if media.status not in SETTLED:
        console.print(told(overall(media, reports)), highlight=False)
    table = _table("task", "status", "attempts", "done", "last error")
    for row in services.ledger.records.tasks(media_id):
        task = task_of(row)
        running = task.status is TaskStatus.RUNNING and task.key in reports
        done = f"{reports[task.key].fraction:.0%}" if running else ""
        table.add_row(task.key, task.status, str(task.attempts), done, task.last_error or task.reason or "")
    console.print(table)


def told(progress: Progress) -> str:
    """Say how far a media is: `42 %, 3.1x, 0:01:30 left`."""
    words = [f"{progress.fraction:.0%}"]
    if progress.speed is not None:
        words.append(f"{progress.speed:.2g}x")
    if progress.left is not None:
        words.append(f"{timedelta(seconds=round(progress.left))} left")
    return ", ".join(words)


def show_owed(services: Services) -> None:
    """Print how many tasks are owed, by queue, stage and status, and how long the most overdue one has waited."""
    now = services.ledger.records.now()
    rows = (row for shard in range(SHARDS) for row in services.ledger.records.overdue(shard, EVER, MOST))
    tasks = [task_of(row) for row in rows]
    table = _table("queue", "stage", "status", "tasks", "overdue")
    for (queue, stage, status), count in sorted(Counter(map(_kind, tasks)).items()):
        late = max(now - (task.wake_at or now) for task in tasks if _kind(task) == (queue, stage, status))
        table.add_row(queue, stage, status, str(count), f"{late / 1000:.0f} s" if late > 0 else "")
    Console().print(table if tasks else "Nothing is owed.")


def _kind(task: Task) -> tuple[str, str, str]:
    return task.queue, task.stage, task.status


def _table(*headings: str) -> Table:
    return Table(*headings, box=None, padding=(0, 2, 0, 0))

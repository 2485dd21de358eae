"""`darkroom status`: what a media is waiting for, or all that is owed."""

from datetime import timedelta

from rich.console import Console

from ops import listings, reach
from ops.listings import printable
from ops.outputs import print_table
from pipeline import deadletters
from pipeline.adapters.wiring import Services
from pipeline.deadletters import Wanted
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
    rows = []
    for task in map(task_of, services.ledger.records.tasks(media_id)):
        running = task.status is TaskStatus.RUNNING and task.key in reports
        done = f"{reports[task.key].fraction:.0%}" if running else ""
        rows.append((task.key, task.status, str(task.attempts), done, task.last_error or task.reason or ""))
    listings.show(console, ("task", "status", "attempts", "done", "last error"), rows, "No task is left.")


def told(progress: Progress) -> str:
    """Say how far a media is: `42 %, 3.1x, 0:01:30 left`."""
    words = [f"{progress.fraction:.0%}"]
    if progress.speed is not None:
        words.append(f"{progress.speed:.2g}x")
    if progress.left is not None:
        words.append(f"{timedelta(seconds=round(progress.left))} left")
    return ", ".join(words)


def show_owed(services: Services) -> None:
    """Print what does not answer, what is owed by queue, stage and status, and how many dead letters there are.

    `waiting` is since the oldest was owed, `overdue` since one should have been looked at: of a healthy stack never.

    Raises:
        UnavailableError: the record store is away, as was printed.
    """
    console = Console()
    for name, wrong in reach.ask(services).items():
        console.print(f"{name}: {printable(wrong) or 'ok'}", style="red" if wrong else "", markup=False, soft_wrap=True)
    now = services.ledger.records.now()
    rows = (row for shard in range(SHARDS) for row in services.ledger.records.overdue(shard, EVER, MOST))
    kinds: dict[tuple[str, str, str], list[Task]] = {}
    for task in map(task_of, rows):
        kinds.setdefault((task.queue, task.stage, task.status), []).append(task)
    shown = []
    for kind, tasks in sorted(kinds.items()):
        oldest = span(now - min(task.owed_at or now for task in tasks))
        late = span(now - min(task.wake_at or now for task in tasks))
        error = next((task.last_error for task in tasks if task.last_error), "")
        shown.append((*kind, str(len(tasks)), oldest, late, error or ""))
    headings = ("queue", "stage", "status", "tasks", "waiting", "overdue", "last error")
    listings.show(console, headings, shown, "Nothing is owed.")
    if dead := sum(1 for _ in deadletters.find(services.ledger.records, Wanted())):
        console.print(f"Dead letters: {dead}. `darkroom dead` lists them.", style="red", highlight=False)


def span(ms: int) -> str:
    """Say for how long, `1:02:03`; nothing for less than a second."""
    seconds = max(0, ms // 1000)
    return str(timedelta(seconds=seconds)) if seconds else ""

"""Following media by their task rows until nothing more is owed."""

import threading
from collections.abc import Mapping

from ops.bars import Bars
from ops.supervisor import StopRequestedError
from pipeline.adapters.wiring import Services
from pipeline.media import SETTLED, Media
from pipeline.progress import overall
from pipeline.rows import task_of
from pipeline.tasks import Task, TaskStatus

LOOK = 0.2
"""Seconds between two looks."""


def follow(services: Services, names: Mapping[str, str], bars: Bars, stop: threading.Event) -> dict[str, Media]:
    """Show each media until it is settled; `names` has what to call them, by id. Returns the records by id.

    Raises:
        StopRequestedError: `stop` was set before.
        UnavailableError: the record store is away.
    """
    settled: dict[str, Media] = {}
    while len(settled) < len(names):
        for media_id, name in names.items():
            media = settled.get(media_id) or services.ledger.read(media_id)
            if media is None or media_id in settled:
                continue
            if media.status in SETTLED:
                settled[media_id] = media
            tasks = [task_of(row) for row in services.ledger.records.tasks(media_id)]
            bars.show(name, phase(media, tasks), overall(media, services.queue.progress(media_id)).fraction)
        if stop.wait(LOOK):
            raise StopRequestedError
    return {media_id: settled[media_id] for media_id in names}


def phase(media: Media, tasks: list[Task]) -> str:
    """Say what is being done: the status of a settled media, else the stages that are worked on."""
    if media.status in SETTLED:
        return media.status if media.reason is None else f"{media.status}: {media.reason}"
    running = {task.stage for task in tasks if task.status is TaskStatus.RUNNING}
    return ", ".join(sorted(running)) or "waiting"

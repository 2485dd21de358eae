"""The processes of a deployment: what `darkroom ingest`, `worker` and `sweeper` become."""

import os
import sys
from collections.abc import Sequence

from ops import processes
from ops.signals import stop_event
from pipeline import config
from pipeline.adapters import logs, sqs
from pipeline.adapters.installation import install
from pipeline.adapters.wiring import connect
from pipeline.settings import read_settings
from workers.confine import give_way
from workers.notices import Notices

ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""glibc's: else every thread keeps freed memory of its own."""

GRACE = 6.0
"""Seconds for a group of workers to end after SIGTERM."""


class UnknownQueueError(Exception):
    """No such queue in pipeline.toml; the text names those there are."""


class MixedQueuesError(Exception):
    """One process cannot work on these queues together; the text says why."""


class NoEventsError(Exception):
    """There is no queue to take events from; the text says what to set."""


def ingest() -> None:
    """Become the HTTP server."""
    _become("ingest.app")


def sweeper() -> None:
    """Become the sweeper."""
    _become("workers.sweeping")


def events() -> None:
    """Take what S3 tells of new objects until SIGTERM.

    Raises:
        NoEventsError: nothing says from where, or whose they are.
    """
    settings = read_settings()
    services = connect(settings)
    if not settings.events_queue_url or not services.pipeline.events:
        raise NoEventsError("Set EVENTS_QUEUE_URL, and [[events]] in pipeline.toml: whose the objects are")
    logs.configure(json=settings.json_logs, role="events")
    mailbox = sqs.connect(settings.events_queue_url)
    Notices(services.ledger, services.objects, services.pipeline, mailbox, stop_event()).run()


def setup() -> None:
    """Create bucket and tables where missing."""
    settings = read_settings()
    install(settings, publish_originals=config.load(settings.pipeline).publish_originals)


def worker(queues: Sequence[str]) -> None:
    """Become the worker of these queues, each with threads of its own.

    Raises:
        UnknownQueueError: pipeline.toml has no such queue.
        MixedQueuesError: some of them give way to others, some do not.
    """
    rules = config.load(read_settings().pipeline)
    if unknown := [queue for queue in queues if queue not in rules.threads]:
        raise UnknownQueueError(f"pipeline.toml has no queue {', '.join(unknown)}; it has {', '.join(rules.threads)}")
    steps = {rules.nice[queue] for queue in queues}
    if len(steps) > 1:
        raise MixedQueuesError(f"{', '.join(queues)} are not equally `nice`: start workers for each of them")
    give_way(steps.pop())
    _become("workers.app", *queues)


def _become(module: str, *words: str) -> None:
    """Run a composition root in our place: it has imported nothing that it does not need."""
    processes.replace([sys.executable, "-m", module, *words], {**ARENAS, **os.environ})

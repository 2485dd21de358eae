"""The processes of a deployment: what `darkroom ingest`, `worker` and `sweeper` become."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ops import processes
from ops.signals import stop_event
from ops.warden import Warden
from pipeline import config
from pipeline.adapters import logs, sqs
from pipeline.adapters.installation import install
from pipeline.adapters.wiring import connect
from pipeline.settings import read_settings
from workers.confine import give_way
from workers.notices import Notices
from workers.sweeper import Sweeper

PUT_DOWN = 4_000
"""Milliseconds that a worker process waits for its threads after SIGTERM; rows are given back within two seconds."""

GRACE = 6.0
"""Seconds for a group of workers to end after SIGTERM."""


class UnknownQueueError(Exception):
    """No such queue in pipeline.toml; the text names those there are."""


class NoEventsError(Exception):
    """There is no queue to take events from; the text says what to set."""


def ingest() -> None:
    """Become the HTTP server."""
    processes.replace([sys.executable, "-m", "ingest.app"], dict(os.environ))


def sweeper() -> None:
    """Sweep until SIGTERM."""
    settings = read_settings()
    logs.configure(json=settings.json_logs, role="sweeper")
    services = connect(settings)
    Sweeper(services.ledger.records, services.queue, stop_event()).run()


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


def worker(queues: Sequence[str]) -> int:
    """Become the workers of one queue, or stand over one group of processes for each of several.

    When one group ends so do the others: whoever started us sees it and starts all anew.

    Raises:
        UnknownQueueError: pipeline.toml has no such queue.
    """
    rules = config.load(read_settings().pipeline)
    threads = rules.threads
    if unknown := [queue for queue in queues if queue not in threads]:
        raise UnknownQueueError(f"pipeline.toml has no queue {', '.join(unknown)}; it has {', '.join(threads)}")
    if len(queues) > 1:
        return _stand_over([[sys.executable, "-m", "ops.cli", "worker", queue] for queue in queues])
    (queue,) = queues
    give_way(rules.nice[queue])
    processes.replace(_dramatiq(queue, threads[queue]), _tuned(threads[queue], rules.poll[queue]))
    return 0


def _stand_over(commands: Sequence[list[str]]) -> int:
    stop, warden = stop_event(), Warden()
    groups: list[processes.Process] = []
    try:
        for argv in commands:
            groups.append(processes.start(argv, env=os.environ, cwd=Path.cwd(), log=None))
            warden.guard(groups[-1].pid)
        while not stop.wait(0.2):
            warden.look()
            if any(group.poll() is not None for group in groups):
                return 1
        return 0
    finally:
        processes.end(groups, GRACE)
        for group in groups:
            warden.release(group.pid)
        warden.dismiss()


def _dramatiq(queue: str, threads: int) -> list[str]:
    # Its master looks for dead workers only after it has waited for all to come up, 30 s by default, for the sake of
    # helper processes that we have none of.
    times = ["--worker-shutdown-timeout", str(PUT_DOWN), "--worker-fork-timeout", "10"]
    size = ["--processes", "1", "--threads", str(threads)]
    return [sys.executable, "-m", "dramatiq", "workers.app:main", *size, *times, "--skip-logging", "--queues", queue]


def _tuned(threads: int, poll: float) -> dict[str, str]:
    """Return our environment with Dramatiq's knobs: nobody holds a message that another could work on."""
    return {**os.environ, "dramatiq_queue_prefetch": str(threads), "dramatiq_worker_timeout": str(round(1000 * poll))}

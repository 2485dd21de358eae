"""What of a photo's cost has nothing to do with its bytes: the transactions of its record, and the hint to Redis.

Peers and prototypes that only move bytes do neither. What is called is what ingest calls, and the time is the CPU of
the thread that calls it, which is less than it takes among threads that want the interpreter as well.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from ingest.described import described
from ingest.leases import Hold
from ingest.settling import settled
from pipeline.adapters import broker
from pipeline.adapters.herald import Changed, Herald
from pipeline.adapters.sqlite import MEMORY, SqliteRecords
from pipeline.config import Pipeline
from pipeline.events import Stored
from pipeline.ledger import Ledger
from pipeline.lifecycle import Site
from pipeline.sniff import JPEG
from pipeline.tasks import Hint

PROJECT = "bookkeeping"
TOGETHER = 10
"""Hints in one exchange: of 400 photos a second, when Redis is told every 25 ms."""


@dataclass(frozen=True)
class Bookkeeping:
    """CPU seconds of one photo."""

    records: float
    hint: float


def measured(redis_url: str, pipeline: Pipeline, photos: int) -> Bookkeeping:
    """Keep the records of so many photos in SQLite in memory, then tell Redis of as many."""
    queue = broker.connect(redis_url)
    herald = Herald(queue)
    ledger = Ledger(
        SqliteRecords(MEMORY),
        herald,
        Site("http://127.0.0.1/{}".format, pipeline.publish_originals),
        lambda _media, key: pipeline.queue_of(key, None),
        pipeline.attempts_of,
        pipeline.lease,
    )
    stored = Stored(200_000, '"etag"', "crc64nvme:AAAAAAAAAAA=")

    def keep() -> None:
        task, media = Hold(described(ledger.site, PROJECT, "photo.jpg", JPEG), ledger).begin()
        settled(task, stored, ledger, media)

    name = pipeline.queue_of("validate", None)
    hints = [Hint(f"media_{number:032x}", "validate", name) for number in range(TOGETHER)]
    news = [Changed(PROJECT, hint.media_id) for hint in hints]
    records = _cpu(keep, photos)
    herald.close()
    return Bookkeeping(records, _cpu(lambda: queue.tell(hints, news), -(-photos // TOGETHER)) / TOGETHER)


def _cpu(work: Callable[[], object], times: int) -> float:
    """CPU seconds of this thread for each time, after the first."""
    work()
    begun = time.thread_time()
    for _ in range(times):
        work()
    return (time.thread_time() - begun) / times

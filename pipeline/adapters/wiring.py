"""The services of one process, wired from its settings; only composition roots call this."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.adapters import aws, broker, dynamodb, s3, webhooks
from pipeline.adapters.bells import Bells
from pipeline.adapters.broker import RedisQueue
from pipeline.adapters.feed import Feed
from pipeline.adapters.s3 import S3Objects
from pipeline.adapters.s3_pieces import S3Pieces
from pipeline.adapters.s3_signing import S3Signer
from pipeline.adapters.sqlite import SqliteRecords
from pipeline.adapters.webhooks import Receiver
from pipeline.config import Pipeline, load
from pipeline.ledger import Ledger
from pipeline.lifecycle import Site
from pipeline.media import Media
from pipeline.ports import Records
from pipeline.settings import Settings


@dataclass(frozen=True)
class Services:
    """Everything a process role may need."""

    settings: Settings
    pipeline: Pipeline
    ledger: Ledger
    objects: S3Objects
    pieces: S3Pieces
    signer: S3Signer
    queue: RedisQueue
    feed: Feed
    bells: Bells
    webhooks: Receiver | None

    @property
    def pings(self) -> Mapping[str, Callable[[], None]]:
        """What the pipeline leans on, by name: each call returns, or raises UnavailableError."""
        return {"s3": self.objects.ping, "records": self.ledger.records.ping, "redis": self.queue.ping}


def connect(settings: Settings) -> Services:
    """Build the services; nothing is contacted yet. Raises `ConfigError`."""
    pipeline = load(settings.pipeline)
    queue = broker.connect(settings.redis_url)

    def queue_of(media: Media, key: str) -> str:
        return pipeline.queue_of(key, (media.probe or {}).get("duration"))

    site = Site(settings.url, pipeline.publish_originals)
    ledger = Ledger(records(settings), queue, site, queue_of, pipeline.attempts_of, pipeline.lease)
    account = aws.account()
    objects = s3.connect(settings.s3_bucket, pipeline.lease.put_timeout / 1000, account)
    pieces = S3Pieces(objects)
    signer = S3Signer(account, settings.s3_public_endpoint, settings.s3_bucket)
    feed, bells, receiver = Feed(settings.redis_url), Bells(settings.redis_url), webhooks.connect(settings)
    return Services(settings, pipeline, ledger, objects, pieces, signer, queue, feed, bells, receiver)


def records(settings: Settings) -> Records:
    """The record store that the settings name."""
    if settings.records == "sqlite":
        return SqliteRecords(settings.sqlite_path)
    return dynamodb.connect(settings.media_table, settings.tasks_table)

"""One unit of work: a row that says who may do it, until when, and how often it was tried."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from zlib import crc32

SHARDS = 8
CONTROL = frozenset({"upload", "spread", "purge"})
"""Stages without an attempts bound: the pipeline's own chores, which must be done in the end."""


class TaskStatus(StrEnum):
    """PENDING and RUNNING are `LIVE`; the others ask for nothing."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    DEAD = "DEAD"
    PARKED = "PARKED"


LIVE = frozenset({TaskStatus.PENDING, TaskStatus.RUNNING})


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task row. Times are milliseconds since the epoch by the store's clock, but `expires_at` (TTL) is in seconds.

    Only an `upload` row under a grant has the last four: until when it is granted, the bytes that are safe, when
    another request wanted it from its holder, and a `Reception`.
    """

    media_id: str
    key: str
    status: TaskStatus
    queue: str
    project_id: str | None = None
    epoch: int = 0
    attempts: int = 0
    round: int = 0
    nudges: int = 0
    retry_at: int = 0
    owed_at: int = 0
    lease_until: int | None = None
    wake_at: int | None = None
    wake_shard: int | None = None
    expires_at: int | None = None
    dead_at: int | None = None
    dead_shard: int | None = None
    told_at: int | None = None
    reason: str | None = None
    last_error: str | None = None
    grant_until: int = 0
    offset: int = 0
    wanted_at: int | None = None
    reception: Mapping[str, Any] | None = None

    @property
    def stage(self) -> str:
        """The kind of work."""
        return stage_of(self.key)


@dataclass(frozen=True)
class Hint:
    """What a message says: look at this row now. It may be lost, late or repeated."""

    media_id: str
    key: str
    queue: str


def stage_of(key: str) -> str:
    """`transcode` of `transcode#0007`."""
    return key.partition("#")[0]


def shard_of(media_id: str) -> int:
    """Which slice of the wake index a media's rows lie in."""
    return crc32(media_id.encode()) % SHARDS

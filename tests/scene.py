"""A media whose validation is owed, and a worker whose work a test says: the envelope without any server."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.changes import Key, Row
from pipeline.errors import UnavailableError
from pipeline.events import Stored
from pipeline.ledger import Ledger
from pipeline.ports import ObjectStore
from pipeline.protocol import Lease
from pipeline.tasks import TaskStatus
from tests.world import NO_PIECES, PIPELINE, ClockedRecords, World
from workers.holding import Shift
from workers.rendering import Envelope, Turn
from workers.tools import Tools

BOUND = PIPELINE.stages["validate"].retries.attempts
FAST = Lease(length=600, renewal=200, put_timeout=0)


@dataclass(frozen=True)
class FlakyRecords(ClockedRecords):
    """Records that are away for the next writes; `left` says how many."""

    left: list[int] = field(default_factory=lambda: [0])
    blind: list[int] = field(default_factory=lambda: [0])
    """How many of the next looks at a record fail."""

    def get(self, key: Key) -> Row | None:
        if key.table == "media" and self.blind[0] > 0:
            self.blind[0] -= 1
            raise UnavailableError("records: away")
        return super().get(key)

    def write(self, changes: object) -> None:
        if self.left[0] > 0:
            self.left[0] -= 1
            raise UnavailableError("records: away")
        super().write(changes)  # type: ignore[arg-type]


@dataclass
class Scene:
    """A media whose validation is owed, and a worker whose work the test says."""

    work: Callable[[Turn], None]
    world: World = field(default_factory=lambda: World(FlakyRecords(":memory:")))
    shift: Shift = field(default_factory=lambda: Shift(grace=0.0))
    lease: Lease | None = None

    def __post_init__(self) -> None:
        media, upload = self.world.uploading()
        self.ledger.commit(upload, Stored(1, '"e"'))
        self.world.inbox.take()
        self.media_id = media.id

    @property
    def ledger(self) -> Ledger:
        return replace(self.world.ledger, lease=self.lease or Lease())

    @property
    def flaky(self) -> FlakyRecords:
        assert isinstance(self.world.records, FlakyRecords)
        return self.world.records

    def take(self) -> int | None:
        objects: ObjectStore = None  # type: ignore[assignment]  # nothing here touches S3
        tools = Tools(self.ledger, objects, NO_PIECES, self.world.inbox, PIPELINE, Path(), "ffmpeg", self.shift)
        return Envelope(tools, {"validate": self.work}).take(self.media_id, "validate")

    def row(self) -> tuple[TaskStatus, int]:
        task = self.world.task(self.media_id, "validate")
        return task.status, task.attempts


def failing(error: Exception) -> Callable[[Turn], None]:
    def work(_: Turn) -> None:
        raise error

    return work

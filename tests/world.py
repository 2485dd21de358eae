"""A small world for unit tests: the real ledger over in-memory SQLite, a clock to turn and a queue to look into."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from pipeline.adapters.sqlite import MEMORY, SqliteRecords
from pipeline.config import load
from pipeline.keys import new_media_id, original
from pipeline.ledger import Ledger
from pipeline.lifecycle import Site
from pipeline.media import Media
from pipeline.ports import Pieces
from pipeline.progress import Report
from pipeline.protocol import Lease
from pipeline.rows import task_of
from pipeline.tasks import SHARDS, Hint, Task

PIPELINE = load(Path(__file__).parents[1] / "pipeline.toml")
NO_PIECES = cast("Pieces", None)
"""For stages that ask for none."""


@dataclass(frozen=True)
class ClockedRecords(SqliteRecords):
    """SQLite records whose clock stands still until it is turned; ms since the epoch."""

    hands: list[int] = field(default_factory=lambda: [1_700_000_000_000])

    def now(self) -> int:
        """What the clock shows."""
        return self.hands[0]

    def turn(self, ms: int) -> None:
        """Let time pass."""
        self.hands[0] += ms


@dataclass(frozen=True)
class Inbox:
    """A queue that keeps what it was sent; `wiped` says that the sentinel key is gone."""

    hints: list[Hint] = field(default_factory=list)
    announced: list[Mapping[str, str]] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)

    def send(self, hints: Iterable[Hint]) -> int:
        if "deaf" in self.flags:
            return len(list(hints))
        self.hints.extend(hints)
        return 0

    def take(self) -> list[Hint]:
        """What came in since the last look."""
        taken = list(self.hints)
        self.hints.clear()
        return taken

    def intact(self) -> bool:
        return "sentinel" in self.flags

    def mark(self) -> None:
        self.flags.add("sentinel")

    def report(self, project_id: str, media_id: str, key: str, report: Report) -> None:
        pass

    def changed(self, project_id: str, media_id: str) -> None:
        pass

    def progress(self, media_id: str) -> dict[str, Report]:  # noqa: ARG002 - the port's signature
        return {}

    def announce(self, event: Mapping[str, str]) -> None:
        self.announced.append(event)

    def ping(self) -> None:
        pass


@dataclass(frozen=True)
class World:
    """One ledger, and short names for what tests do with it."""

    records: ClockedRecords = field(default_factory=lambda: ClockedRecords(MEMORY))
    inbox: Inbox = field(default_factory=Inbox)

    @property
    def ledger(self) -> Ledger:
        """The product's own."""
        return Ledger(
            self.records,
            self.inbox,
            Site(lambda key: f"https://cdn.test/{key}"),
            lambda _media, key: PIPELINE.queue_of(key, None),
            PIPELINE.attempts_of,
            Lease(),
        )

    def media(self, media_id: str) -> Media:
        """The record, which must be there."""
        media = self.ledger.read(media_id)
        assert media is not None
        return media

    def task(self, media_id: str, key: str) -> Task:
        """The row, which must be there."""
        task = self.ledger.task(media_id, key)
        assert task is not None
        return task

    def owed(self) -> list[Task]:
        """All of the wake index."""
        return [task_of(row) for shard in range(SHARDS) for row in self.records.overdue(shard, 2**53, 1000)]

    def uploading(self, **facts: object) -> tuple[Media, Task]:
        """A media whose upload has begun."""
        media = replace(new_media(), **facts)  # type: ignore[arg-type]
        return media, self.ledger.intend(media)


def new_media() -> Media:
    """A record before its first write."""
    media_id = new_media_id()
    return Media(
        id=media_id,
        project_id="p1",
        original_name="Ferien.JPG",
        file_name="Ferien.jpg",
        file_type="image",
        mime_type="image/jpeg",
        s3_key=original("p1", media_id, "Ferien.jpg"),
        s3_url=f"https://cdn.test/projects/p1/media/{media_id}/Ferien.jpg",
        upload_date="2026-11-23T10:00:00.000Z",
        position=0,
    )

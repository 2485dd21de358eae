"""A media's way through the ledger over any store, its clock turned and its replies lost at will."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.changes import Change
from pipeline.errors import UnavailableError
from pipeline.events import Died, Stored, Validated
from pipeline.media import Media
from pipeline.ports import Records
from pipeline.tasks import Task, TaskStatus, shard_of
from tests.world import World

PLAN = {"parts": ["poster", "transcode#0000", "transcode#0001", "package"], "recipe": "0123abcd"}
STORED = Stored(5, '"e"')
VALIDATED = Validated({"kind": "video"}, PLAN)
LEASE = 30_000
ENCODES = 3
"""Attempts that pipeline.toml gives a transcode."""


@dataclass
class Clocked:
    """A store whose clock can be turned, and whose next replies can be lost; the rest is the store's own."""

    store: Records
    turned: int = 0
    lost: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the store's methods
        return getattr(self.store, name)

    def now(self) -> int:
        return self.store.now() + self.turned

    def turn(self, ms: int) -> None:
        self.turned += ms

    def write(self, changes: Sequence[Change]) -> None:
        self.store.write(changes)
        if self.lost:
            raise UnavailableError(self.lost.pop())


@dataclass(frozen=True)
class Story(World):
    """A media's way through the ledger, and what its rows and the wake index say at each step."""

    def uploaded(self) -> Media:
        return self.ledger.commit(self.uploading()[1], STORED)

    def planned(self) -> Media:
        media = self.uploaded()
        return self.ledger.commit(self.held(media, "validate"), VALIDATED)

    def held(self, media: Media, key: str) -> Task:
        claimed = self.ledger.claim(media.id, key)
        assert claimed is not None
        return claimed.task

    def spent(self, media: Media, key: str) -> Task:
        """A task whose every attempt ended with its holder."""
        tasks = []
        for _ in range(ENCODES):
            tasks.append(self.held(media, key))
            self.records.turn(LEASE + 1000)
        return tasks[-1]

    def failed(self) -> Media:
        """A media that one dead part failed: a sibling runs, one is pending."""
        media = self.planned()
        dead = self.held(media, "transcode#0000")
        return self.ledger.die(dead, Died("transcode#0000", "broken", "Broken."), "broken", "Broken.")

    def status(self, media: Media, key: str) -> TaskStatus:
        return self.task(media.id, key).status

    def awake(self, media: Media) -> set[str]:
        """The keys of the media's rows on the wake index, which must be what its rows say."""
        listed = self.records.overdue(shard_of(media.id), 2**53, 10_000)
        mine = {row["task"]: row["wakeAt"] for row in listed if row["mediaId"] == media.id}
        rows = self.records.tasks(media.id)
        assert mine == {row["task"]: row["wakeAt"] for row in rows if "wakeAt" in row}
        assert all(("wakeAt" in row) == (row["status"] in {"PENDING", "RUNNING"}) for row in rows)
        letters = {row["task"] for row in self.records.dead(shard_of(media.id)) if row["mediaId"] == media.id}
        assert letters == {row["task"] for row in rows if row["status"] == "DEAD"}
        return set(mine)

"""What is left of a media whose process died, and what is wrong with it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.media import Media, Status
from pipeline.rows import media_row
from pipeline.tasks import Task, TaskStatus
from tests.chaos.lives import NEVER, Life

VARIES = (
    "version",
    "updatedAt",
    "grantUntil",
    "settledAt",
    "uploadDate",
    "position",
    "etag",
    "checksum",
    "originalName",
    "readyBytes",
)
"""Of a record, from one life to the next: its times, and what only an ingest process knows that has seen the bytes."""


@dataclass(frozen=True)
class Listed:
    """An object as S3 lists it."""

    size: int
    etag: str
    modified: str


@dataclass(frozen=True)
class Remains:
    """All that is there of one project that had one upload; `told` names the settlements: the events, the webhooks."""

    project: str
    media: tuple[Media, ...]
    tasks: tuple[Task, ...]
    objects: Mapping[str, Listed]
    totals: Mapping[str, Any] | None
    told: tuple[frozenset[str], ...]

    @property
    def ending(self) -> str:
        """The status, or of a failed media the reason."""
        if not self.media:
            return NEVER
        media = self.media[0]
        return str(media.reason if media.status is Status.FAILED else media.status)

    def likened(self, text: str) -> str:
        """The text with what names this life and no other taken out."""
        for number, media in enumerate(self.media):
            text = text.replace(media.id, f"MEDIA{number}")
        return text.replace(self.project, "PROJECT")

    def record(self) -> dict[str, Any]:
        """The record as it is in every life that ends so, the stored bytes' names aside."""
        row = media_row(self.media[0])
        outputs = row.get("renditions", {}).values()
        plain = {name: value for name, value in row.items() if name not in VARIES}
        for output in outputs:
            del output["etag"], output["bytes"]
        return dict(json.loads(self.likened(json.dumps(plain, sort_keys=True))))

    def keys(self) -> set[str]:
        """What is stored, as it is named in every life."""
        return {self.likened(key) for key in self.objects}


def complaints(remains: Remains, life: Life, acknowledged: str | None, models: Mapping[str, Remains]) -> Iterator[str]:
    """Every broken promise; `models` shows for an ending how a life looks that nobody cut short."""
    allowed = (life.acknowledged,) if acknowledged else (life.acknowledged, *life.otherwise)
    if remains.ending not in allowed:
        yield f"ended {remains.ending}, not {' or '.join(allowed)}"
    if len(remains.media) > 1:
        yield f"{len(remains.media)} media of one upload"
    if acknowledged and acknowledged not in {media.id for media in remains.media}:
        yield f"{acknowledged} was acknowledged and is not there"
    yield from _bytes(remains, models)
    for media in remains.media:
        yield from _record(remains, media, models)
        yield from _settlement(remains, media)


def _bytes(remains: Remains, models: Mapping[str, Remains]) -> Iterator[str]:
    """The objects are those of the ending: all, the original alone, or none."""
    model, media = models.get(remains.ending), remains.media
    kept = {media[0].s3_key} if media and media[0].status is Status.FAILED and media[0].etag else set()
    wanted = model.keys() if model else set(map(remains.likened, kept))
    if remains.keys() != wanted:
        yield f"objects: {sorted(remains.keys() - wanted)} too many, {sorted(wanted - remains.keys())} missing"


def _record(remains: Remains, media: Media, models: Mapping[str, Remains]) -> Iterator[str]:
    model = models.get(remains.ending)
    if model and remains.record() != model.record():
        there, wanted = remains.record(), model.record()
        differing = [name for name in there | wanted if there.get(name) != wanted.get(name)]
        yield "record: " + "; ".join(f"{name} {there.get(name)!r}, not {wanted.get(name)!r}" for name in differing)
    if media.status is Status.READY:
        facts = {media.s3_key: (media.size, media.etag)}
        facts |= {output.key: (output.bytes, output.etag) for output in media.renditions.values()}
        for key, fact in facts.items():
            stored = remains.objects.get(key)
            if stored is None or (stored.size, stored.etag) != fact:
                yield f"{key} is recorded as {fact} and stored as {stored}"
        total = {"media": 1, "bytes": media.ready_bytes}
        if remains.totals is None or {name: remains.totals.get(name) for name in total} != total:
            yield f"totals {remains.totals}, not {total}"


def _settlement(remains: Remains, media: Media) -> Iterator[str]:
    """Nothing is owed, and every settlement was announced by one outbox row, once done."""
    live = [task.key for task in remains.tasks if task.status in {TaskStatus.PENDING, TaskStatus.RUNNING}]
    if live or any(task.wake_at is not None for task in remains.tasks):
        yield f"still owed: {live}"
    outbox = {task.key: task.status for task in remains.tasks if task.stage == "record"}
    rounds = {f"record#{media.status}#{media.round}", *(f"record#failed#{each}" for each in range(media.round))}
    if outbox != dict.fromkeys(rounds, TaskStatus.DONE):
        yield f"outbox {outbox}, not {sorted(rounds)} done"
    messages = {row.replace("record#", f"{media.id}#").replace("#", "_") for row in rounds}
    for told in remains.told:
        if told != messages:
            yield f"told {sorted(told)}, not {sorted(messages)}"

"""Holds the stack to its promise once it has come to rest: per upload in the ledger, then for the store as a whole."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pipeline import keys, projectrows, protocol
from pipeline.adapters.wiring import Services
from pipeline.lifecycle import admits
from pipeline.media import Media, Status
from pipeline.plan import Plan
from pipeline.rows import media_of, task_of
from pipeline.tasks import Task, TaskStatus
from tests.chaos import outputs
from tests.chaos.load import PROJECTS, Entry, Ledger
from tests.chaos.samples import Sample
from tests.chaos.witness import Witness

LOST, DUPLICATED, ORPHANED, CHANGED, WRONG = "lost", "duplicated", "orphaned", "changed", "wrong"


class Violation(NamedTuple):
    """A broken promise: its kind, whose, and how."""

    kind: str
    what: str
    how: str


@dataclass(frozen=True)
class Found:
    """One media as it was found."""

    media: Media
    tasks: tuple[Task, ...]

    @property
    def settlements(self) -> list[str]:
        """The outbox rows: one for each time it settled."""
        return [task.key for task in self.tasks if task.stage == "record"]


@dataclass(frozen=True)
class Checker:
    """`services` reach the stores past every wire."""

    services: Services
    ledger: Ledger
    samples: Mapping[str, Sample]
    witness: Witness

    def violations(self) -> list[Violation]:
        """Everything that is not as promised."""
        found = self._found()
        return [
            *(each for entry in self.ledger.entries for each in self._entry(entry, found.get(entry.media_id))),
            *(each for media_id in found.keys() - self._acknowledged for each in self._unacknowledged(found[media_id])),
            *self._names(found.values()),
            *self._totals(found.values()),
            *self._announced(found),
            *self._objects(found),
            *(Violation(ORPHANED, key, "multipart upload is open") for key in self._open_uploads()),
            *(Violation(CHANGED, key, "names other content now") for key in self.witness.changed),
        ]

    def found(self) -> dict[str, Found]:
        """All media of the projects and of the ledger, by id."""
        return self._found()

    @property
    def _acknowledged(self) -> set[str]:
        return {entry.media_id for entry in self.ledger.entries}

    def _found(self) -> dict[str, Found]:
        records = self.services.ledger.records
        ids = self._acknowledged
        for project in PROJECTS:
            after = -1
            while rows := records.project(project, after, 100):
                ids |= {str(row["id"]) for row in rows}
                after = int(rows[-1]["position"])
        rows_of = {media_id: records.get(protocol.media_key(media_id)) for media_id in ids}
        return {
            media_id: Found(media_of(row), tuple(task_of(each) for each in records.tasks(media_id)))
            for media_id, row in rows_of.items()
            if row is not None
        }

    def _entry(self, entry: Entry, found: Found | None) -> Iterator[Violation]:
        who = f"{entry.media_id} ({entry.name})"
        if found is None:
            yield Violation(LOST, who, "there is no record")
            return
        media = found.media
        wanted = {self.samples[entry.sample].settles}
        if entry.media_id in self.ledger.deleted:
            wanted = {Status.DELETED.value}
        elif entry.media_id in self.ledger.asked:
            wanted |= {Status.DELETED.value}
        if media.status.value not in wanted:
            yield Violation(LOST, who, f"is {media.status} ({media.reason}), not {' or '.join(sorted(wanted))}")
        yield from self._settled_once(who, found)
        if media.status is Status.READY:
            sample = self.samples[entry.sample]
            yield from (Violation(LOST, who, how) for how in outputs.wrong(self.services.objects, media, sample))
            if (digest := outputs.digest(self.services.objects, media.s3_key)) != entry.sha256:
                yield Violation(LOST, who, f"its original has other bytes: {digest}")

    def _unacknowledged(self, found: Found) -> Iterator[Violation]:
        """Nobody was told of it: it settled all the same, ready or as an upload that failed."""
        who, media = f"{found.media.id} (not acknowledged)", found.media
        kept = media.status in {Status.READY, Status.REJECTED, Status.DELETED}
        if not kept and not (media.status is Status.FAILED and (media.reason or "").startswith("upload_")):
            yield Violation(WRONG, who, f"is {media.status} ({media.reason})")
        yield from self._settled_once(who, found)

    def _settled_once(self, who: str, found: Found) -> Iterator[Violation]:
        """One settlement a status; a deletion may follow another end, and is the last."""
        status = found.media.status.value
        ends = found.settlements
        if f"record#{status}#0" not in ends:
            yield Violation(LOST, who, f"its end was not put down: {ends}")
        others = [end for end in ends if end != f"record#{status}#0"]
        if len(others) > (found.media.status is Status.DELETED):
            yield Violation(DUPLICATED, who, f"settled more than once: {ends}")
        for task in found.tasks:
            owed = task.wake_at is not None or task.status in {TaskStatus.PENDING, TaskStatus.RUNNING}
            if owed or task.status is TaskStatus.DEAD:
                yield Violation(WRONG, who, f"{task.key} is {task.status} after all: {task.last_error}")

    def _names(self, found: Iterable[Found]) -> Iterator[Violation]:
        """Every upload carries a name of its own."""
        names = Counter(each.media.original_name for each in found if each.media.status is not Status.DELETED)
        return (Violation(DUPLICATED, name, f"{count} records") for name, count in names.items() if count > 1)

    def _totals(self, found: Iterable[Found]) -> Iterator[Violation]:
        """What the outbox counted, exactly once: the ready media of each project, and their bytes."""
        media = [each.media for each in found if each.media.status is Status.READY]
        for project in PROJECTS:
            row = self.services.ledger.records.get(projectrows.totals_key(project)) or {}
            mine = [each for each in media if each.project_id == project]
            is_so = (len(mine), sum(each.ready_bytes or 0 for each in mine))
            told = (row.get("media", 0), row.get("bytes", 0))
            if told != is_so:
                yield Violation(DUPLICATED, project, f"counted {told} media and bytes, there are {is_so}")

    def _announced(self, found: Mapping[str, Found]) -> Iterator[Violation]:
        """Every event that was heard is an end that was put down."""
        for media_id, task in self.witness.announced:
            if media_id not in found or task not in found[media_id].settlements:
                yield Violation(DUPLICATED, media_id, f"{task} was announced and never put down")

    def _objects(self, found: Mapping[str, Found]) -> Iterator[Violation]:
        """Every object is one that a record wants: its original, or what its plan promises."""
        for key, _, _ in self.witness.objects():
            media_id = next((part for part in key.split("/") if keys.MEDIA_ID.fullmatch(part)), "")
            if media_id not in found:
                yield Violation(ORPHANED, key, "there is no record of it")
            elif not _wants(found[media_id].media, key):
                yield Violation(ORPHANED, key, f"its record, {found[media_id].media.status}, does not want it")

    def _open_uploads(self) -> list[str]:
        answer = self.services.objects.client.list_multipart_uploads(Bucket=self.services.objects.bucket)
        return [upload["Key"] for upload in answer.get("Uploads", ())]


def _wants(media: Media, key: str) -> bool:
    if admits(media, "purge"):
        return False
    if key == media.s3_key:
        return True
    if media.plan is None:
        return False
    plan = Plan.from_dict(media.plan)
    below = keys.renditions(media.project_id, media.id)
    segments = f"{below}{plan.video.prefix}" if plan.video else None
    promised = {below + promise.suffix for promise in outputs.promises(plan)}
    return key in promised or (segments is not None and key.startswith(segments))

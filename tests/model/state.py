"""The model's states: hashable, small, and one for all that behave alike."""

from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, NamedTuple

from pipeline import protocol
from pipeline.changes import Row, apply, holds
from pipeline.media import Media, Output, Status
from pipeline.rows import task_of
from pipeline.tasks import Task, TaskStatus
from tests.world import new_media

NOW = 1_000_000
LEASE = protocol.Lease()
NEWER = tuple({"parts": ["transcode#0000", "transcode#0001", "package"], "recipe": recipe} for recipe in "ab")
PLAN = {"parts": ["transcode#0000", "transcode#0001", "package"], "recipe": "r"}
ATTEMPTS = 2
FRESH, STALE = 1, 0
"""A worker's view of the record: the version there is, or an older one."""
CONTROL = frozenset({"upload", "spread", "purge"})
LIVE = frozenset({TaskStatus.PENDING, TaskStatus.RUNNING})

Rows = tuple[tuple[str, "Slot"], ...]


class Budget(NamedTuple):
    """How often each kind of trouble may still happen."""

    crashes: int = 2
    zombies: int = 1
    lost_replies: int = 1
    deletes: int = 1
    redrives: int = 1
    backfills: int = 0

    def spend(self, kind: str) -> "Budget | None":
        return _spent(self, kind)


@cache
def _spent(budget: Budget, kind: str) -> Budget | None:
    left = getattr(budget, kind)
    return budget._replace(**{kind: left - 1}) if left else None


class Hand(NamedTuple):
    """A worker with a task: what it does next, and the record's version as it last read it.

    `frozen`: it slept past its lease. `quiet`: its purge pass began when nobody could write any more (`quietAt`).
    """

    key: str
    epoch: int
    phase: str
    seen: int = 0
    frozen: bool = False
    quiet: bool = False


class State(NamedTuple):
    """Everything that decides what can happen next; hashable."""

    media: "Record"
    rows: Rows
    objects: frozenset[str]
    hands: tuple[Hand | None, ...]
    budget: Budget

    def row(self, key: str) -> Task | None:
        return next((slot.task for name, slot in self.rows if name == key), None)

    def holder(self, key: str, epoch: int) -> Hand | None:
        return next((hand for hand in self.hands if hand and (hand.key, hand.epoch) == (key, epoch)), None)


@dataclass(frozen=True, eq=False)
class Record:
    """A media, one object for each value, so that states compare fast."""

    media: Media
    known: "dict[Any, Record]" = field(default_factory=dict)

    def of(self, media: Media) -> "Record":
        facts = (media.status, media.reason, media.round, media.done, frozenset(media.renditions))
        key = (*facts, media.etag, media.recipe, media.backfill and media.backfill["recipe"])
        if key not in self.known:
            self.known[key] = Record(replace(media, version=FRESH), self.known)
        return self.known[key]


@dataclass(frozen=True, eq=False)
class Slot:
    """A row, one object for each value; what follows from the row alone is worked out once."""

    task: Task

    @staticmethod
    @cache
    def of(task: Task) -> "Slot":
        return Slot(task)

    @cached_property
    def claimed(self) -> "Slot | None":
        """The row after a claim, if it is due and has an attempt left."""
        bound = None if self.task.key in CONTROL else ATTEMPTS
        claim, row = protocol.claim(self.task.media_id, self.task.key, NOW, LEASE, bound), as_row(self.task)
        return abstract(self.task.key, apply(claim, row)) if holds(claim.condition, row) else None

    @cached_property
    def spent(self) -> bool:
        """Whether it is there to be buried."""
        return self.task.key not in CONTROL and protocol.exhausted(self.task, ATTEMPTS, NOW)

    @cached_property
    def counted(self) -> int:
        """The attempts, where they still matter."""
        return self.task.attempts if self.task.status in LIVE and self.task.key not in CONTROL else 0

    @cached_property
    def lapsed(self) -> "Slot":
        """The row when its lease is over."""
        return Slot.of(replace(self.task, lease_until=0))

    @cached_property
    def lean(self) -> "Slot":
        """The row with no attempts where they do not matter any more."""
        return self if self.task.attempts == self.counted else Slot.of(replace(self.task, attempts=self.counted))

    @cached_property
    def alone(self) -> "Slot":
        """The row that nobody holds: its epoch says nothing."""
        return self.ranked(1).lean

    @cache  # noqa: B019 - slots live as long as the model
    def ranked(self, epoch: int) -> "Slot":
        """The row with another number for its epoch."""
        return Slot.of(replace(self.task, epoch=epoch))


def first() -> State:
    """An upload has begun: the intent is committed, ingest holds its row."""
    media = replace(new_media(), id="media_" + "0" * 32)
    held = protocol.insert_held(media, "upload", "q", NOW, LEASE)
    record = Record(media).of(media)
    hand = Hand("upload", 1, "receive", FRESH)
    return State(record, with_row((), "upload", apply(held, None)), frozenset(), (hand, None), Budget())


def ready() -> State:
    """All is done: what can happen now is a backfill, another one that takes its place, and a deletion."""
    parts = PLAN["parts"]
    outputs = {part: Output(key=part, mime_type="m", bytes=1, etag="e") for part in parts}
    done = frozenset({"validate", *parts})
    facts = {"status": Status.READY, "etag": "e", "plan": PLAN, "recipe": "r", "done": done, "renditions": outputs}
    media = replace(new_media(), id="media_" + "0" * 32, **facts)  # type: ignore[arg-type]
    told = protocol.insert(media, "record#ready#0", "q", NOW)
    rows = with_row((), "record#ready#0", apply(told, None))
    stored = frozenset({"original", *parts})
    return State(Record(media).of(media), rows, stored, (None, None), Budget(redrives=0, backfills=2))


def canonical(before: State, after: State) -> State:
    """One state for all that behave alike, or there would be no end of them.

    Only whether epochs and versions are equal is ever asked, workers are interchangeable, and the outbox rows have
    nothing to do with anything else: they are inserted and looked at, not worked on.
    """
    hands = after.hands
    if after.media is not before.media:
        hands = tuple(hand and hand._replace(seen=STALE) for hand in hands)
    rows, hands = _ranked(after.rows, hands)
    return State(after.media, rows, after.objects, hands, after.budget)


@cache
def _ranked(all_rows: Rows, hands: tuple[Hand | None, ...]) -> tuple[Rows, tuple[Hand | None, ...]]:
    """Rows and hands with the least epochs that are equal where theirs are; the record has no say in it."""
    holding = {hand.key for hand in hands if hand}
    rows = []
    for key, slot in all_rows:
        if key not in holding:
            rows.append((key, slot.alone))
            continue
        held = sorted({hand.epoch for hand in hands if hand and hand.key == key} | {slot.task.epoch})
        if held[-1] != len(held):
            rank = {epoch: index + 1 for index, epoch in enumerate(held)}
            hands = tuple(hand._replace(epoch=rank[hand.epoch]) if hand and hand.key == key else hand for hand in hands)
            slot = slot.ranked(rank[slot.task.epoch])  # noqa: PLW2901
        rows.append((key, slot.lean))
    return tuple(rows), tuple(sorted(hands, key=_order))


def _order(hand: Hand | None) -> tuple[object, ...]:
    return hand or ()


def with_row(rows: Rows, key: str, row: Row | None) -> Rows:
    return with_slot(rows, key, abstract(key, row))


def with_slot(rows: Rows, key: str, slot: Slot) -> Rows:
    return tuple(sorted({**dict(rows), key: slot}.items()))


@cache
def as_row(task: Task) -> Row:
    lease = {} if task.lease_until is None else {"leaseUntil": task.lease_until}
    wake = {} if task.wake_at is None else {"wakeAt": task.wake_at, "wakeShard": 0}
    return {
        "mediaId": task.media_id,
        "task": task.key,
        "status": task.status.value,
        "epoch": task.epoch,
        "attempts": task.attempts,
        "round": task.round,
        "retryAt": 0,
        "queue": "q",
        **lease,
        **wake,
    }


def abstract(key: str, row: Row | None) -> Slot:
    """A row without its times: a wait is over as soon as anybody looks, a lease until something says that it lapsed."""
    task = task_of({**(row or {}), "task": key})
    held = NOW + LEASE.length if task.status is TaskStatus.RUNNING and task.lease_until else task.lease_until
    plain = replace(
        task, retry_at=0, nudges=0, owed_at=0, expires_at=None, last_error=None, reason=None, wake_shard=None
    )
    return Slot.of(replace(plain, lease_until=held, wake_at=None if task.wake_at is None else 1))

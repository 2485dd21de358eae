"""Every state that the model reaches keeps the promises, and from every one the media can still settle."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import cache

import pytest

from pipeline.lifecycle import backfill_key, settled
from pipeline.media import Media, Status
from pipeline.tasks import TaskStatus
from tests.model.exploring import explore
from tests.model.machine import steps, unsettled
from tests.model.state import LIVE, PLAN, Record, Rows, Slot, State, first, ready

FINAL = frozenset({Status.READY, Status.REJECTED, Status.DELETED})


def at_rest(state: State) -> bool:
    """Settled, and nothing is owed to anybody."""
    working = any(slot.task.status in LIVE for key, slot in state.rows if not key.startswith("record#"))
    return settled(state.media.media) and not working and not any(state.hands)


def broken(state: State) -> str | None:
    """The promise that this state breaks, if any: who works on it, and what may still happen, has no part in that."""
    return _broken(state.media, state.rows, state.objects)


@cache
def _broken(record: Record, all_rows: Rows, objects: frozenset[str]) -> str | None:
    media, rows = record.media, dict(all_rows)
    is_ready, parts = media.status is Status.READY, set(PLAN["parts"])
    wishing = is_ready and media.backfill
    waking = {key for key, slot in rows.items() if slot.task.wake_at is not None}
    never_whole = media.status is Status.FAILED and (media.reason or "").startswith("upload_")
    doomed = media.status in {Status.REJECTED, Status.DELETED} or never_whole
    purged = "purge" in rows and rows["purge"].task.status is TaskStatus.DONE
    newer = {f"backfill#{media.recipe}"}
    stored = objects & set(media.renditions)
    promises = {
        "law 3: something on the wake index brings an unsettled media on": not unsettled(media)
        or any(key != "purge" and not key.startswith("record#") for key in waking),
        "what is ready has every output": not is_ready or parts <= (objects & media.done),
        "what is ready has the facts of every output": not is_ready or parts <= set(media.renditions),
        "a newer plan counts with its outputs": not is_ready or media.recipe == PLAN["recipe"] or newer <= stored,
        "what a ready media wants besides is owed, or dead": not wishing or _owed_or_dead(media, rows),
        "what settled owes its outbox row": not settled(media) or f"record#{media.status}#{media.round}" in rows,
        "bytes that must go have a purge": not doomed or "purge" in rows,
        "what is purged stays empty": not purged or not objects,
    }
    return next((promise for promise, kept in promises.items() if not kept), None)


def _owed_or_dead(media: Media, rows: Mapping[str, Slot]) -> bool:
    slot = rows.get(backfill_key(media.backfill))
    return slot is not None and (slot.task.status is TaskStatus.DEAD or slot.task.wake_at is not None)


def backwards(before: State, after: State) -> bool:
    """Whether a settled media was settled a second time, or brought back to life by anything but a redrive."""
    old, new = before.media.media, after.media.media
    if old.status in FINAL and new.status is not old.status:
        return new.status is not Status.DELETED
    return old.status is Status.FAILED and new.status in {Status.READY, Status.REJECTED}


@pytest.mark.timeout(1200)  # under a minute, unless others want the machine too
@pytest.mark.parametrize(
    ("start", "ends"),
    [(first(), FINAL | {Status.FAILED}), (ready(), {Status.READY, Status.DELETED})],
    ids=["new", "ready"],
)
def test_no_interleaving_breaks_a_promise_and_every_state_can_settle(
    start: State, ends: AbstractSet[Status], record_property: Callable[[str, object], None]
) -> None:
    found = explore(
        start, steps, broken, at_rest, told=lambda state: str(state.media.media.status), backwards=backwards
    )
    record_property("states", found.states)
    record_property("steps", found.steps)
    assert {state.media.media.status for state in found.ends} == ends

"""What a backfill has replaced goes, and nothing that a later one comes to name: every interleaving of both.

To the model of the protocol comes the orphan scan, with the product's own writes: it marks, condemns, deletes one
object after the other, and dies in between. A record that names the second of two newer plans may be wished back to the
first, whose output is still there. Time is abstract: the wait is over at any moment, and so is what a wish waits for
once nothing is being deleted.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from pipeline.changes import Change, Row, apply, holds
from pipeline.events import Backfilled, Replanned
from pipeline.lifecycle import advance, backfill_key
from pipeline.media import Media, Output, Status
from pipeline.superseded import condemn, mark, untouched
from tests.model import machine
from tests.model.exploring import explore
from tests.model.state import FRESH, NEWER, NOW, PLAN, STALE, Budget, Record, State, ready
from tests.model.test_model import at_rest, backwards, broken

LINGER, WAIT = 100, 1


class Mark(NamedTuple):
    """The scan's row: whether it is of the record's version, and since when its objects are condemned."""

    version: int
    condemned_at: int | None = None

    @property
    def row(self) -> Row:
        said = {} if self.condemned_at is None else {"condemnedAt": self.condemned_at}
        return {"mediaId": "m", "task": "mark", "version": self.version, "markedAt": NOW - WAIT, **said}


class Scanned(NamedTuple):
    """The world, the mark, and what the scan has yet to delete."""

    world: State
    mark: Mark | None = None
    going: frozenset[str] = frozenset()

    def after(self, change: Change) -> "Scanned | None":
        """With the mark as a write leaves it; None when it is refused."""
        row = self.mark and self.mark.row
        if not holds(change.condition, row):
            return None
        found = apply(change, row) or {}
        return self._replace(mark=Mark(found["version"], found.get("condemnedAt")))


def first() -> Scanned:
    """Made anew twice: the record names what came of the second plan, and what came of the first is there."""
    start, media = ready(), ready().media.media
    for plan in NEWER:
        key = backfill_key(plan)
        made = Backfilled(key, {key: Output(key=key, mime_type="m", bytes=1, etag="e")})
        for event in (Replanned(plan), made):
            step = advance(media, event, NOW, machine.SITE)
            assert step is not None
            media = step.media
    objects = start.objects | {backfill_key(plan) for plan in NEWER}
    budget = Budget(crashes=1, zombies=1, lost_replies=1, deletes=0, redrives=0, backfills=2)
    return Scanned(start._replace(media=Record(media).of(media), objects=objects, budget=budget))


def superseded(world: State) -> frozenset[str]:
    """As `pipeline.superseded.old` has it, in the model's names."""
    media = world.media.media
    if media.status is not Status.READY or media.backfill is not None:
        return frozenset()
    return world.objects - {"original", f"backfill#{media.recipe}", *PLAN["parts"]}


def guarded(media: Media, seen: Scanned) -> bool:
    """Whether a wish can be written."""
    return holds(untouched(media.id, NOW, LINGER).condition, seen.mark and seen.mark.row)


def steps(seen: Scanned, guard: Callable[[Media, Scanned], bool] = guarded) -> Iterator[tuple[str, Scanned]]:
    media = seen.world.media.media
    for name, world in machine.steps(seen.world):
        if world.budget.backfills < seen.world.budget.backfills and not guard(media, seen):
            continue
        known = seen.mark
        if known and world.media is not seen.world.media:
            known = known._replace(version=STALE)
        yield name, seen._replace(world=world, mark=known)
    yield from _scan(seen, media)


def _scan(seen: Scanned, media: Media) -> Iterator[tuple[str, Scanned]]:
    if past := superseded(seen.world):
        if marked := seen.after(mark(media, NOW, WAIT)):
            yield "mark", marked
        if seen.mark and (condemned := seen.after(condemn(media, NOW))):
            yield "condemn", condemned._replace(going=seen.going | past)
    for key in seen.going:
        world = seen.world._replace(objects=seen.world.objects - {key})
        yield f"delete {key}", seen._replace(world=world, going=seen.going - {key})
    if seen.going:
        yield "the scan dies", seen._replace(going=frozenset())
    elif seen.mark and seen.mark.condemned_at == NOW:
        yield "lingered", seen._replace(mark=seen.mark._replace(condemned_at=NOW - LINGER - 1))


def test_what_a_record_names_or_comes_to_name_is_never_deleted(
    record_property: Callable[[str, object], None],
) -> None:
    found = explore(
        first(),
        steps,
        lambda seen: broken(seen.world),
        lambda seen: at_rest(seen.world) and not seen.going,
        told=lambda seen: f"{seen.world.media.media.recipe} {seen.mark}",
        backwards=lambda before, after: backwards(before.world, after.world),
    )
    record_property("states", found.states)
    named = {(seen.world.media.media.recipe, seen.world.objects & {"backfill#a", "backfill#b"}) for seen in found.ends}
    assert {("a", frozenset({"backfill#a"})), ("b", frozenset({"backfill#b"}))} <= named
    assert {seen.mark.version for seen in found.ends if seen.mark} == {FRESH, STALE}


def test_without_the_guard_a_wish_loses_what_it_finds() -> None:
    with pytest.raises(AssertionError, match="a newer plan counts with its outputs"):
        explore(
            first(),
            lambda seen: steps(seen, lambda _media, _seen: True),
            lambda seen: broken(seen.world),
            lambda seen: at_rest(seen.world) and not seen.going,
        )

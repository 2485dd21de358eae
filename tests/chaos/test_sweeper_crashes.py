"""A sweeper dies once at every point of a sweep: whatever it was about to hint, the next one hints."""

from typing import cast

import pytest

from pipeline.events import Stored
from pipeline.ports import Queue, Records
from tests.chaos.crashpoints import Point, Watch, Watched
from tests.telling import Tell
from tests.world import World
from workers.sweeper import Sweeper

OWED = 5
LATEST = 40
"""Seconds: a row that was bumped by the dead sweeper and never hinted is due again after half a minute."""


class KilledError(BaseException):
    """Nothing in the product catches this."""


def owing(*, intact: bool) -> tuple[World, set[str]]:
    """A world in which some validations are overdue and their hints were lost, with or without Redis noticing."""
    world = World()
    for _ in range(OWED):
        _, upload = world.uploading()
        world.ledger.commit(upload, Stored(1, '"e"'))
    world.inbox.take()
    world.records.turn(6000)
    if intact:
        world.inbox.mark()
    return world, {task.media_id for task in world.owed()}


def sweep(world: World, target: Point | None) -> list[Point]:
    """Sweep up to the point, or to the end; returns the points on the way."""
    met: list[Point] = []

    def reached(point: Point) -> None:
        met.append(point)
        if point == target:
            raise KilledError

    watch = Watch(reached, lambda _: False, turn="sweep")
    records, queue = Watched(Records, world.records, watch), Watched(Queue, world.inbox, watch)
    try:
        Sweeper(cast("Records", records), cast("Queue", queue)).sweep()
    except KilledError:
        assert target is not None
    return met


@pytest.mark.parametrize("intact", [True, False])
def test_a_dead_sweeper_forgets_nobody(*, intact: bool, tell: Tell) -> None:
    points = sweep(owing(intact=intact)[0], None)
    assert {"Queue.ping", "Queue.intact", "Records.overdue", "Records.update", "Queue.send"} <= {
        point.call for point in points
    }
    assert ("Queue.mark" in {point.call for point in points}) is not intact
    for point in points:
        world, owed = owing(intact=intact)
        sweep(world, point)
        hinted = {hint.media_id for hint in world.inbox.take()}
        for _ in range(LATEST if intact else 1):
            Sweeper(world.records, world.inbox).sweep()
            world.records.turn(1000)
        again = {hint.media_id for hint in world.inbox.take()}
        assert hinted | again == owed, point
    wipe = "" if intact else " after a wipe"
    tell(f"sweeper{wipe}: killed at {len(points)} points")

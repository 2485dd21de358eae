"""The sweeper: hints what is overdue, everything when Redis forgot, and nobody twice."""

import pytest

from pipeline.errors import UnavailableError
from pipeline.events import Stored
from tests.world import World
from workers.sweeper import Sweeper


def uploaded(world: World) -> str:
    media, upload = world.uploading()
    world.ledger.commit(upload, Stored(1, '"e"'))
    return media.id


def test_what_is_overdue_is_hinted_and_what_is_not_is_left() -> None:
    world = World()
    world.inbox.mark()
    media_id = uploaded(world)
    sweeper = Sweeper(world.records, world.inbox)
    world.inbox.take()
    assert sweeper.sweep() == 0
    world.records.turn(5_001)
    assert sweeper.sweep() == 1
    assert [(hint.media_id, hint.key, hint.queue) for hint in world.inbox.take()] == [(media_id, "validate", "images")]


def test_each_nudge_waits_twice_as_long_up_to_ten_minutes() -> None:
    world = World()
    world.inbox.mark()
    media_id = uploaded(world)
    sweeper = Sweeper(world.records, world.inbox)
    waits = []
    for _ in range(8):
        world.records.turn(world.task(media_id, "validate").wake_at - world.records.now())  # type: ignore[operator]
        assert sweeper.sweep() == 1
        waits.append(world.task(media_id, "validate").wake_at - world.records.now())  # type: ignore[operator]
    assert waits == [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000, 600_000]


def test_after_a_wipe_everything_owed_is_hinted_and_the_sentinel_is_back() -> None:
    world = World()
    ids = {uploaded(world) for _ in range(1200)}  # more than a batch in every shard
    later = uploaded(world)
    claimed = world.ledger.claim(later, "validate")
    assert claimed is not None
    world.ledger.put_off(claimed.task, 3_600_000, "away")
    assert all(len(world.records.overdue(shard, 2**53, 10_000)) > 100 for shard in range(8))
    world.inbox.take()
    sweeper = Sweeper(world.records, world.inbox)
    assert sweeper.sweep() == 1201
    assert {hint.media_id for hint in world.inbox.take()} == ids | {later}
    assert world.inbox.intact()
    assert sweeper.sweep() == 0


def test_two_sweepers_hint_each_row_once() -> None:
    world = World()
    world.inbox.mark()
    media_id = uploaded(world)
    world.inbox.take()
    world.records.turn(6_000)
    first, second = Sweeper(world.records, world.inbox), Sweeper(world.records, world.inbox)
    assert first.sweep() + second.sweep() == 1
    assert [hint.media_id for hint in world.inbox.take()] == [media_id]


def test_hints_that_could_not_be_sent_are_sent_by_the_next_look() -> None:
    world = World()
    world.inbox.mark()
    media_id = uploaded(world)
    world.inbox.take()
    world.records.turn(5_001)
    sweeper = Sweeper(world.records, world.inbox)
    world.inbox.flags.add("deaf")
    with pytest.raises(UnavailableError):
        sweeper.sweep()
    world.inbox.flags.remove("deaf")
    assert sweeper.sweep() == 1
    assert [hint.media_id for hint in world.inbox.take()] == [media_id]


def test_a_wipe_counts_as_seen_to_only_when_every_hint_was_sent() -> None:
    world = World()
    uploaded(world)
    world.inbox.flags.add("deaf")
    with pytest.raises(UnavailableError):
        Sweeper(world.records, world.inbox).sweep()
    assert not world.inbox.intact()


def test_wipes_make_no_row_wait_longer() -> None:
    world = World()
    media_id = uploaded(world)
    for _ in range(8):
        world.inbox.flags.clear()
        assert Sweeper(world.records, world.inbox).sweep() == 1
    assert world.task(media_id, "validate").wake_at == world.records.now() + 30_000

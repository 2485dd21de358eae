"""One Idempotency-Key, one media: also when the first request's process died somewhere on the way."""

import pytest

from pipeline import repeats
from pipeline.changes import RefusedError
from pipeline.events import Aborted, Stored
from pipeline.repeats import Busy, Other, Replay, Turn
from tests.world import World, new_media

PLACE = repeats.place("key:1", "a key")


def turn(world: World, fingerprint: str = "upload") -> Turn:
    begun = repeats.begin(world.records, PLACE, fingerprint)
    assert isinstance(begun, Turn)
    return begun


def test_while_the_first_runs_the_second_waits() -> None:
    world = World()
    first = turn(world)
    assert repeats.begin(world.records, PLACE, "upload") == Busy()
    world.records.turn(repeats.HELD - 1)
    repeats.renew(world.records, first)
    world.records.turn(repeats.HELD - 1)
    assert repeats.begin(world.records, PLACE, "upload") == Busy()


def test_an_answer_is_remembered_for_a_day() -> None:
    world = World()
    repeats.answered(world.records, turn(world), {"status": 201})
    assert repeats.begin(world.records, PLACE, "upload") == Replay({"status": 201})
    assert repeats.begin(world.records, PLACE, "another upload") == Other()
    world.records.turn(repeats.KEPT * 1000)
    assert turn(world, "another upload") == Turn(PLACE, 2)


def test_callers_do_not_share_keys() -> None:
    world = World()
    turn(world)
    assert isinstance(repeats.begin(world.records, repeats.place("key:2", "a key"), "upload"), Turn)


def test_a_failed_request_may_be_tried_again() -> None:
    world = World()
    first = turn(world)
    media = new_media()
    task = world.ledger.intend(media, (first.begins(media.id),))
    world.ledger.commit(task, Aborted("client_gone", "gone"))
    repeats.given_up(world.records, first)
    second = turn(world)
    assert second.taken == media.id
    other = new_media()
    world.ledger.intend(other, (second.begins(other.id),))
    assert (world.records.get(PLACE) or {})["began"] == other.id


def test_whoever_comes_after_a_crash_learns_which_media_was_begun() -> None:
    world = World()
    media = new_media()
    task = world.ledger.intend(media, (turn(world).begins(media.id),))
    world.ledger.commit(task, Stored(1, '"etag"'))
    world.records.turn(repeats.HELD)
    assert turn(world).taken == media.id


def test_a_holder_that_was_taken_over_begins_nothing() -> None:
    world = World()
    frozen, media = turn(world), new_media()
    world.records.turn(repeats.HELD)
    second, other = turn(world), new_media()
    with pytest.raises(RefusedError):
        world.ledger.intend(media, (frozen.begins(media.id),))
    assert world.ledger.read(media.id) is None
    world.ledger.intend(other, (second.begins(other.id),))
    with pytest.raises(RefusedError):
        repeats.renew(world.records, frozen)
    with pytest.raises(RefusedError):
        repeats.answered(world.records, frozen, {})


def test_a_holder_begins_one_media() -> None:
    world = World()
    first, media = turn(world), new_media()
    world.ledger.intend(media, (first.begins(media.id),))
    other = new_media()
    with pytest.raises(RefusedError):
        world.ledger.intend(other, (first.begins(other.id),))

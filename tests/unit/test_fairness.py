"""One project cannot take all the workers of a queue."""

from dataclasses import replace
from pathlib import Path

from pipeline.events import Stored
from tests.world import NO_PIECES, PIPELINE, World
from workers.fairness import crowded
from workers.holding import Shift
from workers.tools import Tools

TWO = replace(PIPELINE, most_of={"images": 2})


def tools(world: World) -> Tools:
    return Tools(world.ledger, None, NO_PIECES, world.inbox, TWO, Path(), "ffmpeg", Shift())  # type: ignore[arg-type]


def uploaded(world: World, project: str) -> str:
    media, upload = world.uploading(project_id=project)
    world.ledger.commit(upload, Stored(1, '"e"'))
    return media.id


def test_a_project_with_its_share_running_waits_and_others_do_not() -> None:
    world = World()
    for _ in range(2):
        assert crowded(tools(world), mine := uploaded(world, "greedy"), "validate") is None
        assert world.ledger.claim(mine, "validate") is not None
    third = uploaded(world, "greedy")
    wait = crowded(tools(world), third, "validate")
    assert wait is not None
    assert 500 <= wait <= 1000
    assert crowded(tools(world), uploaded(world, "modest"), "validate") is None
    world.records.turn(20_000)
    assert (crowded(tools(world), third, "validate") or 0) > 1000  # the longer it waits the less often it asks


def test_room_comes_with_a_commit_a_release_and_the_death_of_a_holder() -> None:
    world = World()
    first, second, third = (uploaded(world, "greedy") for _ in range(3))
    claimed = world.ledger.claim(first, "validate")
    world.ledger.claim(second, "validate")
    assert claimed is not None
    assert crowded(tools(world), third, "validate") is not None
    world.ledger.release(claimed.task)
    assert crowded(tools(world), third, "validate") is None
    world.ledger.claim(first, "validate")
    assert crowded(tools(world), third, "validate") is not None
    world.records.turn(31_000)  # nobody renews
    assert crowded(tools(world), third, "validate") is None


def test_where_nothing_is_bounded_nothing_is_read() -> None:
    world = World()
    unbounded = replace(tools(world), ledger=None, pipeline=replace(PIPELINE, most_of={}))  # type: ignore[arg-type]
    assert crowded(unbounded, "media_x", "validate") is None

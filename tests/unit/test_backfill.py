"""Backfill: what a media lacks of what is configured now, owed once, and swapped in at once."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline import deadletters, keys, recovery
from pipeline.animations import Animation
from pipeline.backfill import Wanted, find, lacking, missing, owe, target, under_way
from pipeline.errors import LeaseLostError
from pipeline.events import Backfilled, Died, Made, Stored, Validated
from pipeline.lifecycle import backfill_key
from pipeline.media import Media, Output, Status
from pipeline.plan import Plan, plan
from pipeline.pressure import oldest_waiting
from pipeline.probes import Probe
from pipeline.renditions import Still
from pipeline.tasks import Task, TaskStatus
from tests.unit.test_plan import FILM, PHOTO
from tests.world import PIPELINE, World

ALL = Wanted()
THUMBNAIL, SMALL = Still(name="thumbnail", width=300, height=300), Still(name="small", width=640, height=640)
BEFORE = replace(PIPELINE, stills=(THUMBNAIL, SMALL), animation=None)
FINER = replace(SMALL, quality=90, recipe="")
AFTER = replace(BEFORE, stills=(THUMBNAIL, FINER))


def ready(world: World, probe: Probe = PHOTO) -> Media:
    """A media that is ready, with all that the configuration before asked for."""
    _, upload = world.uploading()
    media = world.ledger.commit(upload, Stored(5, '"e"'))
    media = world.ledger.commit(
        held(world, media, "validate"), Validated(probe.to_dict(), plan(probe, BEFORE).to_dict())
    )
    while media.status is Status.PROCESSING:
        part = next(part for part in media.parts if part not in media.done)
        names = dict(outputs(media, Plan.from_dict(media.plan or {}))) if part in {"thumbnail", "poster"} else {}
        media = world.ledger.commit(held(world, media, part), Made(part, names))
    return media


def outputs(media: Media, wish: Plan) -> list[tuple[str, Output]]:
    stills = (*wish.stills, *((wish.poster.still,) if wish.poster else ()))
    return [(still.name, output(media, still.suffix)) for still in stills]


def output(media: Media, suffix: str) -> Output:
    key = keys.rendition(media.project_id, media.id, suffix)
    return Output(key=key, mime_type="image/jpeg", bytes=1, etag='"r"', width=3, height=2)


def held(world: World, media: Media, key: str) -> Task:
    claimed = world.ledger.claim(media.id, key)
    assert claimed is not None
    return claimed.task


def brought(world: World, media: Media) -> Task:
    """The row of the media's backfill, claimed."""
    return held(world, media, backfill_key(world.media(media.id).backfill))


def names(media: Media, pipeline: object = AFTER, wanted: Wanted = ALL) -> set[str]:
    """What the media lacks, by name."""
    return {*missing(media, target(media, pipeline, wanted))}  # type: ignore[arg-type]


def parts(media: Media, pipeline: object = AFTER) -> tuple[str, ...]:
    """What has to be done about it."""
    lacked = lacking(media, target(media, pipeline, ALL))  # type: ignore[arg-type]
    return lacked.parts if lacked else ()


def test_a_media_lacks_what_was_made_by_another_recipe() -> None:
    media = ready(World())
    assert names(media, BEFORE) == set()
    assert names(media) == {"small"}
    assert names(media, replace(AFTER, stills=(THUMBNAIL, FINER, replace(FINER, name="new")))) == {"small", "new"}
    assert names(media, replace(BEFORE, stills=(THUMBNAIL,))) == set()  # what is not configured any more stays


def test_what_was_not_meant_is_left_as_it_is() -> None:
    media = ready(World())
    both = replace(AFTER, stills=(replace(THUMBNAIL, quality=60, recipe=""), FINER))
    assert names(media, both) == {"thumbnail", "small"}
    assert names(media, both, Wanted(still="small")) == {"small"}
    kept = target(media, both, Wanted(still="small"))
    assert kept.stills[0] == THUMBNAIL


def test_one_still_is_meant_with_all_its_formats() -> None:
    media = ready(World())
    formats = replace(AFTER, stills=(THUMBNAIL, FINER, replace(FINER, name="small.avif", format="avif", recipe="")))
    assert names(media, formats, Wanted(still="small")) == {"small", "small.avif"}
    assert names(media, formats, Wanted(still="small.avif")) == {"small.avif"}


def test_an_animated_image_of_before_lacks_its_film() -> None:
    moving = ready(World(), replace(PHOTO, frames=9))
    filmed = replace(BEFORE, animation=Animation())
    assert names(moving, filmed) == {"animation", "animation.webm"}
    assert parts(moving, filmed) == ("animate",)
    assert target(moving, filmed, ALL).parts == ("thumbnail", "animate")
    assert names(ready(World()), filmed) == set()


def test_a_video_gets_its_pictures_anew_and_keeps_its_ladder() -> None:
    film = ready(World(), FILM)
    assert names(film) == {"small"}
    assert parts(film) == ("poster",)  # it makes the stills of a video
    before, after = Plan.from_dict(film.plan or {}), target(film, AFTER, ALL)
    assert (after.video, after.storyboard, after.preview) == (before.video, before.storyboard, before.preview)
    assert after.parts == before.parts


def test_what_is_owed_twice_is_made_once_and_swapped_in() -> None:
    world = World()
    media = ready(world)
    assert [owe(world.ledger, AFTER, media.id, ALL) for _ in range(2)] == [True, False]
    wish = Plan.from_dict(world.media(media.id).backfill or {})
    made = output(media, FINER.suffix)
    after = world.ledger.commit(brought(world, media), Backfilled(f"backfill#{wish.recipe}", {"small": made}))
    assert (after.status, after.recipe, after.backfill) == (Status.READY, wish.recipe, None)
    assert after.renditions == {**media.renditions, "small": made}
    assert after.urls == {**media.urls, "small": f"https://cdn.test/{made.key}"}
    assert after.settled_at == media.settled_at
    assert owe(world.ledger, AFTER, media.id, ALL) is None
    assert not under_way(world.ledger, media.id)


def test_a_later_wish_takes_the_place_of_an_earlier_one() -> None:
    world = World()
    media = ready(world)
    owe(world.ledger, AFTER, media.id, ALL)
    early = brought(world, media)
    later = replace(AFTER, stills=(THUMBNAIL, replace(SMALL, quality=70, recipe="")))
    assert owe(world.ledger, later, media.id, ALL) is True
    with pytest.raises(LeaseLostError):
        world.ledger.commit(early, Backfilled(early.key, {"small": output(media, FINER.suffix)}))
    assert world.task(media.id, early.key).status is TaskStatus.PARKED
    assert world.media(media.id).renditions == media.renditions
    assert owe(world.ledger, AFTER, media.id, ALL) is True  # and back again
    assert brought(world, media).key == early.key


def test_a_death_leaves_the_media_ready_and_can_be_sent_again() -> None:
    world = World()
    media = ready(world)
    owe(world.ledger, AFTER, media.id, ALL)
    task = brought(world, media)
    after = world.ledger.die(task, Died(task.key, "processing_failed", "No."), "processing_failed", "odd")
    assert (after.status, after.reason) == (Status.READY, None)
    sent = list(deadletters.redrive(world.ledger, deadletters.Wanted(stage="backfill")))
    assert [(letter.key, owed) for letter, owed in sent] == [(task.key, True)]
    again = brought(world, media)
    world.ledger.die(again, Died(task.key, "processing_failed", "No."), "processing_failed", "odd")
    assert owe(world.ledger, AFTER, media.id, ALL) is True  # asking anew is as good


def test_a_dead_letter_of_an_earlier_wish_is_not_wanted_any_more() -> None:
    world = World()
    media = ready(world)
    owe(world.ledger, AFTER, media.id, ALL)
    task = brought(world, media)
    world.ledger.die(task, Died(task.key, "processing_failed", "No."), "processing_failed", "odd")
    owe(world.ledger, replace(AFTER, stills=(THUMBNAIL, replace(SMALL, quality=70, recipe=""))), media.id, ALL)
    sent = list(deadletters.redrive(world.ledger, deadletters.Wanted(stage="backfill")))
    assert [owed for _, owed in sent] == [False]


def test_a_file_that_kills_its_worker_is_buried_and_stays_ready() -> None:
    world = World()
    media = ready(world)
    owe(world.ledger, AFTER, media.id, ALL)
    key = backfill_key(world.media(media.id).backfill)
    while world.ledger.claim(media.id, key):
        world.records.turn(world.ledger.lease.length + 1)
    assert recovery.bury(world.ledger, media.id, key)
    assert world.task(media.id, key).status is TaskStatus.DEAD
    assert world.media(media.id).status is Status.READY


def test_a_deleted_media_wants_nothing_any_more() -> None:
    world = World()
    media = ready(world)
    owe(world.ledger, AFTER, media.id, ALL)
    task = brought(world, media)
    world.ledger.delete(media.id)
    with pytest.raises(LeaseLostError):
        world.ledger.renew(task)
    assert world.task(media.id, task.key).status is TaskStatus.PARKED
    assert world.media(media.id).backfill is None
    assert owe(world.ledger, AFTER, media.id, ALL) is None


def test_what_is_on_its_way_is_left_alone() -> None:
    world = World()
    _, upload = world.uploading()
    media = world.ledger.commit(upload, Stored(5, '"e"'))
    assert owe(world.ledger, AFTER, media.id, ALL) is None
    assert owe(world.ledger, AFTER, "media_none", ALL) is None


def test_nobody_is_shut_out_for_the_sake_of_a_backfill() -> None:
    world = World()
    media = ready(world)
    for task in world.owed():  # the outbox
        world.ledger.close(held(world, media, task.key))
    owe(world.ledger, AFTER, media.id, ALL)
    world.records.turn(10**8)
    assert oldest_waiting(world.records) == 0
    assert {task.queue for task in world.owed()} == {"backfill"}


def test_media_are_found_by_project_and_by_date() -> None:
    world = World()
    mine = ready(world)
    world.uploading(project_id="p1")
    day = datetime(2026, 11, 23, tzinfo=UTC)
    assert [media.id for media in find(world.records, ALL)] == [mine.id]
    assert [media.id for media in find(world.records, Wanted("p1", day))] == [mine.id]
    assert list(find(world.records, Wanted("p2"))) == []
    assert list(find(world.records, Wanted(since=day.replace(hour=11)))) == []

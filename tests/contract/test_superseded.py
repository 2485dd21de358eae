"""Renditions that a backfill has replaced, on real S3 and over every store: they go late, and none that is named."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from pipeline import keys
from pipeline.adapters.dynamodb import DynamoRecords
from pipeline.adapters.s3 import S3Objects
from pipeline.adapters.s3_pieces import S3Pieces
from pipeline.backfill import owe
from pipeline.changes import Change
from pipeline.errors import UnavailableError
from pipeline.events import Backfilled
from pipeline.lifecycle import backfill_key
from pipeline.media import Media
from pipeline.orphans import Kind, Orphan, Scan
from pipeline.ports import Label
from tests.backends import Backend
from tests.contract.conftest import opened
from tests.contract.story import Story
from tests.unit.test_backfill import AFTER, ALL, BEFORE, FINER, SMALL, brought, output, ready
from tests.world import World

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
WAIT = 90 * DAY
OTHERS = ("video-0123abcd/720p/0001.m4s", "video-0123abcd.mp4", "storyboard-0123abcd/index.vtt", "preview-0123abcd.mp4")
"""What lies there too, and is no picture of an earlier recipe."""


pytestmark = pytest.mark.parametrize("records", ["sqlite memory", "dynamodb local"], indirect=True)


@pytest.fixture(scope="module")
def local_records(dynamodb_local: Backend) -> DynamoRecords:
    """In tables of these tests' own: a scan reads every row, and others leave some that are no whole media."""
    return opened(dynamodb_local.env, "superseded-media", "superseded-tasks")


@pytest.fixture
def world(story: Story) -> World:
    """Over each store: its marks and their conditions are as real as the bucket."""
    return story


@pytest.fixture
def scan(world: World, objects: S3Objects) -> Scan:
    return Scan(world.ledger, objects, S3Pieces(objects), DAY, WAIT)


def stored(objects: S3Objects, media: Media, *suffixes: str) -> None:
    there = {output.key for output in media.renditions.values()}
    for key in there | {keys.rendition(media.project_id, media.id, suffix) for suffix in suffixes}:
        if objects.head(key) is None:
            objects.put(key, b"12345", Label("image/jpeg"))


def wished(world: World, media: Media) -> None:
    """Somebody changes the recipe of `small`, and wants what is ready to have it."""
    assert owe(world.ledger, AFTER, media.id, ALL)


def swapped(world: World, objects: S3Objects, media: Media) -> Media:
    """A worker has made it."""
    task = brought(world, media)
    after = world.ledger.commit(task, Backfilled(task.key, {"small": output(media, FINER.suffix)}))
    stored(objects, after)
    return after


def there(objects: S3Objects, media: Media) -> set[str]:
    home = keys.renditions(media.project_id, media.id)
    return {each.key.removeprefix(home) for each in objects.list(home)}


def found(scan: Scan, media: Media) -> list[Orphan]:
    return [orphan for orphan in scan.find() if orphan is not None and orphan.media_id == media.id]


def mended(scan: Scan, media: Media) -> list[str]:
    return [scan.mend(orphan) for orphan in found(scan, media)]


@pytest.fixture
def replaced(world: World, objects: S3Objects) -> Media:
    """A media whose `small` was made anew, all of its objects in S3."""
    media = ready(world)
    stored(objects, media, *OTHERS)
    wished(world, media)
    return swapped(world, objects, media)


def test_what_was_replaced_goes_after_its_time_and_nothing_else(
    world: World, scan: Scan, objects: S3Objects, replaced: Media
) -> None:
    before = there(objects, replaced)
    (orphan,) = found(scan, replaced)
    assert (orphan.kind, orphan.count, orphan.size) == (Kind.SUPERSEDED, 1, 5)
    assert mended(scan, replaced) == ["marked"]
    world.records.turn(WAIT - 10 * MINUTE)
    assert mended(scan, replaced) == ["marked before"]
    assert there(objects, replaced) == before
    world.records.turn(10 * MINUTE)
    assert mended(scan, replaced) == ["deleted"]
    assert there(objects, replaced) == before - {SMALL.suffix}
    assert found(scan, replaced) == []
    assert world.media(replaced.id) == replaced


def test_it_is_kept_where_that_is_wanted(world: World, scan: Scan, objects: S3Objects, replaced: Media) -> None:
    keeping = replace(scan, superseded=None)
    before = there(objects, replaced)
    orphans = found(scan, replaced)
    assert found(keeping, replaced) == []
    for _ in range(2):
        assert [keeping.mend(orphan) for orphan in orphans] == ["spared"]
        world.records.turn(2 * WAIT)
    assert there(objects, replaced) == before


def test_another_backfill_begins_the_wait_anew(world: World, scan: Scan, objects: S3Objects, replaced: Media) -> None:
    assert mended(scan, replaced) == ["marked"]
    world.records.turn(WAIT)
    assert owe(world.ledger, BEFORE, replaced.id, ALL)  # and back again: what is there is what is wanted
    assert found(scan, replaced) == [], "a worker may be looking at it"
    task = brought(world, replaced)
    back = world.ledger.commit(task, Backfilled(task.key, {"small": output(replaced, SMALL.suffix)}))
    assert mended(scan, back) == ["marked"]
    world.records.turn(WAIT)
    assert mended(scan, back) == ["deleted"]
    assert {SMALL.suffix} == there(objects, back) & {SMALL.suffix, FINER.suffix}


def test_a_wish_that_comes_before_the_deletion_was_allowed_prevents_it(
    world: World, scan: Scan, objects: S3Objects, replaced: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mended(scan, replaced) == ["marked"]
    world.records.turn(WAIT)
    write = type(world.records).write

    def late(_: object, changes: list[Change]) -> None:
        monkeypatch.undo()
        assert owe(world.ledger, BEFORE, replaced.id, ALL)
        write(world.records, changes)

    orphans = found(scan, replaced)
    monkeypatch.setattr(type(world.records), "write", late)
    assert [scan.mend(orphan) for orphan in orphans] == ["spared"]
    assert SMALL.suffix in there(objects, replaced)


def test_one_that_comes_after_it_waits_until_all_of_it_is_gone(
    world: World, scan: Scan, objects: S3Objects, replaced: Media
) -> None:
    assert mended(scan, replaced) == ["marked"]
    world.records.turn(WAIT)
    assert mended(scan, replaced) == ["deleted"]
    with pytest.raises(UnavailableError):
        owe(world.ledger, BEFORE, replaced.id, ALL)
    world.records.turn(world.ledger.linger + 1)
    assert owe(world.ledger, BEFORE, replaced.id, ALL) is True
    assert world.task(replaced.id, backfill_key(world.media(replaced.id).backfill)).status == "PENDING"
    assert SMALL.suffix not in there(objects, replaced)


def test_a_scan_that_was_interrupted_goes_on_and_one_that_is_slow_stops(
    world: World, scan: Scan, objects: S3Objects, replaced: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(objects, replaced, "small-aaaaaaaa.jpg", "small-bbbbbbbb.jpg")
    assert mended(scan, replaced) == ["marked"]
    world.records.turn(WAIT)
    orphans, clock = found(scan, replaced), iter((0.0, 1.0, 31.0))
    monkeypatch.setattr("pipeline.orphans.time", SimpleNamespace(monotonic=lambda: next(clock)))
    said = [scan.mend(orphan) for orphan in orphans]
    monkeypatch.undo()
    assert said == ["deleted in part"]
    assert len(there(objects, replaced) & {SMALL.suffix, "small-aaaaaaaa.jpg", "small-bbbbbbbb.jpg"}) == 2
    assert mended(scan, replaced) == ["deleted"]
    assert found(scan, replaced) == []

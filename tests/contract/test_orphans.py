"""The orphan scan on a real S3: deletes nothing that a record names, nothing unmarked, and nothing before its time."""

from dataclasses import replace

import pytest

from pipeline import keys
from pipeline.adapters.s3 import S3Objects
from pipeline.adapters.s3_pieces import S3Pieces
from pipeline.changes import Update
from pipeline.events import Aborted, Died, Made, Stored, Validated
from pipeline.keys import new_media_id
from pipeline.media import Media, Status
from pipeline.orphans import Kind, Orphan, Scan
from pipeline.ports import Label
from pipeline.protocol import create, media_key, task_key
from pipeline.tasks import TaskStatus
from tests.world import World

DAY = 24 * 3_600_000
BYTES = Label("image/jpeg")


@pytest.fixture
def scan(world: World, objects: S3Objects) -> Scan:
    return Scan(world.ledger, objects, S3Pieces(objects), DAY)


def found(scan: Scan, *media_ids: str) -> list[Orphan]:
    """The bucket is shared: only what the test made is its business."""
    return [orphan for orphan in scan.find() if orphan is not None and any(one in orphan.what for one in media_ids)]


def bytes_of(objects: S3Objects, media_id: str, project: str = "p1") -> list[str]:
    """An original and two renditions."""
    written = [
        keys.original(project, media_id, "Ferien.jpg"),
        keys.rendition(project, media_id, "thumbnail-0123abcd.jpg"),
        keys.rendition(project, media_id, "video-0123abcd/720p/0001.m4s"),
    ]
    for key in written:
        objects.put(key, b"12345", BYTES)
    return written


def kept(objects: S3Objects, written: list[str]) -> list[str]:
    return [key for key in written if objects.head(key) is not None]


def mended(scan: Scan, *media_ids: str) -> list[str]:
    return [scan.mend(orphan) for orphan in found(scan, *media_ids)]


def uploaded(world: World) -> Media:
    return world.ledger.commit(world.uploading()[1], Stored(5, '"e"'))


def processing(world: World) -> Media:
    media = uploaded(world)
    claimed = world.ledger.claim(media.id, "validate")
    assert claimed is not None
    return world.ledger.commit(claimed.task, Validated({}, {"parts": ["poster", "audio"], "recipe": "0123abcd"}))


def test_bytes_without_a_record_are_found_marked_awaited_and_deleted(
    world: World, scan: Scan, objects: S3Objects
) -> None:
    media_id = new_media_id()
    written = bytes_of(objects, media_id)
    orphans = found(scan, media_id)
    assert [(orphan.kind, orphan.what, orphan.count, orphan.size) for orphan in orphans] == [
        (Kind.BYTES, f"projects/p1/media/{media_id}/", 1, 5),
        (Kind.BYTES, f"renditions/p1/{media_id}/", 2, 10),
    ]
    assert world.records.get(orphans[0].mark) is None, "finding changes nothing"
    assert mended(scan, media_id) == ["marked", "marked"]
    world.records.turn(DAY - 1)
    assert mended(scan, media_id) == ["marked before", "marked before"]
    assert kept(objects, written) == written
    world.records.turn(1)
    assert mended(scan, media_id) == ["deleted", "deleted"]
    assert kept(objects, written) == []
    assert found(scan, media_id) == []


def test_bytes_that_have_a_record_by_now_are_spared(world: World, scan: Scan, objects: S3Objects) -> None:
    media, _ = world.uploading()
    ghost = replace(media, id=new_media_id())
    written = bytes_of(objects, ghost.id)
    orphans = found(scan, ghost.id)
    assert [scan.mend(orphan) for orphan in orphans] == ["marked", "marked"]
    world.records.turn(2 * DAY)
    world.records.write([create(ghost, 0)])
    assert [scan.mend(orphan) for orphan in orphans] == ["spared", "spared"]
    assert kept(objects, written) == written


@pytest.mark.parametrize("settle", ["uploading", "processing", "failed", "ready"])
def test_what_a_record_names_is_no_orphan_ever(world: World, scan: Scan, objects: S3Objects, settle: str) -> None:
    media = world.uploading()[0] if settle == "uploading" else processing(world)
    if settle == "failed":
        claimed = world.ledger.claim(media.id, "poster")
        assert claimed is not None
        media = world.ledger.die(claimed.task, Died("poster", "odd", "Odd."), "odd", "odd")
    for key in ("poster", "audio") if settle == "ready" else ():
        claimed = world.ledger.claim(media.id, key)
        assert claimed is not None
        media = world.ledger.commit(claimed.task, Made(key))
    assert media.status == settle
    written = bytes_of(objects, media.id)
    world.records.turn(30 * DAY)
    assert found(scan, media.id) == []
    assert kept(objects, written) == written


def test_bytes_of_a_deleted_media_are_purged_by_its_own_task_after_it_is_quiet(
    world: World, scan: Scan, objects: S3Objects
) -> None:
    media = world.ledger.delete(uploaded(world).id)
    assert media is not None
    written = bytes_of(objects, media.id)
    world.records.turn(world.ledger.quiet_at(media) - world.records.now() + 1)
    assert found(scan, media.id) == [], "its purge is owed"
    claimed = world.ledger.claim(media.id, "purge")
    assert claimed is not None
    world.ledger.close(claimed.task)  # and then a process that was frozen for an hour wakes up, and writes
    assert {orphan.kind for orphan in found(scan, media.id)} == {Kind.UNPURGED}
    world.inbox.take()
    assert mended(scan, media.id) == ["owed again", "spared"], "one purge is for both prefixes"
    assert world.task(media.id, "purge").status is TaskStatus.PENDING
    assert [hint.key for hint in world.inbox.take()] == ["purge"]
    assert kept(objects, written) == written, "the purge deletes, not the scan"


def test_before_it_is_quiet_a_deleted_media_is_left_alone(world: World, scan: Scan, objects: S3Objects) -> None:
    media = world.ledger.commit(world.uploading()[1], Aborted("too_large", "Too large."))
    claimed = world.ledger.claim(media.id, "purge")
    assert claimed is not None
    world.ledger.close(claimed.task)
    bytes_of(objects, media.id)
    assert found(scan, media.id) == []
    world.records.turn(world.ledger.linger + 1)
    assert len(found(scan, media.id)) == 2


def test_bytes_under_another_prefix_than_the_records_own_are_left_alone(
    world: World, scan: Scan, objects: S3Objects
) -> None:
    media = world.ledger.delete(uploaded(world).id)
    assert media is not None
    written = bytes_of(objects, media.id, project="other")
    world.records.turn(30 * DAY)
    assert {orphan.kind for orphan in found(scan, media.id)} == {Kind.FOREIGN}
    assert set(mended(scan, media.id)) == {"left alone"}
    assert kept(objects, written) == written


def test_strangers_objects_are_told_and_left_alone(world: World, scan: Scan, objects: S3Objects) -> None:
    key = f"projects/notes-{new_media_id()}.txt"
    objects.put(key, b"mine", BYTES)
    (orphan,) = found(scan, key)
    assert (orphan.kind, orphan.what) == (Kind.FOREIGN, key)
    world.records.turn(30 * DAY)
    assert [scan.mend(orphan) for _ in range(2)] == ["left alone"] * 2
    assert objects.head(key) is not None
    objects.purge(key)


def test_an_upload_left_open_is_aborted_once_its_media_is_quiet(world: World, scan: Scan, objects: S3Objects) -> None:
    media = processing(world)
    key = keys.rendition(media.project_id, media.id, "mp4-0123abcd.mp4")
    upload = objects.begin(key, BYTES)
    objects.put_part(key, upload, 1, b"12345")
    world.records.turn(30 * DAY)
    assert found(scan, media.id) == [], "somebody may still be at work"
    for part in ("poster", "audio"):
        claimed = world.ledger.claim(media.id, part)
        assert claimed is not None
        media = world.ledger.commit(claimed.task, Made(part))
    assert media.status is Status.READY
    assert found(scan, media.id) == []
    world.records.turn(world.ledger.linger + 1)
    assert [(orphan.kind, orphan.what) for orphan in found(scan, media.id)] == [(Kind.UPLOAD, key)]
    assert mended(scan, media.id) == ["marked"]
    assert mended(scan, media.id) == ["marked before"]
    world.records.turn(DAY)
    assert mended(scan, media.id) == ["aborted"]
    assert found(scan, media.id) == []


def test_an_upload_of_a_media_that_works_again_is_spared(world: World, scan: Scan, objects: S3Objects) -> None:
    media = processing(world)
    claimed = world.ledger.claim(media.id, "poster")
    assert claimed is not None
    world.ledger.die(claimed.task, Died("poster", "odd", "Odd."), "odd", "odd")
    key = keys.rendition(media.project_id, media.id, "mp4-0123abcd.mp4")
    objects.begin(key, BYTES)
    world.records.turn(DAY)
    (orphan,) = found(scan, media.id)
    assert scan.mend(orphan) == "marked"
    world.records.turn(DAY)
    world.ledger.redrive(media.id)
    assert scan.mend(orphan) == "spared"
    assert [each.key for each in objects.uploads(key)] == [key]
    objects.purge(key)


@pytest.mark.parametrize("status", ["DONE", "PARKED", "DEAD"])
def test_a_media_that_nothing_works_on_is_owed_again(world: World, scan: Scan, status: str) -> None:
    media = processing(world)
    assert found(scan, media.id) == []
    for key in ("poster", "audio"):
        lost = Update(task_key(media.id, key), set={"status": status}, remove=("wakeAt", "wakeShard", "leaseUntil"))
        world.records.update(lost)
    world.inbox.take()
    assert [(orphan.kind, orphan.what) for orphan in found(scan, media.id)] == [(Kind.STRANDED, media.id)]
    assert mended(scan, media.id) == ["owed again"]
    assert {task.key for task in world.owed()} == {"poster", "audio"}
    assert {hint.key for hint in world.inbox.take()} == {"poster", "audio"}
    assert world.media(media.id) == media
    assert found(scan, media.id) == []


def test_uploads_and_validations_that_nothing_works_on_are_owed_again(world: World, scan: Scan) -> None:
    ghost = replace(world.uploading()[0], id=new_media_id())
    world.records.write([create(ghost, 0)])
    assert mended(scan, ghost.id) == ["owed again"]
    assert world.task(ghost.id, "upload").status is TaskStatus.PENDING
    media = uploaded(world)
    world.records.update(Update(task_key(media.id, "validate"), set={"status": "DONE"}, remove=("wakeAt", "wakeShard")))
    (orphan,) = found(scan, media.id)
    world.records.update(Update(media_key(media.id), set={"status": "ready"}))
    assert scan.mend(orphan) == "spared"

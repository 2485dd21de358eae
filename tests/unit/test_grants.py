"""What a worker does with an upload that nobody holds while, and after, its client may still bring it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from pipeline import granting
from pipeline.errors import NotFoundError
from pipeline.events import Stored
from pipeline.grants import LONGEST_LOOK, SHORTEST_LOOK
from pipeline.media import Media, Status
from pipeline.ports import Found, ObjectStore, Part, Pieces
from pipeline.reception import MOST_PARTS, SMALLEST_PART, Reception, part_size, reception_of
from pipeline.tasks import TaskStatus
from tests.multipart import PNG
from tests.world import PIPELINE, World, new_media
from workers.actors import WORK
from workers.holding import Shift
from workers.rendering import Envelope
from workers.tools import Tools

HOUR = 3_600_000


class Bucket:
    """As much of S3 as recovering an upload asks for."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.open = {"u1": [Part(1, '"1"', 5), Part(2, '"2"', 5), Part(3, '"3"', 2), Part(4, '"stray"', 5)]}

    def head(self, key: str) -> Found | None:
        return Found(len(self.stored[key]), '"e"', "image/png") if key in self.stored else None

    def read(self, key: str, size: int, _etag: str) -> bytes:
        return self.stored[key][:size]

    def parts(self, _key: str, upload_id: str) -> Iterator[Part]:
        if upload_id not in self.open:
            raise NotFoundError("object_missing", "")
        return iter(self.open[upload_id])

    def complete(self, key: str, upload_id: str, parts: list[Part], crc: str | None) -> str:
        assert crc in {None, "a crc"}
        self.stored[key] = (PNG + bytes(20))[: sum(part.size for part in parts)]
        del self.open[upload_id]
        return '"e"'

    def purge(self, prefix: str) -> int:
        gone = [key for key in self.stored if key.startswith(prefix)]
        for key in gone:
            del self.stored[key]
        return len(gone)


def granted(world: World, **facts: Any) -> Media:  # noqa: ANN401 - Reception's fields
    media, now = new_media(), world.records.now()
    granting.open_upload(world.ledger, media, now + HOUR, now + SHORTEST_LOOK, Reception(part_size=5, **facts))
    return media


def look(world: World, bucket: Bucket, media: Media, key: str = "upload") -> None:
    """A hint comes for one of its tasks."""
    objects, pieces = cast("ObjectStore", bucket), cast("Pieces", bucket)
    tools = Tools(world.ledger, objects, pieces, world.inbox, PIPELINE, Path("/nowhere"), "ffmpeg", Shift())
    Envelope(tools, WORK).take(media.id, key)


def test_a_form_that_was_sent_is_found_and_looked_at() -> None:
    world, bucket = World(), Bucket()
    media = granted(world, direct=True)
    bucket.stored[media.s3_key] = PNG
    look(world, bucket, media)
    assert world.media(media.id).status is Status.UPLOADING  # not yet
    world.records.turn(SHORTEST_LOOK)
    look(world, bucket, media)
    found = world.media(media.id)
    assert (found.status, found.size, found.mime_type) == (Status.UPLOADED, len(PNG), "image/png")
    assert world.task(media.id, "validate").status is TaskStatus.PENDING


def test_a_form_that_was_sent_with_something_else_is_refused() -> None:
    world, bucket = World(), Bucket()
    media = granted(world, direct=True)
    bucket.stored[media.s3_key] = b"%PDF-1.7"
    world.records.turn(SHORTEST_LOOK)
    look(world, bucket, media)
    assert world.media(media.id).reason == "upload_format_unsupported"
    assert world.task(media.id, "purge").status is TaskStatus.PENDING


@pytest.mark.parametrize(
    ("bound", "reason"),
    [({"types": ["image/jpeg"]}, "upload_type_not_accepted"), ({"most": len(PNG) - 1}, "upload_bytes_exceeded")],
)
def test_a_worker_holds_what_was_sent_to_the_token_it_was_granted_by(bound: dict[str, Any], reason: str) -> None:
    """Its client need not come back to ingest, which would look at the token."""
    world, bucket = World(), Bucket()
    media = granted(world, direct=True, **bound)
    bucket.stored[media.s3_key] = PNG
    world.records.turn(SHORTEST_LOOK)
    look(world, bucket, media)
    assert world.media(media.id).reason == reason


def test_a_form_that_is_never_sent_is_looked_for_ever_more_rarely_and_given_up() -> None:
    world, bucket = World(), Bucket()
    media = granted(world, direct=True)
    looks, begun = [], world.records.now()
    while world.media(media.id).status is Status.UPLOADING:
        due = world.task(media.id, "upload").retry_at
        looks.append(due - world.records.now())
        world.records.turn(due - world.records.now())
        look(world, bucket, media)
    assert looks[0] == SHORTEST_LOOK
    assert max(looks) == LONGEST_LOOK
    assert len(looks) < 30
    assert world.records.now() == begun + HOUR
    assert world.media(media.id).reason == "upload_aborted"


@pytest.mark.parametrize("facts", [{"length": 12}, {"direct": True, "upload_id": "u1"}])
def test_what_its_ingest_process_let_go_of_waits_for_its_client(facts: dict[str, Any]) -> None:
    world, bucket = World(), Bucket()
    media = granted(world, **facts)
    assert granting.take(world.ledger, media.id)
    world.records.turn(world.ledger.lease.length + 1)
    look(world, bucket, media)
    task = world.task(media.id, "upload")
    assert (task.status, task.retry_at) == (TaskStatus.PENDING, task.grant_until)
    world.records.turn(HOUR)
    look(world, bucket, media)
    assert world.media(media.id).reason == "upload_aborted"


def test_an_object_that_was_made_before_the_end_is_taken_and_its_tails_go() -> None:
    world, bucket = World(), Bucket()
    media = granted(world, length=len(PNG))
    tail = f"{media.s3_key.rpartition('/')[0]}/.tail/1"
    bucket.stored |= {media.s3_key: PNG, tail: b"left"}
    assert granting.take(world.ledger, media.id)
    world.records.turn(world.ledger.lease.length + 1)
    look(world, bucket, media)
    assert world.media(media.id).status is Status.UPLOADED
    assert list(bucket.stored) == [media.s3_key]


def test_a_piece_of_another_upload_never_becomes_a_media() -> None:
    world, bucket = World(), Bucket()
    media, now = new_media(), world.records.now()
    partial = Media(**{**vars(media), "partial": True, "position": None})
    reception = Reception(part_size=5, length=len(PNG), concat="partial")
    granting.open_upload(world.ledger, partial, now + HOUR, now + HOUR, reception)
    bucket.stored[media.s3_key] = PNG
    world.records.turn(HOUR + 1)
    look(world, bucket, media)
    assert world.media(media.id).reason == "upload_aborted"
    assert {task.key for task in world.owed()} == {"purge"}  # and nobody is told of it


WHOLE: dict[str, Any] = {"length": 12, "upload_id": "u1", "whole": True, "crc": "a crc"}


def laid_down(world: World, **facts: Any) -> Media:  # noqa: ANN401 - Reception's fields
    """An upload after a request that could not make its object."""
    media = granted(world, **facts)
    claimed = granting.take(world.ledger, media.id)
    assert claimed is not None
    granting.lay_down(world.ledger, claimed.task, 12, Reception(part_size=5, **facts), world.records.now() + HOUR)
    return media


@pytest.mark.parametrize(("facts", "size"), [(WHOLE, 12), ({**WHOLE, "length": None, "direct": True, "crc": ""}, 17)])
def test_what_is_whole_but_for_its_object_is_made_at_once(facts: dict[str, Any], size: int) -> None:
    world, bucket = World(), Bucket()
    media = laid_down(world, **facts)
    assert [hint.key for hint in world.inbox.take()] == ["upload"]
    look(world, bucket, media)
    assert (world.media(media.id).status, world.media(media.id).size) == (Status.UPLOADED, size)
    assert bucket.open == {}


@pytest.mark.parametrize("facts", [{**WHOLE, "upload_id": "gone"}, {**WHOLE, "length": 13}, {"concat": "final;a b"}])
def test_what_nobody_can_make_is_given_up_at_once(facts: dict[str, Any]) -> None:
    world, bucket = World(), Bucket()
    media = laid_down(world, **facts)
    look(world, bucket, media)
    assert world.media(media.id).reason == "upload_aborted"


def test_a_form_that_was_asked_for_too_early_is_still_looked_for() -> None:
    world = World()
    media = laid_down(world, direct=True)
    assert world.task(media.id, "upload").retry_at == world.records.now() + SHORTEST_LOOK


@pytest.mark.parametrize("complete", [False, True])
def test_nothing_of_what_its_client_said_outlives_its_purge(*, complete: bool) -> None:
    world, bucket = World(), Bucket()
    media = granted(world, length=len(PNG), metadata="filename RmVyaWVuLmpwZw==")
    if complete:
        claimed = granting.take(world.ledger, media.id)
        assert claimed is not None
        world.ledger.commit(claimed.task, Stored(len(PNG), '"e"'))
    world.ledger.delete(media.id)
    world.records.turn(world.ledger.linger + 1)
    look(world, bucket, media, "purge")
    row = world.task(media.id, "upload")
    assert (row.reception, row.wake_at) == (None, None)
    assert row.expires_at is not None
    assert "purge" not in {task.key for task in world.owed()}


def test_parts_are_as_small_as_may_be_and_never_too_many() -> None:
    for length in (1, 10**9, SMALLEST_PART * MOST_PARTS, SMALLEST_PART * MOST_PARTS + 1, 5 * 10**12):
        size = part_size(length)
        assert size >= SMALLEST_PART
        assert -(-length // size) <= MOST_PARTS
    assert part_size(SMALLEST_PART * MOST_PARTS) == SMALLEST_PART


def test_a_reception_is_what_it_was_stored_as() -> None:
    for reception in (Reception(part_size=5), Reception(part_size=5, length=9, crc="AA==", concat="partial")):
        assert reception_of(reception.row()) == reception

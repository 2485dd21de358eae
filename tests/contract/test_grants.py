"""The transitions of an upload that comes in several requests, over every store."""

import pytest

from pipeline import granting
from pipeline.errors import LeaseLostError, UnavailableError
from pipeline.events import Recognised
from pipeline.granting import Opened
from pipeline.ledger import Claimed
from pipeline.media import Media, Status
from pipeline.reception import Reception, Tail, reception_of
from pipeline.tasks import Task, TaskStatus
from tests.contract.conftest import at_once
from tests.contract.story import LEASE, STORED, Story
from tests.world import new_media

HOUR = 3_600_000
EMPTY = Reception(part_size=5, length=12, metadata="filename YQ==")
HALF = Reception(part_size=5, length=12, upload_id="u1", tail=Tail("k/.tail/1", 2, '"t"'), crc="AA==")


def granted(story: Story) -> Media:
    media, until = new_media(), story.records.now() + HOUR
    granting.open_upload(story.ledger, media, until, until, EMPTY)
    return media


def held(story: Story, media: Media) -> Task:
    claimed = granting.take(story.ledger, media.id)
    assert isinstance(claimed, Claimed)
    return claimed.task


def laid_down(story: Story, task: Task) -> None:
    granting.lay_down(story.ledger, task, 7, HALF, story.records.now() + HOUR)


def test_a_grant_is_a_record_and_a_row_that_nobody_holds(story: Story) -> None:
    media = granted(story)
    opened = granting.look(story.ledger, media.id)
    assert isinstance(opened, Opened)
    assert opened.media.status is Status.UPLOADING
    task = story.task(media.id, "upload")
    assert (task.status, task.offset, task.epoch) == (TaskStatus.PENDING, 0, 0)
    assert reception_of(task.reception or {}) == EMPTY
    assert task.wake_at == task.grant_until + 3000
    assert story.awake(media) == {"upload"}
    assert story.ledger.claim(media.id, "upload") is None


def test_one_request_takes_it_though_it_is_not_due(story: Story) -> None:
    media = granted(story)
    taken = [each for each in at_once(8, lambda _: granting.take(story.ledger, media.id)) if each]
    assert len(taken) == 1
    assert granting.take(story.ledger, media.id) is None
    story.records.turn(LEASE + 1000)
    assert held(story, media).epoch == 2


def test_progress_is_noted_once_and_renews_the_lease(story: Story) -> None:
    media = granted(story)
    task = held(story, media)
    story.records.turn(20_000)
    after = granting.advanced(story.ledger, task, 7, HALF)
    assert granting.advanced(story.ledger, task, 7, HALF) == after  # its reply was lost
    with pytest.raises(LeaseLostError):
        granting.advanced(story.ledger, task, 9, HALF)
    assert (after.offset, reception_of(after.reception or {})) == (7, HALF)
    story.records.turn(20_000)
    assert granting.take(story.ledger, media.id) is None


def test_what_is_laid_down_can_be_taken_up(story: Story) -> None:
    media = granted(story)
    first = held(story, media)
    laid_down(story, first)
    task = story.task(media.id, "upload")
    assert (task.status, task.offset, task.attempts, task.lease_until) == (TaskStatus.PENDING, 7, 0, None)
    assert story.awake(media) == {"upload"}
    with pytest.raises(LeaseLostError):
        laid_down(story, first)
    second = held(story, media)
    assert (second.offset, reception_of(second.reception or {})) == (7, HALF)
    assert story.ledger.commit(second, STORED).status is Status.UPLOADED


def test_a_late_holder_is_fenced_off(story: Story) -> None:
    media = granted(story)
    late = held(story, media)
    story.records.turn(LEASE + 1000)
    second = held(story, media)
    event = Recognised("image/png", "image", "a.png", "k/a.png")
    for write in (
        lambda: granting.advanced(story.ledger, late, 7, HALF),
        lambda: laid_down(story, late),
        lambda: granting.recognise(story.ledger, late, event),
    ):
        with pytest.raises(LeaseLostError):
            write()
    assert story.task(media.id, "upload") == second
    assert story.media(media.id).mime_type == media.mime_type


def test_another_request_asks_the_holder_for_it(story: Story) -> None:
    media = granted(story)
    task = held(story, media)
    granting.ask(story.ledger, task)
    assert granting.advanced(story.ledger, task, 0, EMPTY).wanted_at is not None
    laid_down(story, task)
    granting.ask(story.ledger, task)
    assert story.task(media.id, "upload").wanted_at is None
    assert held(story, media).wanted_at is None


def test_the_first_bytes_say_what_it_is(story: Story) -> None:
    media = granted(story)
    task = held(story, media)
    after = granting.recognise(story.ledger, task, Recognised("image/png", "image", "a.png", "k/a.png"))
    assert (after.mime_type, after.s3_key, after.s3_url) == ("image/png", "k/a.png", "https://cdn.test/k/a.png")
    assert story.media(media.id) == after
    story.ledger.delete(media.id)
    with pytest.raises(LeaseLostError):
        granting.recognise(story.ledger, task, Recognised("image/png", "image", "a.png", "k/a.png"))
    with pytest.raises(LeaseLostError):
        granting.advanced(story.ledger, task, 7, HALF)


def test_a_grant_whose_reply_was_lost_is_there_to_be_brought(story: Story) -> None:
    media, until = new_media(), story.records.now() + HOUR
    story.records.lost.append("the reply")  # type: ignore[attr-defined]
    with pytest.raises(UnavailableError):
        granting.open_upload(story.ledger, media, until, until, EMPTY)
    assert held(story, media).epoch == 1


def test_a_worker_waits_for_the_grant_s_end(story: Story) -> None:
    media = granted(story)
    story.records.turn(HOUR + 1000)
    claimed = story.ledger.claim(media.id, "upload")
    assert claimed is not None
    assert claimed.task.grant_until < story.records.now()

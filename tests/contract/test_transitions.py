"""The protocol's table of task transitions over every store: claims, leases, commits and what ends them."""

from typing import cast

import pytest

from pipeline.changes import RefusedError
from pipeline.errors import LeaseLostError, UnavailableError
from pipeline.events import Died, Made
from pipeline.media import Status
from pipeline.tasks import TaskStatus
from tests.contract.conftest import at_once
from tests.contract.story import LEASE, STORED, VALIDATED, Clocked, Story
from tests.world import new_media


def test_the_intent_is_a_record_and_a_row_that_is_held(story: Story) -> None:
    media, task = story.uploading()
    assert story.media(media.id).status is Status.UPLOADING
    assert (task.status, task.epoch, task.attempts) == (TaskStatus.RUNNING, 1, 1)
    assert task == story.task(media.id, "upload")
    assert story.awake(media) == {"upload"}
    with pytest.raises(RefusedError):
        story.ledger.intend(media)


def test_a_commit_ends_the_task_and_inserts_what_it_makes_owed(story: Story) -> None:
    media, task = story.uploading()
    after = story.ledger.commit(task, STORED)
    assert after == story.media(media.id)
    assert (after.status, after.version) == (Status.UPLOADED, 2)
    done, owed = story.task(media.id, "upload"), story.task(media.id, "validate")
    assert (done.status, done.epoch, done.lease_until) == (TaskStatus.DONE, 1, None)
    assert done.expires_at is not None
    assert done.expires_at > story.records.now() // 1000 + 6 * 24 * 3600
    assert (owed.status, owed.epoch, owed.attempts, owed.retry_at) == (TaskStatus.PENDING, 0, 0, 0)
    assert story.awake(media) == {"validate"}


def test_a_claim_takes_what_is_due_once(story: Story) -> None:
    media = story.uploaded()
    claims = [each for each in at_once(16, lambda _: story.ledger.claim(media.id, "validate")) if each]
    assert len(claims) == 1
    task = claims[0].task
    assert claims[0].media == media
    assert (task.status, task.epoch, task.attempts, task.nudges) == (TaskStatus.RUNNING, 1, 1, 0)
    assert task.lease_until is not None
    assert task.wake_at == task.lease_until + 2000
    assert abs(task.lease_until - story.records.now() - LEASE) < 5000
    assert story.ledger.claim(media.id, "validate") is None
    assert story.ledger.claim(media.id, "thumbnail") is None
    assert story.awake(media) == {"validate"}


def test_a_holder_that_knows_the_record_commits_on_it_and_finds_out_when_it_is_another(story: Story) -> None:
    (media, task), (other, late) = story.uploading(), story.uploading()
    whole = story.ledger.commit(task, STORED, media)
    assert whole == story.media(media.id)
    assert (whole.status, whole.version) == (Status.UPLOADED, media.version + 1)
    gone = story.ledger.delete(other.id)
    assert gone is not None
    with pytest.raises(LeaseLostError):
        story.ledger.commit(late, STORED, other)
    assert story.media(other.id) == gone
    assert story.task(other.id, "upload").status is TaskStatus.PARKED


def test_a_lapsed_lease_is_taken_over_and_its_holder_fenced_off(story: Story) -> None:
    media = story.uploaded()
    late = story.held(media, "validate")
    story.records.turn(LEASE - 5000)
    assert story.ledger.claim(media.id, "validate") is None
    story.records.turn(6000)
    second = story.held(media, "validate")
    assert (second.epoch, second.attempts) == (2, 2)
    with pytest.raises(LeaseLostError):
        story.ledger.renew(late)
    with pytest.raises(LeaseLostError):
        story.ledger.put_off(late, 1000, "late")
    with pytest.raises(LeaseLostError):
        story.ledger.release(late)
    with pytest.raises(LeaseLostError):
        story.ledger.commit(late, VALIDATED)
    with pytest.raises(LeaseLostError):
        story.ledger.die(late, Died("validate", "r", "e"), "r", "e")
    assert story.task(media.id, "validate") == second
    assert story.media(media.id) == media


def test_renewing_holds_for_another_lease(story: Story) -> None:
    media = story.uploaded()
    task = story.held(media, "validate")
    story.records.turn(20_000)
    story.ledger.renew(task)
    story.records.turn(20_000)
    assert story.ledger.claim(media.id, "validate") is None
    renewed = story.task(media.id, "validate")
    assert (renewed.epoch, renewed.attempts) == (1, 1)
    assert (renewed.lease_until or 0) > (task.lease_until or 0) + 15_000
    assert renewed.wake_at == (renewed.lease_until or 0) + 2000


def test_a_task_that_is_no_longer_wanted_is_parked_by_claim_renewal_and_commit(story: Story) -> None:
    media = story.planned()
    renewing, committing = story.held(media, "transcode#0000"), story.held(media, "transcode#0001")
    story.ledger.delete(media.id)
    assert story.ledger.claim(media.id, "poster") is None
    with pytest.raises(LeaseLostError):
        story.ledger.renew(renewing)
    with pytest.raises(LeaseLostError):
        story.ledger.commit(committing, Made("transcode#0001"))
    parked = ("poster", "transcode#0000", "transcode#0001")
    assert {story.status(media, key) for key in parked} == {TaskStatus.PARKED}
    assert story.task(media.id, "poster").lease_until is None
    assert story.awake(media) == {"purge", "record#deleted#0"}
    assert story.media(media.id).status is Status.DELETED


def test_a_commit_whose_reply_was_lost_counts_once(story: Story) -> None:
    media = story.planned()
    task = story.held(media, "poster")
    first = story.ledger.commit(task, Made("poster"))
    assert story.ledger.commit(task, Made("poster")) == first
    assert story.media(media.id) == first
    assert first.done == {"validate", "poster"}
    last = story.ledger.delete(media.id)
    assert last is not None
    purge = story.held(last, "record#deleted#0")
    cast("Clocked", story.records).lost.append("the reply")
    with pytest.raises(UnavailableError):
        story.ledger.close(purge)
    story.ledger.close(purge)
    assert story.status(media, "record#deleted#0") is TaskStatus.DONE


def test_an_intent_whose_reply_was_lost_is_there_to_be_read(story: Story) -> None:
    media = new_media()
    cast("Clocked", story.records).lost.append("the reply")
    with pytest.raises(UnavailableError):
        story.ledger.intend(media)
    assert story.media(media.id).status is Status.UPLOADING
    assert story.awake(media) == {"upload"}


def test_the_last_part_settles_the_media_whoever_is_last(story: Story) -> None:
    media = story.planned()
    parts = ("poster", "transcode#0000", "transcode#0001")
    tasks = [story.held(media, key) for key in parts]
    at_once(3, lambda number: story.ledger.commit(tasks[number], Made(parts[number])))
    assert story.awake(media) == {"package"}
    ready = story.ledger.commit(story.held(media, "package"), Made("package"))
    assert ready.status is Status.READY
    assert story.awake(media) == {"record#ready#0"}
    assert ready.version == media.version + 4


def test_putting_off_waits_and_counts_the_attempt(story: Story) -> None:
    media = story.uploaded()
    story.ledger.put_off(story.held(media, "validate"), 60_000, "S3 stumbled")
    task = story.task(media.id, "validate")
    assert (task.status, task.attempts, task.last_error) == (TaskStatus.PENDING, 1, "S3 stumbled")
    assert task.wake_at == task.retry_at + 3000
    assert task.lease_until is None
    assert story.ledger.claim(media.id, "validate") is None
    story.records.turn(61_000)
    assert story.held(media, "validate").attempts == 2


def test_releasing_gives_the_attempt_back(story: Story) -> None:
    media = story.uploaded()
    story.inbox.take()
    story.ledger.release(story.held(media, "validate"))
    assert [hint.key for hint in story.inbox.take()] == ["validate"]
    assert (story.task(media.id, "validate").attempts, story.task(media.id, "validate").retry_at) == (0, 0)
    story.ledger.release(story.held(media, "validate"), 60_000, "S3 is away")
    task = story.task(media.id, "validate")
    assert (task.attempts, task.epoch, task.last_error) == (0, 2, "S3 is away")
    assert story.inbox.take() == []
    assert story.ledger.claim(media.id, "validate") is None
    assert story.awake(media) == {"validate"}

"""The protocol's table over every store, its other half: deaths, burials, sweeps, purges, redrives, adoptions."""

from dataclasses import replace

import pytest

from pipeline import protocol, recovery
from pipeline.changes import RefusedError
from pipeline.errors import LeaseLostError
from pipeline.events import Aborted, Died, Made
from pipeline.media import Status
from pipeline.tasks import Task, TaskStatus
from tests.contract.conftest import at_once
from tests.contract.story import ENCODES, LEASE, Story
from tests.world import new_media


def test_a_dead_part_fails_the_media_in_the_same_transaction(story: Story) -> None:
    media = story.failed()
    dead = story.task(media.id, "transcode#0000")
    assert (dead.status, dead.reason, dead.last_error) == (TaskStatus.DEAD, "broken", "Broken.")
    assert (dead.wake_at, dead.expires_at, dead.attempts) == (None, None, 1)
    assert abs((dead.dead_at or 0) - story.records.now()) < 5000
    assert (media.status, media.reason) == (Status.FAILED, "broken")
    assert story.awake(media) == {"poster", "transcode#0001", "record#failed#0"}


def test_a_winner_of_the_race_with_a_failure_counts_all_the_same(story: Story) -> None:
    media = story.planned()
    running = story.held(media, "poster")
    dying = story.held(media, "transcode#0000")
    story.ledger.die(dying, Died("transcode#0000", "broken", "Broken."), "broken", "Broken.")
    with pytest.raises(LeaseLostError):
        story.ledger.commit(running, Made("poster"))
    assert story.status(media, "poster") is TaskStatus.PARKED


def test_a_task_that_crashes_emptied_is_buried_once(story: Story) -> None:
    media = story.planned()
    last = story.spent(media, "transcode#0000")
    assert story.ledger.claim(media.id, "transcode#0000") is None
    assert at_once(8, lambda _: recovery.bury(story.ledger, media.id, "transcode#0000")).count(True) == 1
    dead = story.task(media.id, "transcode#0000")
    assert (dead.status, dead.reason, dead.epoch) == (TaskStatus.DEAD, "crashed", last.epoch + 1)
    assert story.media(media.id).status is Status.FAILED
    with pytest.raises(LeaseLostError):
        story.ledger.commit(last, Made("transcode#0000"))
    assert story.awake(media) == {"poster", "transcode#0001", "record#failed#0"}


def test_nobody_buries_what_is_held_or_has_attempts_left(story: Story) -> None:
    media = story.planned()
    story.held(media, "transcode#0000")
    story.records.turn(LEASE + 1000)
    assert not recovery.bury(story.ledger, media.id, "transcode#0000")
    for _ in range(ENCODES - 1):
        story.held(media, "transcode#0000")
        assert not recovery.bury(story.ledger, media.id, "transcode#0000")
        story.records.turn(LEASE + 1000)
    assert recovery.bury(story.ledger, media.id, "transcode#0000")


def test_a_control_task_has_no_bound_of_attempts(story: Story) -> None:
    media, _ = story.uploading()
    for attempts in range(2, 20):
        story.records.turn(LEASE + 1000)
        assert story.held(media, "upload").attempts == attempts


def test_one_sweeper_of_many_bumps_a_row(story: Story) -> None:
    media = story.uploaded()
    seen, now = story.task(media.id, "validate"), story.records.now()

    def bumped(_: int) -> bool:
        try:
            story.records.update(protocol.bump(seen, now))
        except RefusedError:
            return False
        return True

    assert at_once(16, bumped).count(True) == 1
    assert story.task(media.id, "validate") == replace(seen, wake_at=now + 30_000, nudges=1)
    again = story.task(media.id, "validate")
    story.records.update(protocol.bump(again, now))
    assert story.task(media.id, "validate").wake_at == now + 60_000
    assert story.held(media, "validate").nudges == 0


def test_a_bump_never_makes_a_row(story: Story) -> None:
    ghost = Task(media_id="media_none", key="validate", status=TaskStatus.PENDING, queue="light", wake_at=5)
    with pytest.raises(RefusedError):
        story.records.update(protocol.bump(ghost, 10))
    assert story.ledger.task("media_none", "validate") is None


def test_arming_again_fences_the_holder_off(story: Story) -> None:
    media, upload = story.uploading()
    story.ledger.commit(upload, Aborted("too_large", "Too large."))
    holder = story.held(media, "purge")
    assert holder.epoch == 2
    story.ledger.delete(media.id)
    armed = story.task(media.id, "purge")
    assert (armed.status, armed.epoch, armed.attempts, armed.lease_until) == (TaskStatus.PENDING, 3, 0, None)
    with pytest.raises(LeaseLostError):
        story.ledger.close(holder)
    story.ledger.close(story.held(media, "purge"))
    assert story.awake(media) == {"record#failed#0", "record#deleted#0"}


def test_a_purge_before_its_time_stays_owed(story: Story) -> None:
    media = story.uploaded()
    story.ledger.delete(media.id)
    quiet = story.ledger.quiet_at(story.media(media.id))
    story.ledger.postpone(story.held(media, "purge"), quiet)
    assert story.task(media.id, "purge").retry_at == quiet
    assert story.ledger.claim(media.id, "purge") is None
    story.records.turn(quiet - story.records.now() + 1000)
    story.ledger.close(story.held(media, "purge"))
    assert story.status(media, "purge") is TaskStatus.DONE


def test_a_redrive_owes_the_rest_again_and_keeps_what_is_done(story: Story) -> None:
    media = story.failed()
    running = story.held(media, "record#failed#0")
    assert story.ledger.claim(media.id, "poster") is None  # parks it
    again = story.ledger.redrive(media.id)
    assert again is not None
    assert (again.status, again.round, again.reason) == (Status.PROCESSING, 1, None)
    spread = story.held(again, "spread")
    recovery.spread(story.ledger, spread, again)
    owed = {key: story.task(media.id, key) for key in ("poster", "transcode#0000", "transcode#0001")}
    assert {(task.status, task.round, task.attempts) for task in owed.values()} == {(TaskStatus.PENDING, 1, 0)}
    assert owed["transcode#0000"].reason is None
    assert owed["transcode#0000"].epoch == 2
    assert story.status(media, "spread") is TaskStatus.DONE
    assert story.awake(media) == {*owed, running.key}
    recovery.spread(story.ledger, story.task(media.id, "spread"), again)
    assert {key: story.task(media.id, key) for key in owed} == owed


def test_an_object_becomes_one_media(story: Story) -> None:
    claims = story.ledger.claims("media", f"in/ü {new_media().id}.jpg", '"etag"', "p1", "job-1" + new_media().id)
    assert story.ledger.owner(claims) is None
    rivals = [new_media() for _ in range(8)]
    owners = set(at_once(8, lambda number: story.ledger.adopt(rivals[number], claims)))
    assert len(owners) == 1
    assert story.ledger.owner(claims[1:]) == owners.pop()
    assert [story.ledger.read(rival.id) is None for rival in rivals].count(False) == 1


def test_positions_are_drawn_from_zero_and_never_twice(story: Story) -> None:
    project = new_media().id
    assert sorted(at_once(16, lambda _: story.ledger.next_position(project))) == list(range(16))

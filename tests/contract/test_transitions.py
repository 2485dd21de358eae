"""The protocol's table of task transitions, row by row, through the ledger over every store."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from pipeline import protocol, recovery
from pipeline.changes import Change, RefusedError
from pipeline.errors import LeaseLostError, UnavailableError
from pipeline.events import Aborted, Died, Made, Stored, Validated
from pipeline.media import Media, Status
from pipeline.ports import Records
from pipeline.tasks import Task, TaskStatus, shard_of
from tests.contract.conftest import at_once
from tests.world import ClockedRecords, World, new_media

PLAN = {"parts": ["poster", "transcode#0000", "transcode#0001", "package"], "recipe": "0123abcd"}
STORED = Stored(5, '"e"')
VALIDATED = Validated({"kind": "video"}, PLAN)
LEASE = 30_000
ENCODES = 3
"""Attempts that pipeline.toml gives a transcode."""


@dataclass
class Clocked:
    """A store whose clock can be turned, and whose next replies can be lost; the rest is the store's own."""

    store: Records
    turned: int = 0
    lost: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the store's methods
        return getattr(self.store, name)

    def now(self) -> int:
        return self.store.now() + self.turned

    def turn(self, ms: int) -> None:
        self.turned += ms

    def write(self, changes: Sequence[Change]) -> None:
        self.store.write(changes)
        if self.lost:
            raise UnavailableError(self.lost.pop())


@dataclass(frozen=True)
class Story(World):
    """A media's way through the ledger, and what its rows and the wake index say at each step."""

    def uploaded(self) -> Media:
        return self.ledger.commit(self.uploading()[1], STORED)

    def planned(self) -> Media:
        media = self.uploaded()
        return self.ledger.commit(self.held(media, "validate"), VALIDATED)

    def held(self, media: Media, key: str) -> Task:
        claimed = self.ledger.claim(media.id, key)
        assert claimed is not None
        return claimed.task

    def spent(self, media: Media, key: str) -> Task:
        """A task whose every attempt ended with its holder."""
        tasks = []
        for _ in range(ENCODES):
            tasks.append(self.held(media, key))
            self.records.turn(LEASE + 1000)
        return tasks[-1]

    def failed(self) -> Media:
        """A media that one dead part failed: a sibling runs, one is pending."""
        media = self.planned()
        dead = self.held(media, "transcode#0000")
        return self.ledger.die(dead, Died("transcode#0000", "broken", "Broken."), "broken", "Broken.")

    def status(self, media: Media, key: str) -> TaskStatus:
        return self.task(media.id, key).status

    def awake(self, media: Media) -> set[str]:
        """The keys of the media's rows on the wake index, which must be what its rows say."""
        listed = self.records.overdue(shard_of(media.id), 2**53, 10_000)
        mine = {row["task"]: row["wakeAt"] for row in listed if row["mediaId"] == media.id}
        rows = self.records.tasks(media.id)
        assert mine == {row["task"]: row["wakeAt"] for row in rows if "wakeAt" in row}
        assert all(("wakeAt" in row) == (row["status"] in {"PENDING", "RUNNING"}) for row in rows)
        letters = {row["task"] for row in self.records.dead(shard_of(media.id)) if row["mediaId"] == media.id}
        assert letters == {row["task"] for row in rows if row["status"] == "DEAD"}
        return set(mine)


@pytest.fixture
def story(records: Records) -> Story:
    return Story(cast("ClockedRecords", Clocked(records)))


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

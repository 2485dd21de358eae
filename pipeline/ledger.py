"""The task protocol as a service over the records: every way a row may change, and nothing else writes rows.

`docs/protocol.md` is the specification: `protocol.py` has its conditional writes, `lifecycle.py` what they mean.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pipeline import projectrows, protocol
from pipeline.changes import Change, Key, RefusedError, Row, Update
from pipeline.errors import DarkroomError, LeaseLostError, PermanentError, UnavailableError
from pipeline.events import Deleted, Event, Redriven
from pipeline.lifecycle import Site, Step, admits, advance, owed, quiet_at
from pipeline.media import Media
from pipeline.ports import Queue, Records
from pipeline.protocol import Lease
from pipeline.rows import media_of, task_of
from pipeline.tasks import Hint, Task, TaskStatus


class Claimed(NamedTuple):
    """A task that is ours, and the record that wants it."""

    task: Task
    media: Media


@dataclass(frozen=True)
class Ledger:
    """`queue_of` says which queue a task key of a media goes to; `attempts_of` its bound of attempts, None for none."""

    records: Records
    queue: Queue
    site: Site
    queue_of: Callable[[Media, str], str]
    attempts_of: Callable[[str], int | None]
    lease: Lease = field(default_factory=Lease)

    @property
    def linger(self) -> int:
        """Milliseconds after settling in which an old holder might still write: renewal + lease + one PUT."""
        return self.lease.renewal + self.lease.length + self.lease.put_timeout

    def read(self, media_id: str) -> Media | None:
        """The record."""
        row = self.records.get(protocol.media_key(media_id))
        return None if row is None else media_of(row)

    def task(self, media_id: str, key: str) -> Task | None:
        """The task's row."""
        row = self.records.get(protocol.task_key(media_id, key))
        return None if row is None else task_of(row)

    def next_position(self, project_id: str) -> int:
        """Draw a position in the project, from 0; never drawn again, so a gap stays when the upload fails.

        Raises `PermanentError` (`project_deleting`) while everything of the project is being deleted.
        """
        return int(self._drawn(projectrows.next_position(project_id))["next"]) - 1

    def next_piece(self, project_id: str) -> int:
        """Draw one for a partial upload, below 0: no listing begins there, and a project's deletion finds it."""
        return -int(self._drawn(projectrows.next_piece(project_id))["pieces"])

    def _drawn(self, draw: Update) -> Row:
        try:
            return self.records.update(draw)
        except RefusedError:
            raise PermanentError("project_deleting", "The project is being deleted.") from None

    def intend(self, media: Media, also: Sequence[Change] = ()) -> Task:
        """The upload's first transaction: the record and its `upload` row, held by the caller.

        Raises `RefusedError` when a change that goes with it does not hold.
        """
        now = self.records.now()
        row = protocol.insert_held(media, "upload", self.queue_of(media, "upload"), now, self.lease)
        self.records.write([protocol.create(media, now), row, *also])
        return task_of(row.row | row.key.attributes)

    def claims(self, bucket: str, key: str, generation: str, project_id: str, job_id: str | None) -> tuple[Key, ...]:
        """The rows that say which media an object, or a producer's job, became."""
        jobs = () if job_id is None else (protocol.job_key(project_id, job_id),)
        return (protocol.object_key(bucket, key, generation), *jobs)

    def owner(self, claims: Sequence[Key]) -> str | None:
        """The media that one of these became already, if any did."""
        rows = (self.records.get(claim) for claim in claims)
        return next((str(row["adoptedBy"]) for row in rows if row is not None), None)

    def adopt(self, media: Media, claims: Sequence[Key]) -> str:
        """The first transaction for an object that is in S3 already; returns the id of the one media it becomes."""
        now = self.records.now()
        row = protocol.insert(media, "upload", self.queue_of(media, "upload"), now)
        taken = [protocol.adopted(claim, media.id, now) for claim in claims]
        try:
            self.records.write([*taken, protocol.create(media, now), row])
        except RefusedError:
            owner = self.owner(claims)
            if owner is None:
                raise
            return owner
        self.hint(media, ["upload"])
        self.queue.changed(media.project_id, media.id)
        return media.id

    def claim(self, media_id: str, key: str) -> Claimed | None:
        """Take a task that is due and wanted; None when there is nothing to do, or no attempt is left."""
        claim = protocol.claim(media_id, key, self.records.now(), self.lease, self.attempts_of(key))
        try:
            row = self.records.update(claim)
        except RefusedError:
            return None
        task = task_of(row)
        try:
            return self.wanted(task)
        except UnavailableError as error:
            with suppress(DarkroomError):  # if they do not take that either, its lease ends
                self.release(task, protocol.SECOND, str(error)[:500])
            raise

    def renew(self, task: Task) -> None:
        """Hold the task for another lease; raises `LeaseLostError` when it is no longer ours or no longer wanted."""
        self._hold(protocol.renew(task, self.records.now(), self.lease))
        if self.wanted(task) is None:
            raise LeaseLostError

    def commit(self, task: Task, event: Event, known: Media | None = None, *, going_on: bool = False) -> Media:
        """Make a plan or upload task's outcome count, once, with all that it makes owed; returns the record after it.

        `known` is the record as the caller saw it last: the transaction finds out whether it still is that, and only
        if not is it read. Who is `going_on` with the task that is `following` keeps it: nobody is hinted at that.
        Raises `LeaseLostError` when another holder came first or the record does not want the task.
        """
        return self._settle(task, event, lambda now: protocol.done(task, now), known, going_on=going_on)

    def following(self, before: Media, after: Media, queue: str) -> str | None:
        """The task that came to be owed in between and that workers of the queue do, if there is one."""
        fresh = (key for key in owed(after) if key not in owed(before))
        return next((key for key in fresh if self.queue_of(after, key) == queue), None)

    def die(self, task: Task, event: Event, reason: str, error: str) -> Media:
        """Bury our own task: no attempt left, or none would help."""
        return self._settle(task, event, lambda now: protocol.dead(task, now, reason, error))

    def close(self, task: Task, also: Sequence[Change] = ()) -> None:
        """End a task that leaves the record alone (purge, spread, record)."""
        try:
            self.records.write([protocol.done(task, self.records.now()), *also])
        except RefusedError as refusal:
            if 0 not in refusal.failed:
                raise
            self._after_all(task)

    def tell(self, task: Task, also: Sequence[Change] = ()) -> None:
        """Note on an outbox row that what it tells once is told, with the changes that go with it; once."""
        try:
            self.records.write([protocol.tell(task, self.records.now()), *also])
        except RefusedError as refusal:
            row = self.task(task.media_id, task.key)
            if row is None or (row.status, row.epoch) != (TaskStatus.RUNNING, task.epoch) or row.told_at is None:
                raise LeaseLostError from refusal

    def put_off(self, task: Task, delay: int, error: str) -> None:
        """Try again in `delay` ms; the attempt counted."""
        self._hold(protocol.put_off(task, self.records.now(), delay, error))

    def release(self, task: Task, delay: int = 0, error: str | None = None) -> None:
        """Give the task back with its attempt; at once and with a hint when there is no delay."""
        self._hold(protocol.release(task, self.records.now(), delay, error))
        if not delay:
            self.queue.send([Hint(task.media_id, task.key, task.queue)])

    def move(self, task: Task, queue: str) -> None:
        """Give the task to the workers of another queue, with its attempt and a hint."""
        self._hold(protocol.move(task, self.records.now(), queue))
        self.queue.send([Hint(task.media_id, task.key, queue)])

    def postpone(self, task: Task, until: int) -> None:
        """Keep a control task owed until then (ms since the epoch)."""
        self._hold(protocol.postpone(task, until))

    def quiet_at(self, media: Media) -> int:
        """When a purge of the media may be final, ms since the epoch."""
        return quiet_at(media, self.linger)

    def delete(self, media_id: str) -> Media | None:
        """Delete the media: None when there is none; bytes go later, by its purge task."""
        return self._request(media_id, Deleted())

    def redrive(self, media_id: str) -> Media | None:
        """Try a failed media again; the unchanged record when there is nothing to redrive."""
        return self._request(media_id, Redriven())

    def _request(self, media_id: str, event: Event) -> Media | None:
        while True:
            media = self.read(media_id)
            if media is None:
                return None
            now = self.records.now()
            step = advance(media, event, now, self.site)
            if step is None:
                return media
            try:
                self.records.write(self.changes(media, step, now))
            except RefusedError:
                continue
            self.hint(step.media, (*step.insert, *step.arm))
            self.queue.changed(media.project_id, media.id)
            return step.media

    def _settle(
        self,
        task: Task,
        event: Event,
        ending: Callable[[int], Change],
        known: Media | None = None,
        *,
        going_on: bool = False,
    ) -> Media:
        """Law 1, the row's end in the same transaction: read, advance, write if unchanged; a lost race starts over."""
        since = known if going_on else None
        there: set[str] = set()  # rows that somebody inserted before us: they are owed already
        while True:
            claimed = Claimed(task, known) if known is not None else self.wanted(task)
            known = None
            if claimed is None:
                return self._after_all(task)
            media, now = claimed.media, self.records.now()
            step = advance(media, event, now, self.site)
            if step is None:
                return self._parked(task, media)
            step = replace(step, insert=tuple(key for key in step.insert if key not in there))
            changes = [ending(now), *self.changes(media, step, now)]
            try:
                self.records.write(changes)
            except RefusedError as refusal:
                if 0 in refusal.failed:
                    return self._after_all(task)
                refused = (changes[index] for index in refusal.failed)
                there |= {change.key.range for change in refused if change.key.table == "tasks" and change.key.range}
                continue
            kept = since and self.following(since, step.media, task.queue)
            self.hint(step.media, [key for key in (*step.insert, *step.arm) if key != kept])
            self.queue.changed(media.project_id, media.id)
            return step.media

    def changes(self, before: Media, step: Step, now: int) -> list[Change]:
        """The record's write, if there is one, and the rows that the step makes owed."""
        media = step.media
        return [
            *([protocol.replace(before, media)] if media != before else []),
            *(protocol.insert(media, key, self.queue_of(media, key), now) for key in step.insert),
            *(protocol.arm(media, key, self.queue_of(media, key), now) for key in step.arm),
        ]

    def wanted(self, task: Task) -> Claimed | None:
        """The task with its record, or None after parking it; a record that moves meanwhile is looked at again."""
        while True:
            media = self.read(task.media_id)
            if media is None:
                raise LeaseLostError
            if admits(media, task.key):
                return Claimed(task, media)
            try:
                self.records.write(protocol.park(task, media))
            except RefusedError as refusal:
                if 0 in refusal.failed:
                    return None
                continue
            return None

    def _parked(self, task: Task, media: Media) -> Media:
        try:
            self.records.write(protocol.park(task, media))
        except RefusedError:
            return self._after_all(task)
        raise LeaseLostError

    def _after_all(self, task: Task) -> Media:
        """The record, if the row says that our own write did happen (its reply was lost)."""
        row, media = self.task(task.media_id, task.key), self.read(task.media_id)
        ended = {TaskStatus.DONE, TaskStatus.DEAD}
        if row is None or media is None or row.epoch != task.epoch or row.status not in ended:
            raise LeaseLostError
        return media

    def _hold(self, change: Change) -> None:
        try:
            self.records.write([change])
        except RefusedError as refusal:
            raise LeaseLostError from refusal

    def hint(self, media: Media, keys: Sequence[str]) -> None:
        """Tell the workers, best effort, that these tasks are owed."""
        self.queue.send([Hint(media.id, key, self.queue_of(media, key)) for key in keys])

"""The task transitions: one function a row of the protocol's table, each returning the conditional write that it is.

Every write by a holder carries `status = RUNNING AND epoch = mine`; epoch alone would be no fence, since a settled row
keeps its epoch. Times are milliseconds since the epoch by the store's clock. docs/protocol.md has the rules' reasons.
"""

import dataclasses
from dataclasses import dataclass

from pipeline.changes import Absent, Check, Compare, Condition, Either, Every, Key, Put, Update, holds
from pipeline.media import Media
from pipeline.rows import media_row
from pipeline.tasks import Task, TaskStatus, shard_of

SECOND = 1000
WEEK = 7 * 24 * 3600
LATEST_NUDGE = 600 * SECOND

_OFF_INDEX = ("wakeAt", "wakeShard", "leaseUntil")
_SAID = ("deadShard", "deadAt", "reception", "lastError")
_RISEN = ("expiresAt", "reason", "deadShard", "deadAt")


@dataclass(frozen=True)
class Lease:
    """How long a claim holds, how often it is renewed and how long one PUT may last; milliseconds."""

    length: int = 30 * SECOND
    renewal: int = 10 * SECOND
    put_timeout: int = 60 * SECOND


def task_key(media_id: str, key: str) -> Key:
    """The row of a task."""
    return Key("tasks", media_id, key)


def media_key(media_id: str) -> Key:
    """The row of a media."""
    return Key("media", media_id)


def insert(media: Media, key: str, queue: str, now: int) -> Put:
    """A task that became owed; refused when the row is there already."""
    row = _fresh(media, queue, now) | {"epoch": 0, "wakeShard": shard_of(media.id)}
    return Put(task_key(media.id, key), row, Absent("task"))


def insert_held(media: Media, key: str, queue: str, now: int, lease: Lease) -> Put:
    """A task that is born claimed: the upload, held by the ingest process that is receiving it."""
    fresh = insert(media, key, queue, now)
    return Put(fresh.key, fresh.row | running(now, lease) | {"epoch": 1, "attempts": 1}, fresh.condition)


def arm(media: Media, key: str, queue: str, now: int) -> Update:
    """Owe a control task anew, whatever its row says; a holder of the old epoch is fenced off."""
    row = _fresh(media, queue, now) | {"wakeShard": shard_of(media.id)}
    return Update(task_key(media.id, key), set=row, add={"epoch": 1}, remove=("leaseUntil", *_RISEN))


def claim(media_id: str, key: str, now: int, lease: Lease, attempts: int | None) -> Update:
    """Take the right to work; `attempts` None means without bound (control tasks)."""
    due = _due(now)
    condition = due if attempts is None else Every((due, Compare("attempts", "<", attempts)))
    return Update(
        task_key(media_id, key),
        condition,
        set=running(now, lease) | {"nudges": 0},
        add={"epoch": 1, "attempts": 1},
        remove=("expiresAt",),
    )


def renew(task: Task, now: int, lease: Lease) -> Update:
    """Hold it for another lease."""
    return Update(task_key(task.media_id, task.key), held(task), set=running(now, lease))


def done(task: Task, now: int) -> Update:
    """The holder's work counts."""
    kept_until = now // SECOND + WEEK
    return _end(task, TaskStatus.DONE, {"expiresAt": kept_until})


def park(task: Task, media: Media) -> tuple[Update, Check]:
    """Set the task aside because the record, in exactly this version, does not want it."""
    return _end(task, TaskStatus.PARKED, {}), Check(media_key(media.id), unchanged(media))


def put_off(task: Task, now: int, delay: int, error: str) -> Update:
    """Try again later: the attempt counted. The wake-up lies behind the retry, to act only on a lost message."""
    wait = {"status": TaskStatus.PENDING.value, "retryAt": now + delay, "wakeAt": now + delay + 3 * SECOND}
    return Update(
        task_key(task.media_id, task.key), held(task), set=wait | {"lastError": error}, remove=("leaseUntil",)
    )


def release(task: Task, now: int, delay: int = 0, error: str | None = None) -> Update:
    """Give the task and its attempt back: a deploy (no delay), or a dependency that is away."""
    wait = {
        "status": TaskStatus.PENDING.value,
        "retryAt": now + delay if delay else 0,
        "wakeAt": now + delay + 3 * SECOND,
    }
    why = {} if error is None else {"lastError": error}
    key = task_key(task.media_id, task.key)
    return Update(key, held(task), set=wait | why, add={"attempts": -1}, remove=("leaseUntil",))


def move(task: Task, now: int, queue: str) -> Update:
    """Give the task, with its attempt, to the workers of another queue."""
    wait = waiting(0, now) | {"queue": queue}
    key = task_key(task.media_id, task.key)
    return Update(key, held(task), set=wait, add={"attempts": -1}, remove=("leaseUntil",))


def dead(task: Task, now: int, reason: str, error: str) -> Update:
    """Out of attempts, or not worth another: a dead letter, kept until redriven."""
    return _end(task, TaskStatus.DEAD, _letter(task, now) | {"reason": reason, "lastError": error})


def bury(seen: Task, now: int, attempts: int, reason: str, error: str) -> Update:
    """Any worker may do this to a row that crashes have emptied of attempts and that nobody holds.

    The `error` is for a row whose holders never came to say one.
    """
    condition = Every((Compare("epoch", "=", seen.epoch), _spent(attempts), _due(now)))
    said = {"reason": reason, "lastError": seen.last_error or error}
    end = {"status": TaskStatus.DEAD.value} | said | _letter(seen, now)
    return Update(task_key(seen.media_id, seen.key), condition, set=end, add={"epoch": 1}, remove=_OFF_INDEX)


def forget(seen: Task, now: int) -> Update:
    """A row of a deleted media that nobody can owe again: off every index, without what its client said; it expires."""
    condition = Every((_is("status", seen.status), Compare("epoch", "=", seen.epoch)))
    over = {"status": TaskStatus.PARKED.value} if seen.status is TaskStatus.PENDING else {}
    ended = over | {"expiresAt": now // SECOND + WEEK}
    return Update(task_key(seen.media_id, seen.key), condition, set=ended, remove=(*_OFF_INDEX, *_SAID))


def tell(task: Task, now: int) -> Update:
    """What the outbox does once is done; further attempts, and replays, leave it out."""
    condition = Every((held(task), Absent("toldAt")))
    return Update(task_key(task.media_id, task.key), condition, set={"toldAt": now})


def rearm(media: Media, key: str, queue: str, now: int, seen: Task | None) -> Update:
    """As `arm`, but only while the row is as it was seen: absent, or with that status and epoch."""
    there = seen and Every((_is("status", seen.status), Compare("epoch", "=", seen.epoch)))
    return dataclasses.replace(arm(media, key, queue, now), condition=there or Absent("task"))


def replay(media: Media, key: str, queue: str, now: int, seen: Task | None) -> Update:
    """Owe an ended outbox row again. One that was done, or has expired since, was told what is told once."""
    told = {"toldAt": now} if seen is None or seen.status is TaskStatus.DONE else {}
    again = rearm(media, key, queue, now, seen)
    return dataclasses.replace(again, set={**again.set, **told})


def exhausted(seen: Task, attempts: int, now: int) -> bool:
    """Whether `bury` would be accepted of the row as it was seen."""
    times = {"attempts": seen.attempts, "retryAt": seen.retry_at, "leaseUntil": seen.lease_until or 0}
    return holds(Every((_spent(attempts), _due(now))), {"status": seen.status.value, **times})


def bump(seen: Task, now: int, *, again: bool = True) -> Update:
    """The sweeper's turn: push the wake-up further out each time, so that one row cannot be hinted in a storm.

    `again` is False when the hint before was not ignored but lost: that must not make the next wait longer.
    """
    if seen.wake_at is None:
        message = f"{seen.key} of {seen.media_id} is not on the wake index"
        raise ValueError(message)
    wait = min(30 * SECOND * 2 ** (seen.nudges if again else 0), LATEST_NUDGE)
    condition = Compare("wakeAt", "=", seen.wake_at)
    return Update(task_key(seen.media_id, seen.key), condition, set={"wakeAt": now + wait}, add={"nudges": int(again)})


def owe_again(seen: Task, media: Media, now: int) -> Update:
    """Owe again, in this round, a plan task that an earlier round ended; the wake index is told."""
    condition = Every(
        (_is("status", seen.status), Compare("epoch", "=", seen.epoch), Compare("round", "<", media.round))
    )
    row = _fresh(media, seen.queue, now) | {"wakeShard": shard_of(media.id)}
    return Update(task_key(seen.media_id, seen.key), condition, set=row, add={"epoch": 1}, remove=_RISEN)


def count_in(seen: Task, media: Media) -> Update:
    """Count a live task of an earlier round into this one; its lease stays."""
    condition = Every(
        (_is("status", seen.status), Compare("epoch", "=", seen.epoch), Compare("round", "<", media.round))
    )
    return Update(task_key(seen.media_id, seen.key), condition, set={"attempts": 0, "round": media.round})


def postpone(task: Task, until: int) -> Update:
    """A purge that ran before its time: keep it owed until nobody can write under the prefix any more."""
    wait = waiting(until, until)
    return Update(task_key(task.media_id, task.key), held(task), set=wait, remove=("leaseUntil",))


def create(media: Media, now: int) -> Put:
    """The record's first write."""
    return Put(media_key(media.id), media_row(media) | {"updatedAt": now}, Absent("id"))


def replace(before: Media, after: Media) -> Put:
    """Every later write to the record: only on top of the version that was read."""
    return Put(media_key(before.id), media_row(after), unchanged(before))


def unchanged(media: Media) -> Condition:
    """The record is still the one that was read."""
    return Compare("version", "=", media.version)


def adopted(claim: Key, media_id: str, now: int) -> Put:
    """Claims an object or a job for one media, once."""
    return Put(claim, {"adoptedBy": media_id, "adoptedAt": now}, Absent("task"))


def object_key(bucket: str, key: str, generation: str) -> Key:
    """The row that says which media an object became; `generation` is its version id or ETag."""
    return Key("tasks", f"object#{bucket}/{key}@{generation}", "media")


def job_key(project_id: str, job_id: str) -> Key:
    """The row that says which media a producer's job became."""
    return Key("tasks", f"job#{project_id}/{job_id}", "media")


def _is(name: str, value: str) -> Compare:
    return Compare(name, "=", str(value))


def _due(now: int) -> Condition:
    """Nobody holds it and it need not wait: pending and due, or running on a lease that ended."""
    pending = Every((_is("status", TaskStatus.PENDING), Compare("retryAt", "<=", now)))
    return Either((pending, lapsed(now)))


def _spent(attempts: int) -> Condition:
    return Compare("attempts", ">=", attempts)


def held(task: Task) -> Condition:
    """The row is still its holder's: the second law."""
    return Every((_is("status", TaskStatus.RUNNING), Compare("epoch", "=", task.epoch)))


def lapsed(now: int) -> Condition:
    """Its holder's lease is over."""
    return Every((_is("status", TaskStatus.RUNNING), Compare("leaseUntil", "<", now)))


def running(now: int, lease: Lease) -> dict[str, int | str]:
    """What a row says that is held for a lease."""
    until = now + lease.length
    return {"status": TaskStatus.RUNNING.value, "leaseUntil": until, "wakeAt": until + 2 * SECOND}


def waiting(retry_at: int, wake_from: int) -> dict[str, int | str]:
    """What a row says that waits until `retry_at`, and is looked for a little after `wake_from`."""
    return {"status": TaskStatus.PENDING.value, "retryAt": retry_at, "wakeAt": wake_from + 3 * SECOND}


def _fresh(media: Media, queue: str, now: int) -> dict[str, int | str]:
    return {
        "status": TaskStatus.PENDING.value,
        "attempts": 0,
        "round": media.round,
        "projectId": media.project_id,
        "retryAt": 0,
        "nudges": 0,
        "queue": queue,
        "owedAt": now,
        "wakeAt": now + 5 * SECOND,
    }


def _letter(task: Task, now: int) -> dict[str, int | str]:
    """What puts a row on the index of dead letters."""
    return {"deadShard": shard_of(task.media_id), "deadAt": now}


def _end(task: Task, status: TaskStatus, facts: dict[str, int | str]) -> Update:
    key = task_key(task.media_id, task.key)
    return Update(key, held(task), set={"status": status.value} | facts, remove=_OFF_INDEX)

"""The transitions of an upload under a grant, as conditional writes: its bytes come over several requests, or past us.

Between requests nobody holds its row: it is PENDING until the grant ends, so that the sweeper comes back for what was
never completed. docs/protocol.md has the rules.
"""

from dataclasses import replace

from pipeline.changes import Check, Compare, Either, Every, Put, Update
from pipeline.media import Media
from pipeline.protocol import SECOND, Lease, held, insert, lapsed, running, task_key, waiting
from pipeline.reception import Reception
from pipeline.tasks import Task, TaskStatus

SHORTEST_LOOK = 10 * SECOND
LONGEST_LOOK = 300 * SECOND


def granted(media: Media, queue: str, now: int, until: int, look_at: int, reception: Reception) -> Put:
    """The `upload` row of a new upload that may be brought until then; `look_at` is when a worker looks after it."""
    row = insert(media, "upload", queue, now)
    grant = {"grantUntil": until, "offset": 0, "reception": reception.row()}
    return replace(row, row=row.row | waiting(look_at, look_at) | grant)


def taken(media_id: str, now: int, lease: Lease) -> Update:
    """Ingest goes on with it: the grant is what PENDING waits for, so this claim does not ask whether it is due."""
    return Update(
        task_key(media_id, "upload"),
        Either((Compare("status", "=", TaskStatus.PENDING.value), lapsed(now))),
        set=running(now, lease) | {"nudges": 0},
        add={"epoch": 1, "attempts": 1},
        remove=("expiresAt", "wantedAt"),
    )


def advanced(task: Task, offset: int, reception: Reception, now: int, lease: Lease) -> Update:
    """The holder has more bytes safe, and holds the row for another lease."""
    condition = Every((held(task), Compare("offset", "=", task.offset)))
    progress = {"offset": offset, "reception": reception.row()}
    return Update(task_key(task.media_id, task.key), condition, set=running(now, lease) | progress)


def laid_down(task: Task, offset: int, reception: Reception, until: int, look_at: int) -> Update:
    """The request is over, the upload is not: whoever comes next goes on at the offset, a worker from `look_at` on."""
    condition = Every((held(task), Compare("offset", "=", task.offset)))
    rest = {"grantUntil": until, "offset": offset, "reception": reception.row()}
    return Update(
        task_key(task.media_id, task.key),
        condition,
        set=waiting(look_at, look_at) | rest,
        add={"attempts": -1},
        remove=("leaseUntil", "wantedAt"),
    )


def wanted(seen: Task, now: int) -> Update:
    """Another request asks the holder to lay it down."""
    condition = Every((Compare("status", "=", TaskStatus.RUNNING.value), Compare("epoch", "=", seen.epoch)))
    return Update(task_key(seen.media_id, seen.key), condition, set={"wantedAt": now})


def still_held(task: Task) -> Check:
    """Write nothing to the row, but only while it is its holder's."""
    return Check(task_key(task.media_id, task.key), held(task))


def next_look(task: Task, reception: Reception, until: int, now: int) -> int:
    """When a worker looks after it: at once for what is ours to end, else when the grant does.

    For an object that a client stores by itself before that too, ever more rarely.
    """
    if reception.ours:
        return now
    wait = min(max((now - task.owed_at) // 2, SHORTEST_LOOK), LONGEST_LOOK)
    return min(now + wait, until) if reception.unannounced else until

"""A whole project deleted: a row on the wake index that is worked off in steps, each harmless to repeat.

A step may die anywhere: the sweeper hints the row again, and the next step begins with what is still there. So it needs
no lease, and two of them at once do no harm.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pipeline import keys, projectrows, protocol
from pipeline.changes import Absent, Compare, Either, Key, RefusedError, Row, Update
from pipeline.ledger import Ledger
from pipeline.ports import ObjectStore
from pipeline.tasks import Hint, TaskStatus, shard_of

STAGE = "erase"
BATCH = 100
"""Media that one step deletes: some seconds of work."""
_AGAIN = 5 * protocol.SECOND
_FIRST = -(2**53)
"""Before every position, those of partial uploads too."""
_PENDING = Compare("status", "=", TaskStatus.PENDING.value)


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """How far it is: `media` deleted up to now; times are milliseconds since the epoch, `done_at` None until it is.

    `not_before` is when it can be done at the earliest: until then somebody may still be writing.
    """

    project_id: str
    requested_at: int
    not_before: int
    media: int
    done_at: int | None


def find(ledger: Ledger, project_id: str) -> Deletion | None:
    """The newest deletion of the project, None when there was none."""
    row = ledger.records.get(_place(project_id))
    return None if row is None else _of(project_id, row)


def request(ledger: Ledger, project_id: str, queue: str) -> Deletion:
    """Delete everything of the project; the same again while that is under way.

    From here on the project takes no upload until it is done.
    """
    now = ledger.records.now()
    name = _place(project_id).hash
    row: dict[str, Any] = {
        "status": TaskStatus.PENDING.value,
        "queue": queue,
        "projectId": project_id,
        "requestedAt": now,
        "owedAt": now,
        # A request that drew its position before may write its intent until then; more is argued in decision 10.
        "notBefore": now + ledger.linger,
        "deleted": 0,
        **dict.fromkeys(("attempts", "round", "retryAt", "nudges"), 0),
        "wakeShard": shard_of(name),
        "wakeAt": now + _AGAIN,
    }
    fresh = Either((Absent("status"), Compare("status", "=", TaskStatus.DONE.value)))
    begin = Update(_place(project_id), fresh, set=row, add={"epoch": 1}, remove=("doneAt",))
    with suppress(RefusedError):  # it is under way
        ledger.records.write([begin, projectrows.close_project(project_id, now)])
        ledger.queue.send([Hint(name, STAGE, queue)])
    found = find(ledger, project_id)
    if found is None:
        raise AssertionError("these rows are never deleted")
    return found


def step(ledger: Ledger, objects: ObjectStore, name: str) -> int | None:
    """Delete some more of the project whose row has this hash key; returns the ms until the next step, None for none.

    Raises `UnavailableError`; what was done by then counts.
    """
    project_id = name.removeprefix("project#")
    row = ledger.records.get(_place(project_id))
    if row is None or row["status"] != TaskStatus.PENDING.value:
        return None
    started, listed = ledger.records.now(), ledger.records.project(project_id, _FIRST, BATCH)
    if listed:
        deleted = [media for each in listed if (media := ledger.delete(each["id"])) is not None]
        quiet = max((ledger.quiet_at(media) for media in deleted), default=0)
        # The index lags behind; and a partial upload is no media to anybody.
        new = [media for media in deleted if (media.settled_at or 0) >= started and not media.partial]
        return _go_on(ledger, project_id, max(quiet, row["notBefore"]), len(new))
    if ledger.records.now() <= row["notBefore"]:
        return _go_on(ledger, project_id, row["notBefore"], 0, row["notBefore"])
    # Nobody may write here any more, and no record names what is left: purges that have not come to it yet.
    if sum(objects.purge(prefix) for prefix in keys.of_project(project_id)):
        return _go_on(ledger, project_id, row["notBefore"], 0)
    with suppress(RefusedError):  # somebody was faster
        ledger.records.write([_done(ledger, project_id), projectrows.open_project(project_id)])
    return None


def _go_on(ledger: Ledger, project_id: str, not_before: int, deleted: int, until: int = 0) -> int | None:
    """Note how far it is; the sweeper looks after it, should the next step not come."""
    now = ledger.records.now()
    noted = {"notBefore": not_before, "wakeAt": max(until, now) + _AGAIN, "nudges": 0}
    with suppress(RefusedError):
        ledger.records.update(Update(_place(project_id), _PENDING, set=noted, add={"deleted": deleted}))
    return max(until - now, 0)


def _done(ledger: Ledger, project_id: str) -> Update:
    end = {"status": TaskStatus.DONE.value, "doneAt": ledger.records.now()}
    return Update(_place(project_id), _PENDING, set=end, remove=("wakeAt", "wakeShard"))


def _place(project_id: str) -> Key:
    return Key("tasks", f"project#{project_id}", STAGE)


def _of(project_id: str, row: Row) -> Deletion:
    return Deletion(
        project_id=project_id,
        requested_at=row["requestedAt"],
        not_before=row["notBefore"],
        media=row["deleted"],
        done_at=row.get("doneAt"),
    )

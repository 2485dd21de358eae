"""Rules that put things right: what crashes emptied of attempts is buried, what was ended is owed anew."""

from collections.abc import Callable
from contextlib import suppress

from pipeline import protocol, superseded
from pipeline.changes import Change, Check, RefusedError
from pipeline.errors import UnavailableError
from pipeline.events import Died, Replanned
from pipeline.ledger import Ledger
from pipeline.lifecycle import Step, advance, owed
from pipeline.media import Media, Status
from pipeline.plan import Plan
from pipeline.rows import task_of
from pipeline.tasks import LIVE, Task, TaskStatus


def bury(ledger: Ledger, media_id: str, key: str) -> bool:
    """Write the end of a task whose every attempt was cut short; whoever is hinted does it, since its holders are gone.

    Returns whether this call wrote it.
    """
    attempts = ledger.attempts_of(key)
    seen, media, now = ledger.task(media_id, key), ledger.read(media_id), ledger.records.now()
    if attempts is None or seen is None or media is None or not protocol.exhausted(seen, attempts, now):
        return False
    crashed = seen.status is TaskStatus.RUNNING
    reason = "crashed" if crashed else "exhausted"
    error = f"Processing {'stopped' if crashed else 'failed'} too often."
    step = advance(media, Died(key, reason, error), now, ledger.site) or Step(media)
    try:
        ledger.records.write([protocol.bury(seen, now, attempts, reason, error), *ledger.changes(media, step, now)])
    except RefusedError:
        return False  # somebody moved first; what is still owed is hinted again
    ledger.hint(step.media, step.insert)
    ledger.queue.changed(media.project_id, media.id)
    return True


def spread(ledger: Ledger, task: Task, media: Media) -> None:
    """Owe every task of `owed(media)` that is not owed in this round yet, each by its own conditional write."""
    for key in owed(media):
        while not _owe(ledger, media, key):
            """The row moved between our look and our write: look again."""
    ledger.close(task)
    ledger.hint(media, owed(media))


def replay(ledger: Ledger, media: Media, key: str) -> bool:
    """Owe an outbox row of the media again; False when it is owed already. Also for a row that has expired since."""
    while True:
        seen, now = ledger.task(media.id, key), ledger.records.now()
        if seen is not None and seen.status in LIVE:
            return False
        try:
            ledger.records.write([protocol.replay(media, key, ledger.queue_of(media, key), now, seen)])
        except RefusedError:
            continue
        ledger.hint(media, [key])
        return True


def replan(ledger: Ledger, media_id: str, wish: Callable[[Media], Plan | None]) -> bool | None:
    """Owe a ready media the outputs of the plan that is wished for it as it stands; None when it is none.

    False when that plan is owed already. A row of it that died is owed anew. Raises `UnavailableError` for a minute or
    two while the orphan scan deletes what an earlier backfill has replaced.
    """
    while True:
        media, now = ledger.read(media_id), ledger.records.now()
        plan = wish(media) if media is not None and media.status is Status.READY and media.plan else None
        step = advance(media, Replanned(plan.to_dict()), now, ledger.site) if media and plan else None
        if media is None or step is None:
            return None
        (key,) = step.arm
        seen = ledger.task(media_id, key)
        if step.media == media and seen is not None and seen.status in LIVE:
            return False
        same: Change = Check(protocol.media_key(media_id), protocol.unchanged(media))
        record = same if step.media == media else protocol.replace(media, step.media)
        row = protocol.rearm(step.media, key, ledger.queue_of(step.media, key), now, seen)
        try:
            ledger.records.write([record, row, superseded.untouched(media_id, now, ledger.linger)])
        except RefusedError as refusal:
            if 2 in refusal.failed:  # noqa: PLR2004 - the third of these changes
                raise UnavailableError(f"{media_id}: renditions that it did without are being deleted") from refusal
            continue
        ledger.hint(step.media, [key])
        return True


def forget(ledger: Ledger, media: Media) -> None:
    """Empty the rows of a deleted media that end with it: dead letters, and what is known of how it came.

    Those of its outbox can still be sent.
    """
    for seen in map(task_of, ledger.records.tasks(media.id)):
        came = seen.reception is not None and seen.status is not TaskStatus.RUNNING
        if (seen.status is TaskStatus.DEAD and seen.stage != "record") or came:
            with suppress(RefusedError):  # somebody owed it again, and will find it unwanted
                ledger.records.write([protocol.forget(seen, ledger.records.now())])


def _owe(ledger: Ledger, media: Media, key: str) -> bool:
    now = ledger.records.now()
    seen = ledger.task(media.id, key)
    change: Change
    if seen is None:
        change = protocol.insert(media, key, ledger.queue_of(media, key), now)
    elif seen.round >= media.round or seen.status is TaskStatus.DONE:
        return True
    elif seen.status in {TaskStatus.DEAD, TaskStatus.PARKED}:
        change = protocol.owe_again(seen, media, now)
    else:
        change = protocol.count_in(seen, media)
    try:
        ledger.records.write([change])
    except RefusedError:
        return False
    return True

"""Uploads under a grant over the ledger: opened, taken for one request, advanced, laid down again."""

from collections.abc import Sequence
from typing import NamedTuple

from pipeline import grants, protocol
from pipeline.changes import Change, RefusedError
from pipeline.errors import LeaseLostError
from pipeline.events import Recognised
from pipeline.ledger import Claimed, Ledger
from pipeline.lifecycle import advance
from pipeline.media import Media, Status
from pipeline.reception import Reception
from pipeline.rows import task_of
from pipeline.tasks import Hint, Task, TaskStatus


class Opened(NamedTuple):
    """An upload as it stands; `task` None once its row has expired."""

    media: Media
    task: Task | None


def open_upload(
    ledger: Ledger, media: Media, until: int, look_at: int, reception: Reception, also: Sequence[Change] = ()
) -> Opened:
    """The first transaction of an upload that comes over several requests: the record and its row, held by nobody.

    Raises `RefusedError` when a change that goes with it does not hold.
    """
    now = ledger.records.now()
    row = grants.granted(media, ledger.queue_of(media, "upload"), now, until, look_at, reception)
    ledger.records.write([protocol.create(media, now), row, *also])
    return Opened(media, task_of(row.row | row.key.attributes))


def look(ledger: Ledger, media_id: str) -> Opened | None:
    """The upload as it stands."""
    media = ledger.read(media_id)
    return None if media is None else Opened(media, ledger.task(media_id, "upload"))


def take(ledger: Ledger, media_id: str) -> Claimed | None:
    """Hold the upload for this request; None when another holds it, or it is not there to be brought any more."""
    try:
        row = ledger.records.update(grants.taken(media_id, ledger.records.now(), ledger.lease))
    except RefusedError:
        return None
    return ledger.wanted(task_of(row))


def advanced(ledger: Ledger, task: Task, offset: int, reception: Reception) -> Task:
    """Note what is safe and hold the upload for another lease; raises `LeaseLostError` as `Ledger.renew` does.

    The row that comes back says whether another request wants it.
    """
    change = grants.advanced(task, offset, reception, ledger.records.now(), ledger.lease)
    try:
        row = task_of(ledger.records.update(change))
    except RefusedError as refusal:
        row = _ours(ledger, task, offset, refusal)
    if ledger.wanted(row) is None:
        raise LeaseLostError
    return row


def lay_down(ledger: Ledger, task: Task, offset: int, reception: Reception, until: int) -> None:
    """The request is over: the next may go on at the offset until then (ms since the epoch)."""
    look_at = grants.next_look(task, reception, until, ledger.records.now())
    try:
        ledger.records.update(grants.laid_down(task, offset, reception, until, look_at))
    except RefusedError as refusal:
        raise LeaseLostError from refusal
    if reception.ours:
        ledger.queue.send([Hint(task.media_id, task.key, task.queue)])


def ask(ledger: Ledger, seen: Task) -> None:
    """Ask the holder to lay it down; it may have done so already."""
    try:
        ledger.records.update(grants.wanted(seen, ledger.records.now()))
    except RefusedError:
        return


def recognise(ledger: Ledger, task: Task, event: Recognised, known: Media | None = None) -> Media:
    """Say in the record what is coming; raises `LeaseLostError` when it does not want it any more.

    `known` is the record as the caller saw it last: only if it is that no longer is it read.
    """
    while True:
        media, known = known or ledger.read(task.media_id), None
        step = None if media is None else advance(media, event, ledger.records.now(), ledger.site)
        if media is None or step is None or media.status is not Status.UPLOADING:
            raise LeaseLostError
        try:
            ledger.records.write([grants.still_held(task), protocol.replace(media, step.media)])
        except RefusedError as refusal:
            if 0 in refusal.failed:
                raise LeaseLostError from refusal
            continue
        return step.media


def _ours(ledger: Ledger, task: Task, offset: int, refusal: RefusedError) -> Task:
    """The row, if it says that the same write of ours happened before and its reply was lost."""
    row = ledger.task(task.media_id, task.key)
    if row is None or (row.status, row.epoch, row.offset) != (TaskStatus.RUNNING, task.epoch, offset):
        raise LeaseLostError from refusal
    return row

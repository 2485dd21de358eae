"""The pipeline's own stages: recovering an upload, owing tasks anew, deleting bytes, telling the world."""

from pipeline import keys, projectrows, recovery
from pipeline.arrivals import arrival
from pipeline.assembly import assemble
from pipeline.changes import Update
from pipeline.events import Aborted, Stored
from pipeline.grants import next_look
from pipeline.media import Media, Status
from pipeline.messages import message
from pipeline.originals import originals
from pipeline.reception import Reception, reception_of
from workers.rendering import Turn


def recover_upload(turn: Turn) -> None:
    """Nobody holds this upload any more: promote what is whole in S3, or let go of it.

    The key is this media's alone and S3 shows no object before it is whole, so what is there is the upload. While its
    grant lasts, a client may come back for one that is not, unless all that is missing is ours to do.
    """
    task, media, ledger = turn.task, turn.claimed.media, turn.tools.ledger
    reception = reception_of(task.reception) if task.reception else Reception(part_size=1)
    event = None if media.partial else _arrived(turn, reception)
    if event is not None:
        if task.reception and not reception.direct:
            turn.tools.objects.purge(keys.tails(media.project_id, media.id))
        turn.commit(event)
    elif (now := ledger.records.now()) < task.grant_until and not reception.ours:
        look_at = next_look(task, reception, task.grant_until, now)
        turn.persist(lambda: ledger.postpone(task, look_at))
    else:
        turn.commit(Aborted("aborted", "The upload did not finish."))


def _arrived(turn: Turn, reception: Reception) -> Stored | Aborted | None:
    """What became of it, None when nothing is there; what a client brought to S3 by itself is looked at first."""
    objects, key = turn.tools.objects, turn.claimed.media.s3_key
    if reception.whole:
        assemble(objects, turn.tools.pieces, key, reception)
    if reception.direct:
        return arrival(objects, reception.narrow(turn.tools.pipeline.limits), key, reception.digests)
    found = originals(objects, turn.claimed.media.bucket).head(key)
    return None if found is None else Stored(found.size, found.etag)


def spread(turn: Turn) -> None:
    """Owe what one transaction could not, or what a redrive asks for again."""
    turn.persist(lambda: recovery.spread(turn.tools.ledger, turn.task, turn.claimed.media))


def purge(turn: Turn) -> None:
    """Delete every byte of a media; final only when the pass began after the last moment anybody could still write."""
    ledger, media = turn.tools.ledger, turn.claimed.media
    started = ledger.records.now()
    turn.tools.objects.purge(keys.renditions(media.project_id, media.id))
    if not media.adopted:
        turn.tools.objects.purge(keys.originals(media.project_id, media.id))
    quiet = ledger.quiet_at(media)
    if started > quiet:
        turn.persist(lambda: recovery.forget(ledger, media))
        turn.close()
    else:
        turn.persist(lambda: ledger.postpone(turn.task, quiet))


def record(turn: Turn) -> None:
    """The outbox: announce how the media settled (at least once) and count it in its project's totals (once).

    With webhooks, both are noted on the row before the message goes out: its attempts may last for days.
    """
    tools, task, media = turn.tools, turn.task, turn.claimed.media
    _, status, round_ = task.key.split("#")
    totals = _totals(media, Status(status))
    if task.told_at is None:
        tools.queue.announce(
            {"mediaId": media.id, "projectId": media.project_id, "status": status, "round": round_, "task": task.key}
        )
        if tools.webhooks is None:
            turn.close(*totals)
            return
        turn.persist(lambda: tools.ledger.tell(task, totals))
    if tools.webhooks is not None:
        turn.holding.allowed()
        tools.webhooks.send(message(media, task))
    turn.close()


def _totals(media: Media, status: Status) -> tuple[Update, ...]:
    """What the settlement changes in the number and the bytes of the project's ready media, originals included."""
    if media.ready_bytes is None or status not in {Status.READY, Status.DELETED}:
        return ()
    sign = 1 if status is Status.READY else -1
    return (Update(projectrows.totals_key(media.project_id), add={"media": sign, "bytes": sign * media.ready_bytes}),)

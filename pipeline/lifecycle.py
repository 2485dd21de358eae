"""What happens to a media: `advance(media, event)` folds an event into the record and says which tasks are now owed.

Pure. A stage names no successor: `owed` reads what is next off the record alone, and so does whoever recovers it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline import keys
from pipeline.events import (
    Aborted,
    Backfilled,
    Deleted,
    Died,
    Event,
    Made,
    Recognised,
    Redriven,
    Refused,
    Replanned,
    Stored,
    Validated,
)
from pipeline.media import SETTLED, Json, Media, Status
from pipeline.plan import needs
from pipeline.tasks import stage_of

MOST_INSERTS = 97
"""A DynamoDB transaction has at most 100 items: the task, the record, an armed `spread`, and these."""
_OF_BYTES = ("size", "etag", "checksum", "digests", "announced")


@dataclass(frozen=True)
class Step:
    """The record after an event, and the tasks it makes owed: rows to insert, control rows to arm."""

    media: Media
    insert: tuple[str, ...] = ()
    arm: tuple[str, ...] = ()


@dataclass(frozen=True)
class Site:
    """What the world outside lets us say: `url` gives a key's public URL, `originals` whether originals have one."""

    url: Callable[[str], str]
    originals: bool = True


def owed(media: Media) -> tuple[str, ...]:
    """The tasks without which this media cannot settle, in plan order."""
    match media.status:
        case Status.UPLOADING:
            return ("upload",)
        case Status.UPLOADED:
            return ("validate",)
        case Status.PROCESSING:
            parts = media.parts
            return tuple(part for part in parts if part not in media.done and needs(part, parts) <= media.done)
        case _:
            return ()


def admits(media: Media, key: str) -> bool:
    """Whether the record, as it is, wants this task done."""
    match stage_of(key):
        case "record":
            return True
        case "spread":
            return media.status in {Status.UPLOADED, Status.PROCESSING}
        case "backfill":
            return media.status is Status.READY and key == backfill_key(media.backfill)
        case "purge":
            return media.status in {Status.REJECTED, Status.DELETED} or _never_whole(media)
        case _:
            return key in owed(media)


def backfill_key(plan: Json | None) -> str:
    """The row that brings a newer plan; a name of none when there is no such plan."""
    return f"backfill#{plan['recipe']}" if plan else ""


def quiet_at(media: Media, linger: int) -> int:
    """When nobody may write under the media's prefixes any more, in ms; `linger` is renewal + lease + PUT timeout."""
    return max(media.grant_until, (media.settled_at or 0) + linger)


def settled(media: Media) -> bool:
    """Nothing more is owed to whoever uploaded it."""
    return media.status in SETTLED


def advance(media: Media, event: Event, now: int, site: Site) -> Step | None:
    """The step that the event makes; None when the record does not want it: a task is parked, a request refused."""
    step = _FOLDS[type(event)](media, event, now, site)
    if step is None or step.media == media:
        return step
    return replace(step, media=replace(step.media, version=media.version + 1, updated_at=now))


def _recognised(media: Media, event: Recognised, _now: int, site: Site) -> Step | None:
    if media.status is not Status.UPLOADING:
        return None
    return Step(replace(media, **vars(event), s3_url=site.url(event.s3_key)))


def _stored(media: Media, event: Stored, _now: int, site: Site) -> Step | None:
    if media.status is not Status.UPLOADING:
        return None
    urls = {"original": media.s3_url} if site.originals and media.bucket is None else {}
    seen: dict[str, Any] = {name: value for name in ("mime_type", "file_type") if (value := getattr(event, name))}
    facts: dict[str, Any] = {name: getattr(event, name) for name in _OF_BYTES}
    return Step(replace(media, **facts, **seen, urls=urls, status=Status.UPLOADED), insert=("validate",))


def _aborted(media: Media, event: Aborted, now: int, _site: Site) -> Step | None:
    if media.status is not Status.UPLOADING:
        return None
    return _settle(media, Status.FAILED, now, reason=f"upload_{event.reason}", error=event.error, arm="purge")


def _validated(media: Media, event: Validated, _now: int, _site: Site) -> Step | None:
    if media.status is not Status.UPLOADED:
        return None
    probed = replace(media, probe=event.probe, plan=event.plan, recipe=event.plan["recipe"])
    if media.announced:
        probed = replace(probed, digests={**(media.digests or {}), **media.announced}, announced=None)
    planned = replace(probed, status=Status.PROCESSING, done=frozenset({"validate"}))
    due = owed(planned)
    return Step(planned, insert=due[:MOST_INSERTS], arm=("spread",) if len(due) > MOST_INSERTS else ())


def _refused(media: Media, event: Refused, now: int, _site: Site) -> Step | None:
    if media.status is not Status.UPLOADED:
        return None
    return _settle(media, Status.REJECTED, now, reason=event.reason, error=event.error, urls={}, arm="purge")


def _made(media: Media, event: Made, now: int, site: Site) -> Step | None:
    wanted = media.status in {Status.PROCESSING, Status.FAILED}
    if not wanted or event.key not in media.parts or event.key in media.done:
        return None
    made = replace(
        media,
        done=media.done | {event.key},
        renditions={**media.renditions, **event.renditions},
        placeholder=event.placeholder or media.placeholder,
    )
    if (
        media.status is Status.FAILED
    ):  # a sibling that won the race against the failure: a redrive need not make it again
        return Step(made)
    if not set(made.parts) <= made.done:
        before = owed(media)
        return Step(made, insert=tuple(key for key in owed(made) if key not in before))
    urls = {**made.urls, **{name: site.url(output.key) for name, output in made.renditions.items()}}
    total = made.size + sum(output.bytes for output in made.renditions.values())
    return _settle(made, Status.READY, now, urls=urls, ready_bytes=total)


def _died(media: Media, event: Died, now: int, _site: Site) -> Step | None:
    unsettled = media.status in {Status.UPLOADED, Status.PROCESSING}
    if not unsettled or event.key not in {"validate", *media.parts}:
        return Step(media)
    return _settle(media, Status.FAILED, now, reason=event.reason, error=event.error)


def _deleted(media: Media, _event: Deleted, now: int, _site: Site) -> Step | None:
    if media.status is Status.DELETED:
        return None
    return _settle(_tombstone(media), Status.DELETED, now, arm="purge")


def _redriven(media: Media, _event: Redriven, _now: int, _site: Site) -> Step | None:
    if media.status is not Status.FAILED or media.etag is None or _never_whole(media):
        return None
    status = Status.PROCESSING if media.plan else Status.UPLOADED
    again = replace(media, status=status, round=media.round + 1, reason=None, error=None, settled_at=None)
    return Step(again, arm=("spread",))


def _replanned(media: Media, event: Replanned, _now: int, _site: Site) -> Step | None:
    """A later wish takes the place of an earlier one, whose row is then parked."""
    if media.status is not Status.READY:
        return None
    same = media.backfill is not None and media.backfill["recipe"] == event.plan["recipe"]
    return Step(media if same else replace(media, backfill=event.plan), arm=(backfill_key(event.plan),))


def _backfilled(media: Media, event: Backfilled, _now: int, site: Site) -> Step | None:
    """The status stays, and so does what is not replaced."""
    if media.backfill is None or not admits(media, event.key):
        return None
    made = replace(
        media,
        plan=media.backfill,
        recipe=media.backfill["recipe"],
        backfill=None,
        renditions={**media.renditions, **event.renditions},
        urls={**media.urls, **{name: site.url(output.key) for name, output in event.renditions.items()}},
        placeholder=event.placeholder or media.placeholder,
    )
    return Step(replace(made, done=made.done.union(made.parts)))


_FOLDS: Mapping[type, Callable[[Media, Any, int, Site], Step | None]] = {
    Recognised: _recognised,
    Stored: _stored,
    Aborted: _aborted,
    Validated: _validated,
    Refused: _refused,
    Made: _made,
    Died: _died,
    Deleted: _deleted,
    Redriven: _redriven,
    Replanned: _replanned,
    Backfilled: _backfilled,
}


def _settle(media: Media, status: Status, now: int, arm: str | None = None, **facts: Any) -> Step:  # noqa: ANN401 - Media's fields
    """Nothing more is owed to the uploader; the outbox row is owed to everybody else."""
    settled = replace(media, status=status, settled_at=now, **facts)
    told = () if media.partial else (f"record#{status}#{media.round}",)
    return Step(settled, insert=told, arm=(arm,) if arm else ())


def _never_whole(media: Media) -> bool:
    return media.status is Status.FAILED and (media.reason or "").startswith("upload_")


def _tombstone(media: Media) -> Media:
    """What is kept of a deleted media: enough to purge it and to know its id again; nothing its owner said or sent.

    Of its key the part that is ours: the rest is a file's name, or where others had put it.
    """
    kept = ("id", "project_id", "file_type", "mime_type", "upload_date", "version", "round")
    facts = {name: getattr(media, name) for name in (*kept, "adopted", "partial", "grant_until", "ready_bytes")}
    key = "" if media.adopted else keys.originals(media.project_id, media.id)
    return Media(**facts, original_name="", file_name="", s3_key=key, s3_url="", position=None)

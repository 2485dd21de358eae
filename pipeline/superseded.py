"""Renditions that a backfill has replaced: which they are, and when nobody may name them again while they are deleted.

A rendition of an earlier recipe may be wished for again, and is then found in S3 rather than made. So a wish and a
deletion exclude each other: a deletion is allowed by a write that finds no wish in the record, and until the last
DELETE that it allows can have arrived, no wish is written (`replan`). Decision 28.
"""

import re
from collections.abc import Iterable

from pipeline import keys
from pipeline.changes import Absent, Check, Compare, Either, Key, Put, Row, Update
from pipeline.media import Media, Status
from pipeline.plan import Plan
from pipeline.ports import Listed
from pipeline.protocol import SECOND

_PICTURE = re.compile(r"(?!video-|storyboard-|preview-)[a-z0-9][a-z0-9-]*-[0-9a-f]{8}\.(?:jpg|webp|avif|mp4|webm)")
_REMEMBERED = 365 * 24 * 3600
"""Seconds for which a mark outlasts the wait."""


def mark_of(media_id: str) -> Key:
    """The row that says since when a record, in one version of it, does without some objects."""
    return Key("tasks", f"superseded#{media_id}", "mark")


def old(media: Media, listed: Iterable[Listed]) -> tuple[Listed, ...]:
    """What the record of a ready media names no more, of what lies under its prefix of renditions.

    Stills, posters and animations alone, for nothing else is made anew; none while a newer plan is wished for.
    """
    if media.status is not Status.READY or media.backfill is not None:
        return ()
    home = keys.renditions(media.project_id, media.id)
    named = {output.key for output in media.renditions.values()} | {home + suffix for suffix in _promised(media)}
    return tuple(each for each in listed if each.key not in named and _PICTURE.fullmatch(each.key.removeprefix(home)))


def mark(media: Media, now: int, wait: int) -> Put:
    """Begin to wait, `wait` ms; anew when the record has changed since the last mark."""
    row: Row = {"markedAt": now, "version": media.version, "expiresAt": (now + wait) // SECOND + _REMEMBERED}
    return Put(mark_of(media.id), row, Either((Absent("task"), Compare("version", "<", media.version))))


def condemn(media: Media, now: int) -> Update:
    """Allow the deletion of what this version of the record does not name; only together with a check of the record."""
    return Update(mark_of(media.id), Compare("version", "=", media.version), set={"condemnedAt": now})


def untouched(media_id: str, now: int, linger: int) -> Check:
    """Nothing of the media is being deleted that its record might come to name."""
    return Check(mark_of(media_id), Either((Absent("condemnedAt"), Compare("condemnedAt", "<", now - linger))))


def _promised(media: Media) -> list[str]:
    plan = Plan.from_dict(media.plan or {})
    films = [plan.animation.suffix(film) for film in plan.animation.formats] if plan.animation else []
    posters = [plan.poster.still.suffix] if plan.poster else []
    return [*(still.suffix for still in plan.stills), *posters, *films]

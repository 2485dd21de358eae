"""Backfill: what a changed recipe, or a new one, would make of a media that is ready already, and whether it is there.

It covers what is made from one picture or one animated image: stills, posters, animations. A ladder is kept as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline import keys
from pipeline.config import Pipeline
from pipeline.ledger import Ledger
from pipeline.lifecycle import backfill_key
from pipeline.media import Media, Status
from pipeline.plan import Plan, plan
from pipeline.ports import Records
from pipeline.probes import Probe
from pipeline.recovery import replan
from pipeline.rows import media_of
from pipeline.tasks import LIVE

_PAGE = 100


@dataclass(frozen=True)
class Wanted:
    """Which media, and which of their renditions, are meant; what is None does not matter.

    `since` is the earliest upload, aware of its zone; `still` names a rendition, or with all its formats one before the
    dot.
    """

    project_id: str | None = None
    since: datetime | None = None
    still: str | None = None

    def names(self, rendition: str) -> bool:
        """Whether the rendition is meant."""
        return self.still in {None, rendition, rendition.partition(".")[0]}


def find(records: Records, wanted: Wanted) -> Iterator[Media]:
    """The ready media that are meant; without a project the whole table is read, and may lag behind its rows."""
    rows = _of_project(records, wanted.project_id) if wanted.project_id else records.standing([Status.READY])
    for media in map(media_of, rows):
        late = wanted.since is None or datetime.fromisoformat(media.upload_date) >= wanted.since
        if media.status is Status.READY and media.plan and late:
            yield media


def owe(ledger: Ledger, pipeline: Pipeline, media_id: str, wanted: Wanted) -> bool | None:
    """Owe a media what it lacks. True when it is owed now, False when it was owed already, None when it lacks nothing.

    Doing it twice, or at the same time as somebody else, is harmless.
    """

    def replanned(media: Media) -> Plan | None:
        wish = target(media, pipeline, wanted)
        return wish if lacking(media, wish) else None

    return replan(ledger, media_id, replanned)


def under_way(ledger: Ledger, media_id: str) -> bool:
    """Whether somebody works on what the media lacks, or will."""
    media = ledger.read(media_id)
    row = ledger.task(media_id, backfill_key(media.backfill)) if media and media.backfill else None
    return row is not None and row.status in LIVE


def target(media: Media, pipeline: Pipeline, wanted: Wanted) -> Plan:
    """The media's plan as the configuration would have it now; what is not meant, or configured no more, stays."""
    before, now = Plan.from_dict(media.plan or {}), plan(Probe.from_dict(media.probe or {}), pipeline)
    meant = {still.name: still for still in now.stills if wanted.names(still.name)}
    kept = {still.name: still for still in before.stills}
    stills = tuple((kept | meant).values())
    animation = now.animation if now.animation and wanted.names("animation") else before.animation
    poster = now.poster if now.poster and wanted.names("poster") else before.poster
    animate = ("animate",) if animation and "animate" not in before.parts else ()
    parts = (*before.parts, *animate)
    return replace(before, parts=parts, stills=stills, animation=animation, poster=poster, recipe="")


def missing(media: Media, wish: Plan) -> tuple[str, ...]:
    """The names of the plan's pictures and films that are not among the media's renditions."""
    films = wish.animation
    suffixes = [
        *((still.name, still.suffix) for still in wish.stills),
        *([("poster", wish.poster.still.suffix)] if wish.poster else ()),
        *(((films.name(film), films.suffix(film)) for film in films.formats) if films else ()),
    ]
    there = {output.key for output in media.renditions.values()}
    return tuple(name for name, suffix in suffixes if keys.rendition(media.project_id, media.id, suffix) not in there)


def lacking(media: Media, wish: Plan) -> Plan | None:
    """As much of the plan as makes what is missing; None when nothing is."""
    names = missing(media, wish)
    if not names:
        return None
    films = {wish.animation.name(film) for film in wish.animation.formats} if wish.animation else set()
    pictures = ("poster",) if wish.video else ("thumbnail",)  # a poster's stills come with it, from the same frame
    parts = (*(pictures if set(names) - films else ()), *(("animate",) if films & {*names} else ()))
    return replace(wish, parts=parts, stills=tuple(still for still in wish.stills if still.name in names))


def _of_project(records: Records, project_id: str) -> Iterator[dict[str, object]]:
    after = -1
    while rows := records.project(project_id, after, _PAGE):
        yield from rows
        after = int(rows[-1]["position"])

"""`darkroom backfill`: what is ready gets the renditions that `pipeline.toml` asks for now."""

import argparse
import threading
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

from rich.console import Console

from ops import bars
from ops.hands import borrowed
from ops.rundir import RunDir
from pipeline import deadletters
from pipeline.adapters.wiring import Services
from pipeline.backfill import Wanted, find, missing, owe, target, under_way
from pipeline.ports import Records
from pipeline.rows import task_of
from pipeline.tasks import SHARDS, stage_of
from pipeline.units import seconds

STAGE = "backfill"
LOOK = 1.0
"""Seconds between two looks at what is left."""
_EVER = 2**53
_BATCH = 1000


class UnknownRenditionError(Exception):
    """Nothing of that name is configured; the text names what is."""


def preview(services: Services, wanted: Wanted) -> None:
    """Print what each media lacks, and how much that is; nothing is changed.

    Raises:
        UnknownRenditionError: pipeline.toml has no such rendition.
    """
    _require_known(services, wanted)
    counts: Counter[str] = Counter()
    media = 0
    for each in find(services.ledger.records, wanted):
        names = missing(each, target(each, services.pipeline, wanted))
        if names:
            print(f"{each.id}: {', '.join(names)}")
            counts.update(names)
            media += 1
    print(f"{media} media lack something" + "".join(f"; {name}: {count}" for name, count in sorted(counts.items())))


def run(run_dir: RunDir, services: Services, wanted: Wanted, stop: threading.Event, *, detached: bool) -> None:
    """Owe each media what it lacks and, unless detached, show how far the workers are until they are done.

    A stack on this machine is lent workers for as long as that takes.

    It may be interrupted at any time and run again: what is owed is worked on, what is made is not owed again.

    Raises:
        UnknownRenditionError: pipeline.toml has no such rendition.
        UnavailableError: the record store is away; what was owed until then is.
    """
    _require_known(services, wanted)
    ledger, console = services.ledger, Console()
    outcomes: dict[str, bool | None] = {}
    with closing(bars.choose(console)) as shown:
        for each in find(ledger.records, wanted):
            outcomes[each.id] = owe(ledger, services.pipeline, each.id, wanted)
            if stop.is_set():
                break
        new, old, complete = (list(outcomes.values()).count(each) for each in (True, False, None))
        shown.show(STAGE, f"{new} owed, {old} owed before, {complete} complete", 0.0)
        if not detached:
            _follow(run_dir, services, [each for each, owed in outcomes.items() if owed is not None], shown, stop)
    if stop.is_set():
        console.print("Stopped. What is owed stays owed: run it again to go on.", soft_wrap=True)
    elif not detached:
        dead = sum(1 for _ in deadletters.find(services.ledger.records, deadletters.Wanted(stage=STAGE)))
        told = f"{dead} could not be made: make dead STAGE={STAGE}" if dead else "Everything is there."
        console.print(told, soft_wrap=True)


def moment(text: str) -> datetime:
    """`2026-11-01`, `2026-11-01T10:00:00Z`, or `7d` ago; raises ArgumentTypeError for anything else."""
    try:
        return datetime.now(UTC) - timedelta(seconds=seconds(text))
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date (2026-11-01) and no time ago (7d)") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _follow(run_dir: RunDir, services: Services, media: list[str], shown: bars.Bars, stop: threading.Event) -> None:
    """Show how many of the media are done. The index tells how many are left, at the end, for it may lag, the rows."""
    if not media:
        return
    ledger, waiting, total = services.ledger, media, len(media)
    with borrowed(run_dir, services.pipeline.stage(STAGE).queue) as look:
        while waiting and not stop.is_set():
            left = len(_owed(ledger.records) & set(waiting))
            if not left:
                waiting = [each for each in waiting if under_way(ledger, each)]
                left = len(waiting)
            shown.show(STAGE, f"{total - left} of {total} made", (total - left) / total)
            if left:
                look()
                stop.wait(LOOK)


def _owed(records: Records) -> set[str]:
    """The media that have a backfill on the wake index."""
    found: set[tuple[str, str]] = set()
    for shard in range(SHARDS):
        after = 0
        while rows := [task_of(row) for row in records.overdue(shard, _EVER, _BATCH, after)]:
            keys = {(row.media_id, row.key) for row in rows}
            after = (rows[-1].wake_at or 0) + (0 if keys - found else 1)
            found |= keys
            if len(rows) < _BATCH:
                break
    return {media_id for media_id, key in found if stage_of(key) == STAGE}


def _require_known(services: Services, wanted: Wanted) -> None:
    rules = services.pipeline
    films = (rules.animation.name(film) for film in rules.animation.formats) if rules.animation else ()
    there = [*(still.name for still in rules.stills), "poster", *films]
    if not any(wanted.names(name) for name in there):
        raise UnknownRenditionError(f"pipeline.toml has no {wanted.still!r}; it has {', '.join(there)}")

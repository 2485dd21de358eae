"""The stages of a plan, from claim to commit: fetch, make, store write-once, commit with the stored objects' facts."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline import keys
from pipeline.adapters import checksums
from pipeline.backfill import lacking
from pipeline.errors import AlreadyStoredError, TransientError
from pipeline.events import Backfilled, Refused, Validated
from pipeline.events import Made as PartMade
from pipeline.limits import Rejected, reject
from pipeline.media import Output
from pipeline.originals import originals
from pipeline.plan import Plan, plan, wants_packets
from pipeline.ports import Found, Label
from pipeline.probes import Probe
from pipeline.tasks import stage_of
from workers import images
from workers.inspection import inspect, read_packets
from workers.jobs import File, Job, Promise
from workers.rendering import Turn
from workers.stages import WORK

FOREVER = "public, max-age=31536000, immutable"
"""RFC 8246: the recipe is in the key, so that what a key names never changes."""
_AT_ONCE = 4  # PUTs in flight for one part


def validate(turn: Turn) -> None:
    """Fetch the original, look whether it is what its client announced, look inside, judge, plan."""
    original, rules = _original(turn), turn.tools.pipeline
    verdict = (
        _other(turn, original)
        or _developed(turn, original)
        or inspect(original, turn.holding.children, rules.limits, rules.metadata)
    )
    if isinstance(verdict, Rejected):
        turn.commit(Refused(verdict.reason, verdict.error))
        return
    if wants_packets(verdict, rules):
        verdict = read_packets(original, verdict, turn.holding.children, rules.limits)
    turn.commit(Validated(verdict.to_dict(), plan(verdict, rules).to_dict()))


def _other(turn: Turn, original: Path) -> Rejected | None:
    """The refusal of bytes that do not have the digests which S3 could not compare when they came."""
    announced = dict(turn.claimed.media.announced or {})
    found = checksums.of_file(original, announced, turn.holding.allowed) if announced else {}
    return None if found == announced else reject("digest_mismatch")


def _developed(turn: Turn, original: Path) -> Probe | None:
    """The probe of a photo whose stills the same worker makes next: then they are made now, of the same decode."""
    rules, children = turn.tools.pipeline, turn.holding.children
    if turn.claimed.media.file_type != "image" or rules.stage("thumbnail").queue != turn.task.queue:
        return None
    folder = turn.desk.folder / "ahead"
    folder.mkdir(exist_ok=True)
    found = images.develop(original, rules, rules.stills, scratch=folder, children=children)
    if found is None:
        return None
    probe, turn.desk.ahead = found
    return probe


def make(turn: Turn) -> None:
    """Make what the plan promises for one part, unless an earlier attempt has stored it whole."""
    turn.commit(_part(turn, Plan.from_dict(turn.claimed.media.plan or {}), turn.task.key))


def backfill(turn: Turn) -> None:
    """Make what a ready media lacks of its newer plan, part by part, unless an earlier attempt has stored it whole."""
    media = turn.claimed.media
    lacked = lacking(media, Plan.from_dict(media.backfill or {}))
    made = [_part(turn, lacked, part) for part in lacked.parts] if lacked else []
    renditions = {name: output for part in made for name, output in part.renditions.items()}
    placeholder = next((part.placeholder for part in made if part.placeholder), None)
    turn.commit(Backfilled(turn.task.key, renditions, placeholder))


def _part(turn: Turn, frozen: Plan, part: str) -> PartMade:
    whole = None
    if turn.task.epoch > 1:
        whole = _stored_before(turn, part, WORK[stage_of(part)].promised(frozen, part))
    return whole or _made(turn, frozen, part)


def _made(turn: Turn, frozen: Plan, part: str) -> PartMade:
    tools, media, task = turn.tools, turn.claimed.media, turn.task
    with turn.desk.drawer() as folder:
        job = Job(
            part=part,
            probe=Probe.from_dict(media.probe or {}),
            plan=frozen,
            scratch=folder,
            children=turn.holding.children,
            ffmpeg=tools.ffmpeg,
            source=lambda: _original(turn),
            derived=lambda name, size, make: _derived(turn, name, size, make),
            fetch=lambda suffix: _fetched(turn, suffix),
            placeholder=media.placeholder is None,
            ahead=turn.desk.ahead,
            report=lambda report: tools.queue.report(media.project_id, media.id, task.key, report),
        )
        made = WORK[stage_of(part)].make(job)
        # The last file marks the part as whole: it carries what else the part found, and is stored when all others are.
        *first, last = made.files
        note = {"placeholder": json.dumps(made.placeholder)} if made.placeholder else {}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            outputs = [*pool.map(lambda file: _store(turn, file, {}), first), _store(turn, last, note)]
    named = {file.rendition: output for file, output in zip(made.files, outputs, strict=True) if file.rendition}
    return PartMade(part, named, made.placeholder)


def _store(turn: Turn, file: File, note: dict[str, str]) -> Output:
    media, objects = turn.claimed.media, turn.tools.objects
    key = keys.rendition(media.project_id, media.id, file.suffix)
    facts = {name: str(value) for name in ("width", "height", "duration") if (value := getattr(file, name)) is not None}
    label = Label(file.mime_type, facts | note, cache_control=FOREVER)
    try:
        found = objects.store(key, file.path, label, turn.holding.allowed)
    except AlreadyStoredError:
        earlier = objects.head(key)
        if earlier is None:  # purged in between: the next look at the record will say so
            raise TransientError(f"{key} was stored and is gone") from None
        found = earlier
    return _output(key, found)


def _stored_before(turn: Turn, part: str, promises: Sequence[Promise]) -> PartMade | None:
    """The part as an earlier attempt stored it, or None when any of its objects is not there."""
    media = turn.claimed.media
    found: dict[str, Output] = {}
    placeholder: dict[str, Any] | None = None
    for promise in reversed(promises):  # the last one marks the part as whole: usually one look is enough
        key = keys.rendition(media.project_id, media.id, promise.suffix)
        stored = turn.tools.objects.head(key)
        if stored is None:
            return None
        if promise.rendition:
            found[promise.rendition] = _output(key, stored)
        if "placeholder" in stored.facts:
            placeholder = json.loads(stored.facts["placeholder"])
    return PartMade(part, found, placeholder)


def _output(key: str, found: Found) -> Output:
    facts = found.facts
    return Output(
        key=key,
        mime_type=found.mime_type,
        bytes=found.size,
        etag=found.etag,
        width=int(facts["width"]) if "width" in facts else None,
        height=int(facts["height"]) if "height" in facts else None,
        duration=float(facts["duration"]) if "duration" in facts else None,
    )


def _original(turn: Turn) -> Path:
    """The original under a name of ours, fetched when it is first asked for; of a film, once for the whole machine."""
    media = turn.claimed.media
    path, objects = turn.desk.folder / "original", originals(turn.tools.objects, media.bucket)
    return _kept(turn, path, media.size, lambda path: objects.fetch(media.s3_key, path, media.etag))


def _derived(turn: Turn, name: str, size: int, make: Callable[[Path], None]) -> Path:
    """What is made of a film's original before any of its chunks, once for the whole machine."""
    return _kept(turn, turn.desk.folder / name, size, make)


def _kept(turn: Turn, path: Path, size: int, make: Callable[[Path], None]) -> Path:
    media, cache = turn.claimed.media, turn.tools.cache
    if path.exists():
        return path
    if cache is None or media.file_type != "video" or media.etag is None:
        make(path)
    else:
        cache.link(f"{media.bucket} {media.s3_key} {media.etag} {path.name}", size, path, make, turn.holding.wait)
    return path


def _fetched(turn: Turn, suffix: str) -> Path:
    media, path = turn.claimed.media, turn.desk.folder / "fetched" / suffix
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        turn.tools.objects.fetch(keys.rendition(media.project_id, media.id, suffix), path)
    return path

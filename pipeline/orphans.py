"""The orphan scan: finds what nobody will ever come back for, or what should be owed and is not, and puts it right.

It is the net below the protocol, for what the protocol excludes: a process frozen for longer than a purge waits, a part
of the bucket or of the tables restored from yesterday, a row removed by hand. What a record names is never deleted.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from pipeline import keys, protocol, superseded
from pipeline.changes import Absent, Change, Check, Key, Put, RefusedError
from pipeline.ledger import Ledger
from pipeline.lifecycle import MOST_INSERTS, admits, owed, settled
from pipeline.media import UNSETTLED, Media
from pipeline.ports import Listed, ObjectStore, Pieces, Upload
from pipeline.rows import media_of, task_of
from pipeline.superseded import old
from pipeline.tasks import LIVE, stage_of

_KEPT = 365 * 24 * 3600
"""Seconds that a mark is remembered; what is marked stays an orphan, so that it could be for ever."""
_ROOTS = ("projects/", "renditions/")


class Kind(StrEnum):
    """What is wrong; the value is how it is told."""

    BYTES = "bytes without a record"
    UPLOAD = "upload left open"
    UNPURGED = "bytes of a media that is gone"
    STRANDED = "media that nothing works on"
    SUPERSEDED = "superseded renditions"
    FOREIGN = "not Darkroom's"


@dataclass(frozen=True)
class Orphan:
    """One finding: `what` is a prefix, a key or a media id; `count` objects of `size` bytes are there."""

    kind: Kind
    what: str
    media_id: str = ""
    upload_id: str = ""
    count: int = 0
    size: int = 0

    @property
    def mark(self) -> Key:
        """The row that says since when it is known."""
        return Key("tasks", f"orphan#{self.what}?{self.upload_id}", "mark")


@dataclass(frozen=True)
class Scan:
    """`wait` is how long a mark has to be there, in ms, before what it marks is deleted.

    `superseded` is the same for renditions that a backfill has replaced, None to keep them.
    """

    ledger: Ledger
    objects: ObjectStore
    pieces: Pieces
    wait: int
    superseded: int | None = None

    def find(self) -> Iterator[Orphan | None]:
        """Every orphan, and None for each media whose bytes are where they belong. Changes nothing."""
        for root in _ROOTS:
            for prefix, listed in groupby(self.objects.list(root), key=lambda each: keys.home(each.key) or each.key):
                there = tuple(listed)
                media = self._inhabitant(prefix)
                orphan = self._bytes(prefix, media, there)
                yield orphan
                if orphan is None and media and self.superseded is not None and (past := old(media, there)):
                    yield _orphan(Kind.SUPERSEDED, prefix, media.id, past)
            yield from (orphan for upload in self.objects.uploads(root) if (orphan := self._upload(upload)))
        for row in self.ledger.records.standing(UNSETTLED):
            if self._stranded(media_of(row).id):
                yield Orphan(Kind.STRANDED, media_of(row).id, media_of(row).id)

    def mend(self, orphan: Orphan) -> str:
        """Put it right, or take the next step towards that; returns what was done."""
        return _MENDING[orphan.kind](self, orphan)

    def _inhabitant(self, prefix: str) -> Media | None:
        media_id = keys.inhabitant(prefix)
        return self.ledger.read(media_id) if media_id else None

    def _bytes(self, prefix: str, media: Media | None, there: tuple[Listed, ...]) -> Orphan | None:
        if media is None:
            media_id = keys.inhabitant(prefix)
            return _orphan(Kind.BYTES if media_id else Kind.FOREIGN, prefix, media_id or "", there)
        if prefix not in _homes(media):
            return _orphan(Kind.FOREIGN, prefix, media.id, there)
        return _orphan(Kind.UNPURGED, prefix, media.id, there) if self._unpurged(media) else None

    def _upload(self, upload: Upload) -> Orphan | None:
        """While a media is unsettled, or was until just now, somebody may still be sending parts."""
        media_id = keys.inhabitant(keys.home(upload.key) or "")
        if media_id is None:
            return Orphan(Kind.FOREIGN, upload.key, "", upload.id)
        media = self.ledger.read(media_id)
        open_still = media is not None and not self._quiet(media)
        return None if open_still else Orphan(Kind.UPLOAD, upload.key, media_id, upload.id)

    def _quiet(self, media: Media) -> bool:
        return settled(media) and self.ledger.records.now() > self.ledger.quiet_at(media)

    def _unpurged(self, media: Media) -> bool:
        purge = self.ledger.task(media.id, "purge")
        return admits(media, "purge") and self._quiet(media) and (purge is None or purge.status not in LIVE)

    def _stranded(self, media_id: str) -> Media | None:
        """The unsettled media, if none of its rows is on the wake index: the third law is broken."""
        before = self.ledger.read(media_id)
        live = [task for task in map(task_of, self.ledger.records.tasks(media_id)) if task.status in LIVE]
        if before is None or settled(before) or any(stage_of(task.key) not in {"purge", "record"} for task in live):
            return None
        return before if self.ledger.read(media_id) == before else None

    def _awaited(self, orphan: Orphan) -> str | None:
        """What to say while the mark is too young; None when it has been there for long enough."""
        now = self.ledger.records.now()
        row = {"markedAt": now, "expiresAt": now // 1000 + _KEPT}
        try:
            self.ledger.records.write([Put(orphan.mark, row, Absent("task"))])
        except RefusedError:
            marked = (self.ledger.records.get(orphan.mark) or row)["markedAt"]
            return None if now - marked >= self.wait else "marked before"
        return "marked"

    def _delete(self, orphan: Orphan) -> str:
        waiting = self._awaited(orphan)
        if waiting is not None:
            return waiting
        if self._inhabitant(orphan.what) is not None:
            return "spared"
        self.objects.purge(orphan.what)
        return "deleted"

    def _abort(self, orphan: Orphan) -> str:
        waiting = self._awaited(orphan)
        if waiting is not None:
            return waiting
        if self._upload(Upload(orphan.what, orphan.upload_id)) != orphan:
            return "spared"
        self.objects.abort(orphan.what, orphan.upload_id)
        return "aborted"

    def _retire(self, orphan: Orphan) -> str:
        """Delete what the record does without, as long as no wish can name it again."""
        ledger, media, since = self.ledger, self._inhabitant(orphan.what), time.monotonic()
        past = old(media, self.objects.list(orphan.what)) if media else ()
        if media is None or self.superseded is None or not past:
            return "spared"
        now, seen = ledger.records.now(), ledger.records.get(superseded.mark_of(media.id))
        if seen is not None and seen["version"] == media.version and now - seen["markedAt"] < self.superseded:
            return "marked before"
        waited = seen is not None and seen["version"] == media.version
        same = Check(protocol.media_key(media.id), protocol.unchanged(media))
        write = superseded.condemn(media, now) if waited else superseded.mark(media, now, self.superseded)
        try:
            ledger.records.write([same, write])
        except RefusedError:
            return "spared"
        for each in past if waited else ():
            if time.monotonic() - since > ledger.lease.length / 1000:  # what is left goes next time
                return "deleted in part"
            self.pieces.drop(each.key)
        return "deleted" if waited else "marked"

    def _purge(self, orphan: Orphan) -> str:
        media = self.ledger.read(orphan.media_id)
        return self._owe(media, ("purge",)) if media is not None and self._unpurged(media) else "spared"

    def _work(self, orphan: Orphan) -> str:
        media = self._stranded(orphan.media_id)
        if media is None:
            return "spared"
        due = owed(media)
        return self._owe(media, (*due[:MOST_INSERTS], *(("spread",) if len(due) > MOST_INSERTS else ())))

    def _owe(self, media: Media, due: tuple[str, ...]) -> str:
        """Arm these rows if the record is the one that was looked at."""
        ledger, now = self.ledger, self.ledger.records.now()
        same: Change = Check(protocol.media_key(media.id), protocol.unchanged(media))
        armed = (protocol.arm(media, key, ledger.queue_of(media, key), now) for key in due)
        try:
            ledger.records.write([same, *armed])
        except RefusedError:
            return "spared"
        ledger.hint(media, due)
        return "owed again"


_MENDING: Mapping[Kind, Callable[[Scan, Orphan], str]] = {
    Kind.BYTES: Scan._delete,  # noqa: SLF001 - the class's own table
    Kind.UPLOAD: Scan._abort,  # noqa: SLF001
    Kind.UNPURGED: Scan._purge,  # noqa: SLF001
    Kind.STRANDED: Scan._work,  # noqa: SLF001
    Kind.SUPERSEDED: Scan._retire,  # noqa: SLF001
    Kind.FOREIGN: lambda _scan, _orphan: "left alone",
}


def _orphan(kind: Kind, prefix: str, media_id: str, there: tuple[Listed, ...]) -> Orphan:
    return Orphan(kind, prefix, media_id, "", len(there), sum(each.size for each in there))


def _homes(media: Media) -> frozenset[str]:
    """The prefixes that a purge of the media covers; an adopted original lies elsewhere."""
    own = () if media.adopted else (keys.originals(media.project_id, media.id),)
    return frozenset((keys.renditions(media.project_id, media.id), *own))

"""Dead letters: the tasks that ended without success, listed by their index and sent again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pipeline import recovery
from pipeline.ledger import Ledger
from pipeline.lifecycle import admits
from pipeline.media import Media, Status
from pipeline.plan import Plan
from pipeline.ports import Records
from pipeline.rows import task_of
from pipeline.tasks import SHARDS, Task, TaskStatus

UNDER_WAY = frozenset({Status.UPLOADED, Status.PROCESSING})
"""Where a redriven media stands: asking again then changes nothing."""


@dataclass(frozen=True)
class Wanted:
    """Which dead letters are meant; what is None does not matter."""

    media_id: str | None = None
    reason: str | None = None
    stage: str | None = None

    def __contains__(self, letter: Task) -> bool:
        """Whether the letter has all that is asked for."""
        pairs = ((self.media_id, letter.media_id), (self.reason, letter.reason), (self.stage, letter.stage))
        return all(wanted in {None, there} for wanted, there in pairs)


def find(records: Records, wanted: Wanted) -> Iterator[Task]:
    """The dead letters that are wanted, oldest first within a shard; those of one media are read consistently."""
    everywhere = (row for shard in range(SHARDS) for row in records.dead(shard))
    for letter in map(task_of, records.tasks(wanted.media_id) if wanted.media_id else everywhere):
        if letter.status is TaskStatus.DEAD and letter in wanted:
            yield letter


def redrive(ledger: Ledger, wanted: Wanted) -> Iterator[tuple[Task, bool]]:
    """Send the wanted letters again; yields each with whether its work is owed now.

    A dead part means its media, which is redriven as a whole and once; a dead outbox row, or a dead backfill that is
    still wanted, is owed again by itself, for its media has long settled. Doing it twice is harmless.
    """
    redriven: dict[str, bool] = {}
    for letter in find(ledger.records, wanted):
        if letter.stage in _APART:
            yield letter, _APART[letter.stage](ledger, letter)
            continue
        if letter.media_id not in redriven:
            redriven[letter.media_id] = retried(ledger.redrive(letter.media_id))
        yield letter, redriven[letter.media_id]


def _replayed(ledger: Ledger, letter: Task) -> bool:
    media = ledger.read(letter.media_id)
    if media is not None:
        recovery.replay(ledger, media, letter.key)  # False would say that it is owed by now: as good
    return media is not None


def _backfilled(ledger: Ledger, letter: Task) -> bool:
    def wish(media: Media) -> Plan | None:
        return Plan.from_dict(media.backfill) if media.backfill and admits(media, letter.key) else None

    return recovery.replan(ledger, letter.media_id, wish) is not None


_APART: Mapping[str, Callable[[Ledger, Task], bool]] = {"record": _replayed, "backfill": _backfilled}


def retried(media: Media | None) -> bool:
    """Whether a record, as a redrive left it, is being worked on."""
    return media is not None and media.status in UNDER_WAY

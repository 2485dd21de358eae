"""`darkroom dead`, `redrive` and `replay`: work that ended without success, shown and sent again."""

import json
from datetime import UTC, datetime

from rich.console import Console

from ops import listings
from ops.status import UnknownMediaError
from pipeline import deadletters, recovery
from pipeline.adapters.wiring import Services
from pipeline.deadletters import Wanted
from pipeline.lifecycle import settled
from pipeline.tasks import Task


class NothingToSendError(Exception):
    """What was asked for cannot be sent again; the text says why."""


def show(services: Services, wanted: Wanted, *, as_json: bool) -> None:
    """Print the dead letters that are wanted: a table, or one JSON object a line.

    Raises:
        UnavailableError: the record store is away.
    """
    letters = deadletters.find(services.ledger.records, wanted)
    if as_json:
        for letter in letters:
            print(json.dumps(_facts(letter)))
        return
    names = ("mediaId", "task", "reason", "attempts", "deadAt", "lastError")
    rows = ([str(facts[name] or "") for name in names] for facts in map(_facts, letters))
    headings = ("media", "task", "reason", "attempts", "died", "last error")
    listings.show(Console(), headings, rows, "There are no dead letters.")


def redrive(services: Services, wanted: Wanted) -> None:
    """Send the wanted letters again, each media once, and say what became of each; repeating it is harmless.

    Raises:
        UnknownMediaError: there is no media of the id that is wanted.
        UnavailableError: the record store is away; what was printed until then is owed.
    """
    if wanted.media_id and services.ledger.read(wanted.media_id) is None:
        raise UnknownMediaError(f"There is no media {wanted.media_id}")
    count = 0
    for letter, owed in deadletters.redrive(services.ledger, wanted):
        count += owed
        print(f"{letter.media_id} {letter.key}: {'owed again' if owed else 'not wanted any more'}")
    print(f"{count} owed again." if count else "Nothing to send again.")


def replay(services: Services, media_id: str) -> None:
    """Send the webhook about a media's settlement again.

    Raises:
        UnknownMediaError: there is none of that id.
        NothingToSendError: it has not settled yet.
    """
    media = services.ledger.read(media_id)
    if media is None:
        raise UnknownMediaError(f"There is no media {media_id}")
    if not settled(media):
        raise NothingToSendError(f"{media_id} is {media.status}: there is nothing to tell yet")
    key = f"record#{media.status}#{media.round}"
    print(f"{key}: {'owed again' if recovery.replay(services.ledger, media, key) else 'owed already'}")


def _facts(letter: Task) -> dict[str, str | int | None]:
    return {
        "mediaId": letter.media_id,
        "task": letter.key,
        "stage": letter.stage,
        "reason": letter.reason,
        "lastError": letter.last_error,
        "attempts": letter.attempts,
        "owedAt": _time(letter.owed_at),
        "deadAt": _time(letter.dead_at),
    }


def _time(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")

"""Requests that may come twice: a row for each `Idempotency-Key`, so that one key makes one media.

The row is held like a task, by epoch and time. The transaction that begins a media names it in the row, so that whoever
comes after a crash reads off the record what became of the first request.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.changes import Absent, Change, Compare, Condition, Every, Key, Put, RefusedError, Row, Update
from pipeline.ports import Records

HELD = 60_000
"""Milliseconds for which a request has its key without renewing that; longer and it is taken for dead."""
RENEWED = 20.0
"""Seconds between two renewals."""
KEPT = 24 * 3600
"""Seconds for which a key is remembered after its last write."""


@dataclass(frozen=True)
class Turn:
    """The right to answer the request of a key; `taken` says which media an earlier holder began, if one did."""

    key: Key
    epoch: int
    taken: str | None = None

    def begins(self, media_id: str) -> Update:
        """Goes into the transaction that begins the media: refused when the key is somebody else's by now."""
        named = Every((_held(self), Absent("began") if self.taken is None else Compare("began", "=", self.taken)))
        return Update(self.key, named, set={"began": media_id})


@dataclass(frozen=True)
class Replay:
    """The request was answered before, like this."""

    reply: Mapping[str, Any]


@dataclass(frozen=True)
class Busy:
    """Its first sender is still being served."""


@dataclass(frozen=True)
class Other:
    """The key came with another request before."""


def place(caller: str, key: str) -> Key:
    """The row of a caller's key."""
    return Key("tasks", f"request#{caller}#{hashlib.sha256(key.encode()).hexdigest()}", "reply")


def begin(records: Records, key: Key, fingerprint: str) -> Turn | Replay | Busy | Other:
    """Take the key, or say why not; `fingerprint` tells requests apart."""
    while True:
        now = records.now()
        try:
            records.write([Put(key, _row(now, fingerprint, 1), Absent("task"))])
        except RefusedError:
            row = records.get(key)
        else:
            return Turn(key, 1)
        if row is None:
            continue
        old = row["expiresAt"] * 1000 <= now  # stores delete such rows when they come to it
        if not old and (answer := _answer(row, fingerprint, now)) is not None:
            return answer
        taken = None if old else row.get("began")
        kept = {} if taken is None else {"began": taken}
        try:
            records.write([Put(key, _row(now, fingerprint, row["epoch"] + 1) | kept, _as_seen(row))])
        except RefusedError:
            continue
        return Turn(key, row["epoch"] + 1, taken)


def renew(records: Records, turn: Turn) -> None:
    """Hold the key for longer; raises `RefusedError` when it is ours no more."""
    records.write([_change(records, turn, heldUntil=records.now() + HELD)])


def answered(records: Records, turn: Turn, reply: Mapping[str, Any]) -> None:
    """Remember the answer; raises `RefusedError` when the key is ours no more."""
    records.write([_change(records, turn, status="DONE", reply=dict(reply))])


def given_up(records: Records, turn: Turn) -> None:
    """Let the next request with this key try again; raises `RefusedError` when it is ours no more."""
    records.write([_change(records, turn, heldUntil=0)])


def _answer(row: Row, fingerprint: str, now: int) -> Replay | Busy | Other | None:
    if row["fingerprint"] != fingerprint:
        return Other()
    if row["status"] == "DONE":
        return Replay(row["reply"])
    return Busy() if row["heldUntil"] > now else None


def _row(now: int, fingerprint: str, epoch: int) -> Row:
    held = {"status": "RUNNING", "epoch": epoch, "heldUntil": now + HELD}
    return {"fingerprint": fingerprint, "expiresAt": now // 1000 + KEPT, **held}


def _change(records: Records, turn: Turn, **said: Any) -> Change:  # noqa: ANN401 - what JSON can say
    return Update(turn.key, _held(turn), set={"expiresAt": records.now() // 1000 + KEPT, **said})


def _held(turn: Turn) -> Condition:
    return Every((Compare("status", "=", "RUNNING"), Compare("epoch", "=", turn.epoch)))


def _as_seen(row: Row) -> Condition:
    """Renewed, answered or taken over since, it is another."""
    same = (Compare(name, "=", row[name]) for name in ("status", "epoch", "heldUntil"))
    return Every((*same, Compare("began", "=", row["began"]) if "began" in row else Absent("began")))

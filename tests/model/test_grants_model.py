"""Uploads in several requests, every interleaving: the product's own writes to the row, two requests and a worker.

The upload has two parts. Requests take its row, store parts, note what is safe, lay it down, make the object, commit;
any of them may die between two of these, and S3 may fail to make the object. A worker looks at what is due. Time is
abstract: a lease lapses when its holder is gone, and the grant is over at any moment, once.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pipeline import grants, protocol
from pipeline.changes import Put, Update, apply, holds
from pipeline.reception import Reception, reception_of
from pipeline.rows import task_of
from pipeline.tasks import TaskStatus
from tests.model.exploring import explore
from tests.world import new_media

NOW, UNTIL, LATER = 1_000_000, 2_000_000, 3_000_000
LEASE = protocol.Lease(length=10**9)
PARTS = 2
MEDIA = new_media()
WORKER = 2
"""The last hand; the others are requests."""


class Hand(NamedTuple):
    """Who holds the row, or believes to: `at` is how many parts it knows of.

    A `frozen` one slept past its lease: its own clock keeps it from S3, but a write to the row may be on its way.
    """

    phase: str
    epoch: int
    at: int
    frozen: bool = False


class State(NamedTuple):
    """`told`: a client knows that every byte is there. `parts` and `made` are S3's."""

    status: str
    row: tuple[tuple[str, Any], ...]
    parts: int = 0
    made: bool = False
    told: bool = False
    over: bool = False
    hands: tuple[Hand | None, ...] = (None, None, None)
    crashes: int = 2
    failures: int = 1
    deletes: int = 1
    zombies: int = 1


def frozen(row: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    kept = {**row, "reception": tuple(sorted(row.get("reception", {}).items())), "attempts": 0, "owedAt": 0}
    return tuple(sorted(kept.items()))


def thawed(state: State) -> dict[str, Any]:
    row = dict(state.row)
    return {**row, "reception": dict(row["reception"])}


def written(state: State, change: Update) -> State | None:
    """After the write; None when it is refused."""
    row = thawed(state)
    return state._replace(row=frozen(apply(change, row) or {})) if holds(change.condition, row) else None


def first() -> State:
    granted: Put = grants.granted(MEDIA, "q", NOW, UNTIL, UNTIL, Reception(part_size=1, length=PARTS, upload_id="u"))
    return State("uploading", frozen(granted.row | granted.key.attributes))


def now(state: State) -> int:
    return LATER if state.over else NOW


def with_hand(state: State, index: int, hand: Hand | None) -> State:
    return state._replace(hands=(*state.hands[:index], hand, *state.hands[index + 1 :]))


def steps(state: State) -> Iterator[tuple[str, State]]:
    row, task = thawed(state), task_of(thawed(state))
    whole = reception_of(row["reception"]).whole
    if not state.over:
        yield "the grant is over", state._replace(over=True)
    if state.deletes and state.status == "uploading":
        yield "deleted", state._replace(status="deleted", deletes=0)
    if task.status is TaskStatus.RUNNING and not any(hand and hand.epoch == task.epoch for hand in state.hands):
        yield "the lease is over", state._replace(row=frozen({**row, "leaseUntil": 0}))
    for index, hand in enumerate(state.hands):
        if hand is None:
            yield from _taken(state, index, ours=whole)
            continue
        if state.zombies and hand.epoch == task.epoch and task.status is TaskStatus.RUNNING and not hand.frozen:
            slept = with_hand(state, index, hand._replace(frozen=True))._replace(zombies=0)
            yield f"sleep at {hand.phase}", slept._replace(row=frozen({**row, "leaseUntil": 0}))
        if state.crashes:
            yield f"crash at {hand.phase}", with_hand(state, index, None)._replace(crashes=state.crashes - 1)
        yield from (_worked if index == WORKER else _brought)(state, index, hand)


def _taken(state: State, index: int, *, ours: bool) -> Iterator[tuple[str, State]]:
    """A client comes only while something is missing, and its grant lasts; a worker when the row is due."""
    if index == WORKER:
        change = protocol.claim(MEDIA.id, "upload", now(state), LEASE, None)
    elif ours or state.over:
        return
    else:
        change = grants.taken(MEDIA.id, now(state), LEASE)
    if (after := written(state, change)) is not None:
        task = task_of(thawed(after))
        phase = "look" if index == WORKER else "bring"
        yield f"{index} takes it", with_hand(after, index, Hand(phase, task.epoch, task.offset))


def _brought(state: State, index: int, hand: Hand) -> Iterator[tuple[str, State]]:
    row = thawed(state)
    mine = task_of({**row, "epoch": hand.epoch, "status": "RUNNING"})
    reception = Reception(part_size=1, length=PARTS, upload_id="u")
    whole = Reception(part_size=1, length=PARTS, upload_id="u", whole=True, crc="c")
    match hand.phase:
        case "bring":
            if hand.at < PARTS and not hand.frozen:
                stored = state._replace(parts=max(state.parts, hand.at + 1))
                yield "a part is stored", with_hand(stored, index, hand._replace(at=hand.at + 1))
            if hand.at == PARTS:
                yield from _or_fenced(
                    state, index, hand._replace(phase="make"), grants.advanced(mine, PARTS, whole, now(state), LEASE)
                )
            else:
                yield from _or_fenced(state, index, hand, grants.advanced(mine, hand.at, reception, now(state), LEASE))
                look_at = grants.next_look(mine, reception, UNTIL, now(state))
                yield from _or_fenced(state, index, None, grants.laid_down(mine, hand.at, reception, UNTIL, look_at))
        case "make":
            answered = state._replace(told=True)
            if state.failures:
                look_at = grants.next_look(mine, whole, UNTIL, now(state))
                change = grants.laid_down(mine, PARTS, whole, UNTIL, look_at)
                yield from _or_fenced(answered._replace(failures=0), index, None, change)
            if not hand.frozen:
                yield (
                    "the object is made",
                    with_hand(answered._replace(made=True), index, hand._replace(phase="commit")),
                )
        case _:
            yield from _committed(state, index, mine, "uploaded")


def _worked(state: State, index: int, hand: Hand) -> Iterator[tuple[str, State]]:
    row = thawed(state)
    mine, reception = task_of({**row, "epoch": hand.epoch, "status": "RUNNING"}), reception_of(row["reception"])
    if reception.whole and not state.made:
        if not hand.frozen:
            yield "a worker makes the object", state._replace(made=True)
    elif state.made:
        yield from _committed(state, index, mine, "uploaded")
    elif not state.over and not reception.ours:
        yield from _or_fenced(state, index, None, protocol.postpone(mine, UNTIL))
    else:
        yield from _committed(state, index, mine, "failed")


def _committed(state: State, index: int, mine: Any, status: str) -> Iterator[tuple[str, State]]:  # noqa: ANN401 - a Task
    if state.status != "uploading":  # the record does not want it any more: parked
        yield "parked", with_hand(state, index, None)
        return
    yield from _or_fenced(state._replace(status=status), index, None, protocol.done(mine, now(state)))


def _or_fenced(state: State, index: int, hand: Hand | None, change: Update) -> Iterator[tuple[str, State]]:
    """The write; a holder whose row it is not any more ends, and nothing else happens."""
    after = written(state, change)
    if after is not None:
        yield "written", with_hand(after, index, hand)


def gone(state: State) -> Iterator[tuple[str, State]]:
    """Whoever finds that the row is not his any more stops."""
    epoch = thawed(state)["epoch"]
    for index, hand in enumerate(state.hands):
        if hand is not None and (hand.epoch != epoch or thawed(state)["status"] != "RUNNING"):
            yield "fenced", with_hand(state, index, None)


def canonical(state: State) -> State:
    """Only whether epochs are equal is ever asked."""
    row = thawed(state)
    seen = sorted({hand.epoch for hand in state.hands if hand} | {row["epoch"]})
    rank = {epoch: place for place, epoch in enumerate(seen, 1)}
    hands = tuple(hand and hand._replace(epoch=rank[hand.epoch]) for hand in state.hands)
    requests = sorted(hands[:WORKER], key=lambda hand: hand or ())
    return state._replace(row=frozen({**row, "epoch": rank[row["epoch"]]}), hands=(*requests, hands[WORKER]))


def broken(state: State) -> str | None:
    row, reception = thawed(state), reception_of(thawed(state)["reception"])
    promises = {
        "an upload that is not settled is on the wake index": state.status != "uploading" or "wakeAt" in row,
        "the row says no more than S3 has": row["offset"] <= state.parts,
        "what is whole has all its parts": not reception.whole or state.parts == PARTS,
        "who is told that all is there is not told otherwise": not state.told or state.status != "failed",
        "what is uploaded is there": state.status != "uploaded" or state.made,
    }
    return next((promise for promise, kept in promises.items() if not kept), None)


def test_no_interleaving_loses_what_a_client_was_told(record_property: Callable[[str, object], None]) -> None:
    def onward(state: State) -> Iterator[tuple[str, State]]:
        for name, after in () if ended(state) else (*steps(state), *gone(state)):
            yield name, canonical(after)

    def ended(state: State) -> bool:
        return state.status != "uploading"

    found = explore(canonical(first()), onward, broken, ended)
    record_property("states", found.states)
    assert {state.status for state in found.ends} == {"uploaded", "failed", "deleted"}
    assert any(state.told and state.status == "uploaded" and not state.failures for state in found.ends)

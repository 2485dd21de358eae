"""An explicit-state model of the task protocol: the product's own writes and rules, every interleaving.

One media, two workers, any loss or repetition of hints (so any worker may look at any row at any time), and a budget of
crashes, frozen workers, lost replies, deletes and redrives. Time is abstract: what is due may be done, and a
lease lapses when its holder is gone, or frozen. `protocol.py` writes, `changes.py` decides, `lifecycle.py` advances.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from pipeline import protocol
from pipeline.changes import Change, Check, Put, Update, apply, holds
from pipeline.events import (
    Aborted,
    Backfilled,
    Deleted,
    Died,
    Event,
    Made,
    Redriven,
    Refused,
    Replanned,
    Stored,
    Validated,
)
from pipeline.lifecycle import Site, Step, admits, advance, backfill_key, owed
from pipeline.media import Media, Output, Status
from pipeline.rows import media_row
from pipeline.tasks import Task, TaskStatus, stage_of
from tests.model.state import (
    ATTEMPTS,
    FRESH,
    LIVE,
    NEWER,
    NOW,
    PLAN,
    Hand,
    Record,
    Rows,
    Slot,
    State,
    abstract,
    as_row,
    canonical,
    with_row,
    with_slot,
)
from tests.world import new_media

SITE = Site(lambda key: key)


def steps(state: State) -> Iterator[tuple[str, State]]:
    """Every next state, with the name of what happened."""
    for name, after in _steps(state):
        yield name, canonical(state, after)


def _steps(state: State) -> Iterator[tuple[str, State]]:
    for index, hand in enumerate(state.hands):
        if hand is None:
            yield from _claims(state, index)
        else:
            yield from _acts(state, index, hand)
            yield from _troubles(state, index, hand)
    yield from _lapses(state)
    yield from _requests(state)
    yield from _burials(state)


def _claims(state: State, index: int) -> Iterator[tuple[str, State]]:
    if index and state.hands[0] is None:  # workers are alike
        return
    for key, slot in state.rows:
        row = None if key.startswith("record#") else slot.claimed
        if row is not None:
            phase = "work" if admits(state.media.media, key) else "decline"
            yield f"claim {key}", _hands(_rows(state, key, row), index, Hand(key, row.task.epoch, phase, FRESH))


def _acts(state: State, index: int, hand: Hand) -> Iterator[tuple[str, State]]:
    match hand.phase:
        case "reread":
            yield from _look(state, index, hand, "commit", "park")
        case "park":
            yield from _park(state, index, hand, again="reread")
        case "decline":
            yield from _park(state, index, hand, again="look")
        case "look":
            yield from _look(state, index, hand, "work", "decline")
        case "receive" | "work" if hand.frozen and _stores(hand.key):
            # its own clock says that it must not write any more
            yield f"own lease over {hand.key}", _hands(state, index, None)
        case "receive":
            yield "store original", _stored(state, index, hand, "original")
            yield "client gone", _hands(state, index, hand._replace(phase="reread"))
        case "work":
            yield from _work(state, index, hand)
        case "commit":
            for event in _outcomes(state, hand):
                yield from _commit(state, index, hand, event)


def _look(state: State, index: int, hand: Hand, wanted: str, unwanted: str) -> Iterator[tuple[str, State]]:
    phase = wanted if admits(state.media.media, hand.key) else unwanted
    yield f"read for {hand.key}", _hands(state, index, hand._replace(phase=phase, seen=FRESH))


def _park(state: State, index: int, hand: Hand, again: str) -> Iterator[tuple[str, State]]:
    parked = _ended(state, hand, "park")
    if parked is None:
        yield f"lost {hand.key}", _hands(state, index, None)
    elif hand.seen != state.media.media.version:
        yield "park refused", _hands(state, index, hand._replace(phase=again))
    else:
        yield f"park {hand.key}", _hands(_rows(state, hand.key, parked), index, None)


def _work(state: State, index: int, hand: Hand) -> Iterator[tuple[str, State]]:
    """What a stage does to the bucket."""
    ready = _hands(state, index, hand._replace(phase="reread"))
    match stage_of(hand.key):
        case "purge":
            quiet = not any(_may_store(other) for other in state.hands)
            passed = hand._replace(phase="reread", quiet=quiet)
            yield "purge pass", _hands(state, index, passed)._replace(objects=frozenset())
        case "upload" | "validate":
            yield f"work {hand.key}", ready
        case "spread":
            yield from _spread(state, index, hand)
        case _:
            yield f"store {hand.key}", _stored(state, index, hand, hand.key)


def _stored(state: State, index: int, hand: Hand, name: str) -> State:
    return _hands(state, index, hand._replace(phase="reread"))._replace(objects=state.objects | {name})


def _spread(state: State, index: int, hand: Hand) -> Iterator[tuple[str, State]]:
    """Each owed row by its own write, in any order with what others do; then the row is closed."""
    media = state.media.media
    for key in owed(media):
        seen = state.row(key)
        if seen is None:
            yield f"spread {key}", _apply(state, protocol.insert(media, key, "q", NOW))
            return
        if seen.round < media.round and seen.status is not TaskStatus.DONE:
            live = seen.status in LIVE
            change = protocol.count_in(seen, media) if live else protocol.owe_again(seen, media, NOW)
            yield f"spread {key}", _apply(state, change)
            return
    yield from _close(state, index, hand)


def _outcomes(state: State, hand: Hand) -> Iterator[Event | None]:
    """What the work may have found; None where the record is left alone."""
    match stage_of(hand.key):
        case "upload":
            yield Stored(1, "e") if "original" in state.objects else Aborted("aborted", "")
        case "validate":
            yield Validated({}, PLAN)
            yield Refused("pixels_exceeded", "")
        case "purge" | "spread":
            yield None
        case "backfill":
            yield Backfilled(hand.key, {hand.key: Output(key=hand.key, mime_type="m", bytes=1, etag="e")})
        case _:
            yield Made(hand.key, {hand.key: Output(key=hand.key, mime_type="m", bytes=1, etag="e")})


def _commit(state: State, index: int, hand: Hand, event: Event | None) -> Iterator[tuple[str, State]]:
    if event is None:
        yield from _close(state, index, hand)
        return
    yield from _write(state, index, hand, event)


def _close(state: State, index: int, hand: Hand) -> Iterator[tuple[str, State]]:
    postponed = hand.key == "purge" and not hand.quiet
    ended = _ended(state, hand, "postpone" if postponed else "done")
    if ended is None:
        yield f"lost {hand.key}", _hands(state, index, None)
    else:
        name = "postpone purge" if postponed else f"close {hand.key}"
        yield name, _hands(_rows(state, hand.key, ended), index, None)


def _write(state: State, index: int, hand: Hand, event: Event) -> Iterator[tuple[str, State]]:
    """TX[t; m IF version = what was read; inserts; arms], as `Ledger._settle` builds it."""
    media, ended = state.media.media, _ended(state, hand, "done")
    if ended is None:
        yield f"fenced {hand.key}", _hands(state, index, None)
    elif hand.seen != media.version:
        yield f"version moved under {hand.key}", _hands(state, index, hand._replace(phase="reread"))
    else:
        step = _advanced(state.media, event)
        if step is None:
            yield f"park {hand.key}", _hands(state, index, hand._replace(phase="park"))
            return
        after = _settled(_rows(state, hand.key, ended), step)
        yield f"commit {hand.key}", _hands(after, index, None)
        spent = state.budget.spend("lost_replies")
        if spent:  # it happened, and its writer does not know: it reads, and tries again
            yield (
                f"commit {hand.key}, reply lost",
                _hands(after, index, hand._replace(phase="reread"))._replace(budget=spent),
            )


def _troubles(state: State, index: int, hand: Hand) -> Iterator[tuple[str, State]]:
    if spent := state.budget.spend("crashes"):
        yield f"crash at {hand.key}", _hands(state, index, None)._replace(budget=spent)
    if not hand.frozen and (spent := state.budget.spend("zombies")):
        frozen = _hands(state, index, hand._replace(frozen=True))
        yield f"freeze at {hand.key}", _lapsed(frozen, hand.key, hand.epoch)._replace(budget=spent)


def _lapses(state: State) -> Iterator[tuple[str, State]]:
    for key, slot in state.rows:
        task = slot.task
        if task.status is TaskStatus.RUNNING and task.lease_until and state.holder(key, task.epoch) is None:
            yield f"lease of {key} over", _lapsed(state, key, task.epoch)


def _requests(state: State) -> Iterator[tuple[str, State]]:
    for kind, event in (("deletes", Deleted()), ("redrives", Redriven())):
        spent = state.budget.spend(kind)
        step = _advanced(state.media, event) if spent else None
        if spent and step is not None:
            yield kind, _settled(state, step)._replace(budget=spent)
    for plan in NEWER if (spent := state.budget.spend("backfills")) else ():
        step, row = _advanced(state.media, Replanned(plan)), state.row(backfill_key(plan))
        owed_already = row is not None and row.status in LIVE and step is not None and step.media == state.media.media
        if spent and step is not None and not owed_already:  # `recovery.replan`
            yield f"wish {plan['recipe']}", _settled(state, step)._replace(budget=spent)


def _burials(state: State) -> Iterator[tuple[str, State]]:
    for key, slot in state.rows:
        if slot.spent:
            bury = protocol.bury(slot.task, NOW, ATTEMPTS, "crashed", "")
            step = _advanced(state.media, Died(key, "crashed", "")) or Step(state.media.media)
            yield f"bury {key}", _settled(_apply(state, bury), step)


def _settled(state: State, step: Step) -> State:
    """The record after a step, with the rows that the step inserts (where they are not there yet) and arms."""
    key = (state.media, state.rows, id(step))
    if key not in _SETTLED:
        after = _carried_out(state, step)
        _SETTLED[key] = (after.media, after.rows, step)
    media, rows, _ = _SETTLED[key]
    return State(media, rows, state.objects, state.hands, state.budget)


_SETTLED: dict[tuple[Record, Rows, int], tuple[Record, Rows, Step]] = {}
"""Neither workers nor objects have a say in it. The step is kept, or another one would get its id."""


def _carried_out(state: State, step: Step) -> State:
    media, there = state.media.media, {key for key, _ in state.rows}
    changes: list[Change] = [protocol.insert(step.media, key, "q", NOW) for key in step.insert if key not in there]
    changes += [protocol.arm(step.media, key, "q", NOW) for key in step.arm]
    if step.media != media:
        assert holds(protocol.replace(media, step.media).condition, media_row(media))
    for change in changes:
        assert _holds(change, state), f"{change} is refused"
        state = _apply(state, change)
    return state._replace(media=state.media.of(step.media))


def _stores(key: str) -> bool:
    """Whether the task writes or deletes objects."""
    return stage_of(key) not in {"validate", "spread"}


def _may_store(hand: Hand | None) -> bool:
    """A holder whose own clock still lets it write an object, and who is about to."""
    if hand is None or hand.frozen or hand.key == "purge":
        return False
    return hand.phase in {"receive", "work"} and _stores(hand.key)


def _ended(state: State, hand: Hand, how: str) -> Slot | None:
    """The holder's row after the write that ends its work; None when it is not the holder's any more."""
    slot = next((slot for key, slot in state.rows if key == hand.key), None)
    return slot and _after(slot, hand.key, hand.epoch, how)


@cache
def _after(slot: Slot, key: str, epoch: int, how: str) -> Slot | None:
    mine = Task(media_id=slot.task.media_id, key=key, status=TaskStatus.RUNNING, queue="q", epoch=epoch)
    change, row = _ENDINGS[how](mine), as_row(slot.task)
    return abstract(key, apply(change, row)) if holds(change.condition, row) else None


_ENDINGS: Mapping[str, Callable[[Task], Update]] = {
    "done": lambda mine: protocol.done(mine, NOW),
    "postpone": lambda mine: protocol.postpone(mine, NOW),
    "park": lambda mine: protocol.park(mine, new_media())[0],  # the record's part in it is `hand.seen`
}


_STEPS: dict[tuple[int, Event | str], Step | None] = {}


def _advanced(record: Record, event: Event) -> Step | None:
    key = (id(record), repr(event))
    if key not in _STEPS:
        _STEPS[key] = advance(record.media, event, NOW, SITE)
    return _STEPS[key]


def _holds(change: Change, state: State) -> bool:
    task = state.row(change.key.range or "")
    return holds(change.condition, None if task is None else as_row(task))


def _apply(state: State, change: Put | Update | Check) -> State:
    key = change.key.range or ""
    task = state.row(key)
    return state._replace(rows=with_row(state.rows, key, apply(change, None if task is None else as_row(task))))


def _rows(state: State, key: str, slot: Slot) -> State:
    return State(state.media, with_slot(state.rows, key, slot), state.objects, state.hands, state.budget)


def _lapsed(state: State, key: str, epoch: int) -> State:
    slot = dict(state.rows).get(key)
    if slot is None or slot.task.epoch != epoch or slot.task.status is not TaskStatus.RUNNING:
        return state
    return _rows(state, key, slot.lapsed)


def _hands(state: State, index: int, hand: Hand | None) -> State:
    hands = (*state.hands[:index], hand, *state.hands[index + 1 :])
    return State(state.media, state.rows, state.objects, hands, state.budget)


def unsettled(media: Media) -> bool:
    """Something is owed to the uploader."""
    return media.status in {Status.UPLOADING, Status.UPLOADED, Status.PROCESSING}

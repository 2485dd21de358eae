"""Every state that steps lead to, looked at once each; and whether from every one of them the end can be reached."""

import gc
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
CameFrom = Mapping[S, tuple[S, str] | None]


@dataclass(frozen=True)
class Explored(Generic[S]):
    """What was found: how many states, how many steps between them, and the states that are an end."""

    states: int
    steps: int
    ends: list[S]


def explore(
    start: S,
    steps: Callable[[S], Iterable[tuple[str, S]]],
    broken: Callable[[S], str | None],
    ended: Callable[[S], bool],
    *,
    told: Callable[[S], str] = lambda _: "",
    backwards: Callable[[S, S], bool] = lambda _before, _after: False,
) -> Explored[S]:
    """Go everywhere; fails, with the steps that led there, at a promise that is broken and where no end is in reach.

    `steps` names each step that is possible and says what comes of it; `told` is what of a state stands in that story.
    """
    with _no_garbage():
        return _explored(start, steps, broken, ended, told, backwards)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Without the collector, which would look through all states again and again and find nothing to throw away."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _explored(
    start: S,
    steps: Callable[[S], Iterable[tuple[str, S]]],
    broken: Callable[[S], str | None],
    ended: Callable[[S], bool],
    told: Callable[[S], str],
    backwards: Callable[[S, S], bool],
) -> Explored[S]:
    came_from: dict[S, tuple[S, str] | None] = {start: None}
    parents: dict[S, list[S]] = defaultdict(list)
    ends: list[S] = []
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        assert broken(state) is None, f"{broken(state)}:\n{_story(state, came_from, told)}"
        if ended(state):
            ends.append(state)
        for name, after in steps(state):
            assert not backwards(state, after), f"backwards by {name}:\n{_story(state, came_from, told)}"
            if after not in came_from:
                came_from[after] = (state, name)
                waiting.append(after)
            parents[after].append(state)
    reaching = set(ends)
    waiting.extend(ends)
    while waiting:
        for parent in parents[waiting.popleft()]:
            if parent not in reaching:
                reaching.add(parent)
                waiting.append(parent)
    stuck = next((state for state in came_from if state not in reaching), None)
    assert stuck is None, f"cannot settle any more:\n{_story(stuck, came_from, told)}"
    return Explored(len(came_from), sum(map(len, parents.values())), ends)


def _story(state: S, came_from: CameFrom[S], told: Callable[[S], str]) -> str:
    """How it came to this."""
    lines, step = [], came_from[state]
    while step is not None:
        lines.append(f"{step[1]:45} {told(step[0])}".rstrip())
        step = came_from[step[0]]
    return "\n".join(reversed(lines)) + f"\n{state}"

"""Every place where a process can die between itself and the world: before and after each call of each port."""

import inspect
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NamedTuple, Protocol

from pipeline import granting, ports
from pipeline.ledger import Ledger
from workers.processes import Children


def is_protocol(each: object) -> bool:
    """Whether it is a port; `typing` asks the same attribute, and has a function for it from Python 3.13 on."""
    return isinstance(each, type) and each is not Protocol and getattr(each, "_is_protocol", False)


PORTS = (*(each for each in vars(ports).values() if is_protocol(each)), Children)
"""What stands between the product and the world: S3, records, Redis, receivers of webhooks; and child processes."""

LONG = frozenset({"ObjectStore.put", "ObjectStore.put_part", "Children.run", "Children.ask"})
"""Calls that may outlast a renewal of the lease; so that one is met for sure, they are made to."""

LOOKS = frozenset({"Queue.changed", "Queue.report", "Records.overdue", "Records.tasks"})
"""Called as often as the clock or the backlog says (ingest lists API keys anew every few seconds), and nothing depends
on it: the first in a turn stands for all.
"""

CLOCKED = frozenset({("ingest", "Queue.report")})
"""Turns and calls that come only where a turn takes longer than a second: with the same files, now and then."""

KEEPER = "renew-"
"""How the names of the threads begin that renew a worker's lease."""

WAITING = 30.0
"""Seconds in which a renewal comes."""


def calls_of(port: type) -> tuple[str, ...]:
    """The port's public methods."""
    return tuple(name for name, member in _public(port) if inspect.isfunction(member))


def facts_of(port: type) -> tuple[str, ...]:
    """The port's properties: no call leaves the process for them."""
    return tuple(name for name, member in _public(port) if isinstance(member, property))


class Point(NamedTuple):
    """Before or after the `number`th `call` of a `turn` (`ingest`, or a task's key), in its work or its renewals."""

    turn: str
    call: str
    number: int
    side: str
    renewing: bool = False

    def __str__(self) -> str:
        """As a person finds it in a log."""
        renewal = " (renewal)" if self.renewing else ""
        return f"{self.turn}: {self.side} {self.call} {self.number}{renewal}"


@dataclass
class Watch:
    """Numbers the calls of one process and tells `reached` of every point, on the thread that is there.

    `meets` says in which turns a long call waits for one renewal. Nothing is counted while `turn` is empty.
    """

    reached: Callable[[Point], None]
    meets: Callable[[str], bool]
    turn: str = ""
    _counts: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _here: threading.local = field(default_factory=threading.local)
    _met: set[str] = field(default_factory=set)
    _renewed: threading.Event = field(default_factory=threading.Event)

    def wrapped(self, call: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with a point before it and one after it, whether it returns or raises."""

        @wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the port says
            with self._around(call):
                return function(*args, **kwargs)

        return watched

    def renewing(self, renew: Callable[..., Any]) -> Callable[..., Any]:
        """A renewal, its calls told apart: the first one of a turn that meets one counts, others do not."""

        @wraps(renew)
        def watched(*args: Any) -> Any:  # noqa: ANN401 - whatever the renewal says
            self._here.renewal = self.turn in self._met and not self._renewed.is_set()
            try:
                return renew(*args)
            finally:
                if self._here.renewal:
                    self._renewed.set()
                del self._here.renewal

        return watched

    @contextmanager
    def _around(self, call: str) -> Iterator[None]:
        # A keeper's thread is there for renewals; what else it does depends on the clock.
        keeper = threading.current_thread().name.startswith(KEEPER)
        renewal: bool | None = getattr(self._here, "renewal", False if keeper else None)
        counts = self.turn and renewal is not False and (self.turn, call) not in CLOCKED
        point = self._numbered(call, renewing=bool(renewal)) if counts else None
        if point:
            self.reached(point)
        if point and call in LONG:
            self._meet()
        try:
            yield
        finally:
            if point:
                self.reached(point._replace(side="after"))

    def _numbered(self, call: str, *, renewing: bool) -> Point | None:
        with self._lock:
            key = (self.turn, call, renewing)
            self._counts[key] += 1
            number = self._counts[key]
        return None if call in LOOKS and number > 1 else Point(self.turn, call, number, "before", renewing)

    def _meet(self) -> None:
        if self.meets(self.turn) and self.turn not in self._met:
            self._renewed.clear()
            self._met.add(self.turn)
            self._renewed.wait(WAITING)


class Watched:
    """A port whose every public method is watched; what the port does not name is not there."""

    def __init__(self, port: type, real: object, watch: Watch) -> None:
        for name in calls_of(port):
            setattr(self, name, watch.wrapped(f"{port.__name__}.{name}", getattr(real, name)))
        for name in facts_of(port):
            setattr(self, name, getattr(real, name))


def watched_children(watch: Watch) -> None:
    """Watch all children that this process will start, and all renewals."""
    for name in calls_of(Children):
        setattr(Children, name, watch.wrapped(f"Children.{name}", getattr(Children, name)))
    setattr(Ledger, "renew", watch.renewing(Ledger.renew))  # noqa: B010 - a method, to mypy, is not assigned to
    setattr(granting, "advanced", watch.renewing(granting.advanced))  # noqa: B010


def _public(port: type) -> list[tuple[str, Any]]:
    return [(name, member) for name, member in vars(port).items() if not name.startswith("_")]

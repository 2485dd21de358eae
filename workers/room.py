"""Room for what one worker process decodes at a time, so that its children cannot add up to too much."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_TICK = 0.2  # seconds between looks at what else may end the waiting


@dataclass(frozen=True)
class Room:
    """`most` bytes of memory, given out in the order they are asked for: a large picture is not overtaken for ever."""

    most: int
    _taken: dict[object, int] = field(default_factory=dict, repr=False)
    _waiting: deque[object] = field(default_factory=deque, repr=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def take(self, amount: int, wait: Callable[[], None]) -> object:
        """Hold so many bytes until the ticket that this returns is given to `free`; more than there are means all.

        `wait` is called whenever there is no room: it makes some, or raises to give up.
        """
        ticket, amount = object(), min(amount, self.most)
        with self._changed:

            def fits() -> bool:
                return self._waiting[0] is ticket and sum(self._taken.values()) + amount <= self.most

            self._waiting.append(ticket)
            try:
                while not fits():
                    wait()
                    self._changed.wait_for(fits, _TICK)
                self._taken[ticket] = amount
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        return ticket

    def free(self, ticket: object) -> None:
        """Give back what was taken."""
        with self._changed:
            del self._taken[ticket]
            self._changed.notify_all()

    @contextmanager
    def taken(self, amount: int, wait: Callable[[], None]) -> Iterator[None]:
        """Hold so many bytes for the length of a with block."""
        ticket = self.take(amount, wait)
        try:
            yield
        finally:
            self.free(ticket)

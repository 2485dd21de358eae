"""Room for what is decoded at the same time in one worker process, so that its threads cannot add up to too much."""

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

    @contextmanager
    def taken(self, amount: int, wait: Callable[[], None]) -> Iterator[None]:
        """Hold so many bytes for the length of a with block; more than there are at all means all of them.

        `wait` is called while there is no room: it raises to give up.
        """
        ticket, amount = object(), min(amount, self.most)
        with self._changed:
            self._waiting.append(ticket)
            try:
                while self._waiting[0] is not ticket or sum(self._taken.values()) + amount > self.most:
                    self._changed.wait(_TICK)
                    wait()
                self._taken[ticket] = amount
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                del self._taken[ticket]
                self._changed.notify_all()

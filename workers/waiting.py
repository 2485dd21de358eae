"""Children that have answered soundly and wait for more."""

import threading
import weakref
from collections.abc import Hashable
from typing import Generic, TypeVar

from workers.forked import Forked

_Key = TypeVar("_Key", bound=Hashable)


class Waiting(Generic[_Key]):
    """At most so many children, each found again by its key. Those that wait when nobody knows of them end."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._children: list[tuple[_Key, Forked]] = []  # the one that has waited longest first
        self._lock = threading.Lock()
        weakref.finalize(self, _bury, self._children)

    def __len__(self) -> int:
        return len(self._children)

    def put(self, key: _Key, child: Forked) -> None:
        """Let a child wait, and end the one that has waited longest if there are too many."""
        with self._lock:
            self._children.append((key, child))
            crowded = len(self._children) > self._most
        if crowded:
            self.dismiss()

    def take(self, key: _Key) -> Forked | None:
        """The child with that key that has waited least; None if there is none."""
        with self._lock:
            gone = [entry for entry in self._children if not entry[1].idle()]
            self._children[:] = [entry for entry in self._children if entry not in gone]
            found = next((entry for entry in reversed(self._children) if entry[0] == key), None)
            if found:
                self._children.remove(found)
        _bury(gone)
        return found[1] if found else None

    def dismiss(self) -> bool:
        """End the one that has waited longest; False if none waits."""
        with self._lock:
            longest = self._children[:1]
            del self._children[:1]
        _bury(longest)
        return bool(longest)


def _bury(children: list[tuple[_Key, Forked]]) -> None:
    for _, child in children:
        child.bury()

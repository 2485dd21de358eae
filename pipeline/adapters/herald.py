"""Hints and news of a process with many requests at once: one thread tells Redis of all that wait in one go.

A hint is never needed for correctness, so nobody waits for it: an answer is out as soon as the records have it, however
long Redis takes. What is not sent when the process dies, the sweeper finds seconds later.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import NamedTuple

from pipeline.adapters.broker import RedisQueue
from pipeline.progress import Report
from pipeline.tasks import Hint

MOST_TOGETHER = 256
_REST = 0.025
"""Seconds between two exchanges: what comes meanwhile goes together. 10 ms cost a busy process nearly twice as much."""
_FAREWELL = 2.0
"""Seconds that `close` waits for what is still to be sent."""


class Changed(NamedTuple):
    """There is something new in a record."""

    project_id: str
    media_id: str


_Word = Hint | Changed | threading.Event


@dataclass(frozen=True)
class Herald:
    """`send` and `changed` of the `Queue` port, each at once; everything else is the queue's own."""

    queue: RedisQueue
    _waiting: SimpleQueue[_Word] = field(default_factory=SimpleQueue, repr=False)

    def __post_init__(self) -> None:
        """Start the thread; it ends with the process."""
        threading.Thread(target=self._tell, name="herald", daemon=True).start()

    def send(self, hints: Iterable[Hint]) -> int:
        """Have them sent soon, after the commit that this follows; none is known to be unsent."""
        for hint in hints:
            self._waiting.put(hint)
        return 0

    def changed(self, project_id: str, media_id: str) -> None:
        """Have it published soon."""
        self._waiting.put(Changed(project_id, media_id))

    def intact(self) -> bool:
        """As the queue says."""
        return self.queue.intact()

    def mark(self) -> None:
        """As the queue does."""
        self.queue.mark()

    def report(self, project_id: str, media_id: str, key: str, report: Report) -> None:
        """As the queue does."""
        self.queue.report(project_id, media_id, key, report)

    def progress(self, media_id: str) -> dict[str, Report]:
        """As the queue says."""
        return self.queue.progress(media_id)

    def announce(self, event: Mapping[str, str]) -> None:
        """As the queue does."""
        self.queue.announce(event)

    def ping(self) -> None:
        """As the queue does."""
        self.queue.ping()

    def close(self) -> None:
        """Wait, not for long, until what was handed over before is sent."""
        sent = threading.Event()
        self._waiting.put(sent)
        sent.wait(_FAREWELL)

    def _tell(self) -> None:
        while True:
            words = [self._waiting.get()]
            try:
                while len(words) < MOST_TOGETHER:
                    words.append(self._waiting.get_nowait())
            except Empty:
                pass
            self.queue.tell(
                [word for word in words if isinstance(word, Hint)],
                [word for word in words if isinstance(word, Changed)],
            )
            for word in words:
                if isinstance(word, threading.Event):
                    word.set()
            time.sleep(_REST)

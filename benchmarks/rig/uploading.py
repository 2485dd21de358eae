"""Many uploads at once, and what each one took."""

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.rig.doors import Door
from benchmarks.rig.wire import Answer, Sample, Wire


@dataclass(frozen=True)
class Work:
    """So many uploads of one size, so many at once. `suffix` says which kind of file."""

    name: str
    uploads: int
    size: int
    at_once: int
    suffix: str

    def scaled(self, scale: float) -> "Work":
        """Less of the same: smaller files, or fewer of them when they are many."""
        if self.uploads > self.at_once:
            return Work(self.name, max(self.at_once, round(self.uploads * scale)), self.size, self.at_once, self.suffix)
        return Work(self.name, self.uploads, max(200_000, round(self.size * scale)), self.at_once, self.suffix)


@dataclass(frozen=True)
class Timing:
    """Seconds of one upload: from its first byte to the answer, and from its last byte to the answer; and that."""

    whole: float
    tail: float
    answer: Answer


def upload(port: int, door: Door, bodies: Sequence[Sample], work: Work) -> list[Timing]:
    """Do the work, the files in turn, one connection for each of those at once.

    Raises what the first upload that failed raised.
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(work.uploads):
        todo.put(number)
    timings: list[Timing] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with Wire(port) as wire:
                while not failures:
                    number = todo.get_nowait()
                    begun = time.monotonic()
                    answer = door(wire, bodies[number % len(bodies)])
                    timings.append(Timing(time.monotonic() - begun, answer.tail, answer))
        except queue.Empty:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
            failures.append(error)

    _together([threading.Thread(target=run) for _ in range(work.at_once)])
    if failures:
        raise failures[0]
    return timings


def _together(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

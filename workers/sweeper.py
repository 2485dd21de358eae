"""Finds what is overdue and hints it again: the pipeline's own memory. Any number may run; the bump lets one win."""

import threading
from dataclasses import dataclass, field

import structlog

from pipeline import protocol
from pipeline.changes import RefusedError
from pipeline.errors import UnavailableError
from pipeline.ports import Queue, Records
from pipeline.rows import task_of
from pipeline.tasks import SHARDS, Hint, Task

log = structlog.get_logger()

PERIOD = 1.0
"""Seconds between two looks."""
_BATCH = 100
_EVER = 2**53
"""Later than any wake-up."""


@dataclass(frozen=True)
class Sweeper:
    """`stopping` ends `run`."""

    records: Records
    queue: Queue
    stopping: threading.Event = field(default_factory=threading.Event)
    _behind: threading.Event = field(default_factory=threading.Event, repr=False)

    def run(self) -> None:
        """Sweep until told to stop; a dependency that is away is waited for."""
        while not self.stopping.wait(PERIOD):
            try:
                hinted = self.sweep()
            except UnavailableError as error:
                log.warning("sweep_failed", error=str(error))
            else:
                if hinted:
                    log.info("tasks_hinted", count=hinted)

    def sweep(self) -> int:
        """Hint what is overdue, or everything owed when Redis has lost its hints; returns how many."""
        self.queue.ping()  # while Redis is away a bump would only push the wake-up further out
        intact = self.queue.intact() and not self._behind.is_set()
        before = self.records.now() if intact else _EVER
        self._behind.set()  # until all that was pushed further out has been hinted
        hinted = sum(self._sweep_shard(shard, before, intact=intact) for shard in range(SHARDS))
        self._behind.clear()
        if not intact:
            log.warning("hints_lost", hinted=hinted)
            self.queue.mark()
        return hinted

    def _sweep_shard(self, shard: int, before: int, *, intact: bool) -> int:
        """Page through the index by its own order; a row that was bumped meets us again further on, and is passed."""
        met: set[tuple[str, str]] = set()
        after = hinted = 0
        while True:
            rows = [task_of(row) for row in self.records.overdue(shard, before, _BATCH, after)]
            fresh = [task for task in rows if (task.media_id, task.key) not in met]
            won = [task for task in fresh if self._bumped(task, again=intact)]
            if unsent := self.queue.send(Hint(task.media_id, task.key, task.queue) for task in won):
                raise UnavailableError(f"redis: {unsent} hints were not sent")
            met |= {(task.media_id, task.key) for task in fresh}
            hinted += len(won)
            if len(rows) < _BATCH:
                return hinted
            after = (rows[-1].wake_at or 0) + (0 if fresh else 1)

    def _bumped(self, task: Task, *, again: bool) -> bool:
        try:
            self.records.update(protocol.bump(task, self.records.now(), again=again))
        except RefusedError:
            return False
        return True

"""The envelope around every stage, written once: claim, hold, work, commit; and what each kind of failure means."""

import errno
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from pipeline import recovery
from pipeline.changes import Change
from pipeline.errors import (
    LeaseLostError,
    OutOfMemoryError,
    PermanentError,
    ReleasedError,
    TransientError,
    UnavailableError,
)
from pipeline.events import Died, Event
from pipeline.ledger import Claimed
from pipeline.media import Media
from pipeline.retries import LONGEST_MESSAGE_DELAY
from pipeline.tasks import CONTROL, Task
from workers.desk import Desk
from workers.fairness import crowded
from workers.holding import Holding
from workers.processes import Children
from workers.tools import Tools

log = structlog.get_logger()

SHY = 2000
"""Milliseconds until the next look when even the claim could not be written."""

_EXHAUSTED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""What this machine has run out of: disk, open files, memory, processes. No file is to blame for that."""


@dataclass(frozen=True)
class Turn:
    """One attempt at one task."""

    tools: Tools
    claimed: Claimed
    holding: Holding
    desk: Desk
    outcome: list[Media] = field(default_factory=list)
    """The record after the commit, once there was one."""

    @property
    def task(self) -> Task:
        """The row that is ours."""
        return self.claimed.task

    def commit(self, event: Event) -> None:
        """Make the outcome count; the task that follows stays with this worker."""
        task, media, commit = self.task, self.claimed.media, self.tools.ledger.commit
        self.persist(lambda: self.outcome.append(commit(task, event, media, going_on=True)))

    def close(self, *also: Change) -> None:
        """End a task that leaves the record alone."""
        self.persist(lambda: self.tools.ledger.close(self.task, also))

    def conclude(self, write: Callable[[], object]) -> None:
        """Write how the attempt ended, again and again while the records are away: its reason must not get lost."""
        while True:
            try:
                write()
            except UnavailableError:
                if not self.holding.lasts():
                    raise
                time.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - jitter
            else:
                return

    def persist(self, write: Callable[[], object]) -> None:
        """Write when the lease is good, again and again while the records are away: done work is never done anew."""
        while True:
            self.holding.allowed()
            try:
                write()
            except UnavailableError:
                self.holding.pause(random.uniform(0.2, 2.0))  # noqa: S311 - jitter
            else:
                return


Work = Callable[[Turn], None]


@dataclass(frozen=True)
class Envelope:
    """Turns a hint into work; `work` maps stages to what does it."""

    tools: Tools
    work: Mapping[str, Work]

    def take(self, media_id: str, key: str) -> int | None:
        """Do the task if it is due and wanted, and then the one that it made owed, if that is of the same queue.

        So a photo is fetched once, and waits once. Nobody else is hinted at that task, unless this worker dies before
        it has claimed it: then the sweeper does. Returns the ms after which the task wants a hint again, or None.
        """
        with Desk(self.tools.scratch) as desk:
            delay, following = self._take(media_id, key, desk)
            while following is not None:
                _, following = self._take(media_id, following, desk)
        return delay

    def _take(self, media_id: str, key: str, desk: Desk) -> tuple[int | None, str | None]:
        """That delay, and the task to go on with."""
        ledger, since = self.tools.ledger, time.monotonic()
        try:
            if (wait := crowded(self.tools, media_id, key)) is not None:
                return wait, None
            claimed = ledger.claim(media_id, key)
            if claimed is None:
                if recovery.bury(ledger, media_id, key):
                    log.warning("task_buried", mediaId=media_id, task=key)
                return None, None
        except LeaseLostError:
            return None, None
        except UnavailableError as error:
            log.warning("claim_failed", mediaId=media_id, task=key, error=str(error))
            return SHY, None
        stage = self.tools.pipeline.stage(key)
        memory = self.tools.pipeline.memory.get(claimed.task.queue)
        elsewhere = stage.big not in {None, claimed.task.queue}
        owner = desk.owner = claimed.media.project_id
        nice = self.tools.pipeline.video.nice
        children = Children(
            memory=memory, elsewhere=elsewhere, pool=self.tools.pool, owner=owner, nice=nice, place=desk
        )
        holding = Holding(ledger, claimed.task, since, stage.timeout, children)
        turn = Turn(self.tools, claimed, holding, desk)
        with self.tools.shift.hold(holding):
            outcome, delay = self._attempt(turn)
        log.info(
            "task_ended",
            outcome=outcome,
            mediaId=media_id,
            task=key,
            epoch=claimed.task.epoch,
            attempt=claimed.task.attempts,
            seconds=round(time.monotonic() - since, 3),
            retryIn=delay,
        )
        if delay is not None and delay > 1000 * LONGEST_MESSAGE_DELAY:
            delay = None
        return delay, self._following(turn)

    def _following(self, turn: Turn) -> str | None:
        """The task that the turn's commit made owed and that this queue's workers do, if there is one."""
        media, queue, following = turn.claimed.media, turn.task.queue, self.tools.ledger.following
        return next((following(media, after, queue) for after in turn.outcome), None)

    def _attempt(self, turn: Turn) -> tuple[str, int | None]:
        """The attempt's outcome for the log, and the delay before the next one, in ms."""
        try:
            return self._worked(turn)
        except LeaseLostError:
            return "lost", None
        except UnavailableError as error:  # the failure could not be written either: the lease will end
            log.warning("records_away", mediaId=turn.task.media_id, task=turn.task.key, error=str(error))
            return "abandoned", None

    def _worked(self, turn: Turn) -> tuple[str, int | None]:
        task = turn.task
        try:
            self.work[task.stage](turn)
        except LeaseLostError:
            raise
        except ReleasedError:
            turn.conclude(lambda: self.tools.ledger.release(task))
            return "released", None
        except UnavailableError as error:
            return self._wait_for_dependency(turn, error)
        except PermanentError as error:
            log.info("task_refused", mediaId=task.media_id, task=task.key, reason=error.reason, error=error.message)
            return self._die(turn, error.reason, error.message, error.message)
        except OSError as error:
            return self._wait_for_dependency(turn, error) if error.errno in _EXHAUSTED else self._fail(turn, error)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's file does to us counts an attempt, and is logged
            return self._fail(turn, error)
        return "done", None

    def _fail(self, turn: Turn, error: Exception) -> tuple[str, int | None]:
        task, expected = turn.task, isinstance(error, TransientError)
        log.warning("attempt_failed", mediaId=task.media_id, task=task.key, error=str(error), exc_info=not expected)
        stage = self.tools.pipeline.stage(task.key)
        if isinstance(error, OutOfMemoryError) and stage.big not in {None, task.queue}:
            turn.conclude(lambda: self.tools.ledger.move(task, stage.big or task.queue))
            return "moved", None
        attempts = self.tools.ledger.attempts_of(task.key)
        if attempts is not None and task.attempts >= attempts:
            reason = error.reason if isinstance(error, TransientError) else TransientError.reason
            return self._die(turn, reason, "The file could not be processed.", str(error))
        return self._put_off(turn, _brief(error))

    def _wait_for_dependency(self, turn: Turn, error: Exception) -> tuple[str, int | None]:
        """The attempt is given back, so the wait grows with the task's age instead: half of it, within the terms."""
        task = turn.task
        terms = self.tools.pipeline.stage(task.key).retries
        age = (self.tools.ledger.records.now() - task.owed_at) / 1000
        if age > self.tools.pipeline.give_up and task.stage not in CONTROL:
            return self._die(turn, "dependency_away", "A service that is needed was away for too long.", str(error))
        wait = min(max(age / 2, terms.first), terms.most)
        delay = round(1000 * wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        log.warning("dependency_away", mediaId=task.media_id, task=task.key, error=str(error))
        turn.conclude(lambda: self.tools.ledger.release(task, delay, _brief(error)))
        return "given_back", delay

    def _die(self, turn: Turn, reason: str, public: str, error: str) -> tuple[str, int | None]:
        task = turn.task
        if task.stage in CONTROL:
            return self._put_off(turn, error[:500])
        died = Died(task.key, reason, public)
        turn.conclude(lambda: self.tools.ledger.die(task, died, reason, error[:500]))
        return "dead", None

    def _put_off(self, turn: Turn, why: str) -> tuple[str, int | None]:
        task = turn.task
        delay = self.tools.pipeline.stage(task.key).retries.delay(task.attempts)
        turn.conclude(lambda: self.tools.ledger.put_off(task, delay, why))
        return "put_off", delay


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]

"""A claimed task held: renewed by a thread that lives and dies with it, ended by whatever takes it away."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import structlog

from pipeline.errors import LeaseLostError, ReleasedError, TransientError, UnavailableError
from pipeline.ledger import Ledger
from pipeline.tasks import Task
from workers.processes import Children

log = structlog.get_logger()

_LOOK = 0.1  # seconds between looks at what others do
_AGAIN = 1.0  # seconds between tries to renew while the records are away


class Holding:
    """One task in hand.

    `since` is `time.monotonic()` from before the claim was sent, so that the lease seen from here never outlasts the
    store's; `timeout` is in seconds. Ending it, for whatever reason, kills its `children`.
    """

    def __init__(self, ledger: Ledger, task: Task, since: float, timeout: float, children: Children) -> None:
        """Not renewed before it is entered."""
        self.task = task
        self.children = children
        self._ledger = ledger
        self._timeout = timeout
        self._ends_at = since + timeout
        self._good_until = since + ledger.lease.length / 1000
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._keep, name=f"renew-{task.key}", daemon=True)
        self._over = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.join()

    def end(self, error: Exception) -> None:
        """Take the task out of the worker's hands: `allowed` and the children raise `error`. The first call counts."""
        with self._changed:
            if self._error is None:
                self._error = error
            self._changed.notify_all()
        self.children.stop(error)

    def give_up(self, patience: float) -> None:
        """End it because this process ends, and give the task back though its thread may still wait for somebody else.

        The thread has so many seconds to do it itself; whoever comes second finds the row not its own any more.
        """
        self.end(ReleasedError())
        with self._changed:
            if self._changed.wait_for(lambda: self._over, patience):
                return
        try:
            self._ledger.release(self.task)
        except (LeaseLostError, UnavailableError) as error:
            log.info("task_not_given_back", mediaId=self.task.media_id, task=self.task.key, error=str(error))

    def lasts(self) -> bool:
        """Whether the row can still be ours: nothing has ended the holding, or its lease at least goes on."""
        with self._changed:
            return self._error is None or time.monotonic() < self._good_until

    def allowed(self) -> None:
        """Return when the lease is known to be good, waiting while the records are away; raises what ended it.

        Asked before every write: a holder whose lease may have ended must not write.
        """
        with self._changed:
            while self._error is None and time.monotonic() >= self._good_until:
                self._changed.wait(_AGAIN)
            if self._error is not None:
                raise self._error

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the holding lasts."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None, seconds)

    def wait(self) -> None:
        """Wait a little for somebody else; raises what ended the holding."""
        self.pause(_LOOK)
        self.allowed()

    def _keep(self) -> None:
        period = self._ledger.lease.renewal / 1000
        renew_at = time.monotonic() + period
        while self._wait_until(min(renew_at, self._ends_at)):
            if time.monotonic() >= self._ends_at:
                self.end(TransientError(f"not done within {self._timeout:g} s"))
                return
            asked_at = time.monotonic()
            try:
                self._ledger.renew(self.task)
            except UnavailableError:
                renew_at = asked_at + min(_AGAIN, period)
            except LeaseLostError as error:
                self.end(error)
                return
            else:
                renew_at = asked_at + period
                with self._changed:
                    self._good_until = asked_at + self._ledger.lease.length / 1000
                    self._changed.notify_all()

    def _wait_until(self, when: float) -> bool:
        """Whether the task is still in hand at that time of the monotonic clock."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._over or self._error is not None, when - time.monotonic())


@dataclass(frozen=True)
class Shift:
    """All that this process holds, so that a shutdown reaches it.

    Seconds: tasks have `grace` to be done, and then `parting` to put down what they do.
    """

    grace: float = 2.0
    parting: float = 1.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _held: set[Holding] = field(default_factory=set, repr=False)
    _closed: threading.Event = field(default_factory=threading.Event, repr=False)

    @contextmanager
    def hold(self, holding: Holding) -> Iterator[Holding]:
        """Keep a task for the length of a with block."""
        with self._lock:
            self._held.add(holding)
        if self._closed.is_set():
            holding.end(ReleasedError())
            self._put_down(holding, 0.0)
        try:
            with holding:
                yield holding
        finally:
            with self._lock:
                self._held.remove(holding)

    def close(self) -> None:
        """Shut down: what may take minutes is given back at once, the rest when the grace is over."""
        self._closed.set()
        with self._lock:
            held = set(self._held)
        for holding in held:
            wait = 0.0 if holding.task.queue.startswith("video") else self.grace
            self._put_down(holding, wait)

    def _put_down(self, holding: Holding, wait: float) -> None:
        timer = threading.Timer(wait, holding.give_up, [self.parting])
        timer.daemon = True
        timer.start()

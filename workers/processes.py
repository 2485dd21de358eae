"""The child processes of a task.

Every decoder and encoder runs as a child that is confined (`confine.py`), watched, bounded in what it may say, and gone
when `run` or `ask` returns, whatever happened; but for a child that has done well and waits in the pool for more.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.errors import UnavailableError
from workers.endings import (
    ChildFailedError,
    ChildOutputError,
    TemplateLostError,
)
from workers.forked import Forked, NotForkedError
from workers.pool import Pool, Terms
from workers.programs import Finished, OnLine, Program
from workers.starting import start


class Place(Protocol):
    """Where children find and leave files; on Linux they reach no others (`confine.fence`)."""

    @property
    def folder(self) -> Path:
        """What programs of this task have."""

    @property
    def home(self) -> Path:
        """What children have that go on to files of the same owner: the folders of all its tasks lie here."""


@dataclass(frozen=True)
class Children:
    """The children of one task. `stop` may be called from any thread, at any time.

    `grace` is the time in seconds between SIGTERM and SIGKILL; `memory` the bytes of address space of each child,
    whatever `run` and `ask` are told; `elsewhere`: other workers' children get more. `pool` has the warm children of
    this process, of which those that have seen files of `owner` see no other's; `nice` is by how much programs that are
    `run` leave the processor to others. Without a `place` they reach what their user does.
    """

    grace: float = 0.2  # an ffmpeg that is asked to end first encodes what it holds, for seconds, and nobody wants that
    memory: int | None = None
    elsewhere: bool = False
    pool: Pool = field(default_factory=Pool)
    owner: str = ""
    nice: int = 0
    place: Place | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _running: set[Program | Forked] = field(default_factory=set, repr=False)
    _stopped: list[BaseException] = field(default_factory=list, repr=False)

    def run(  # noqa: PLR0913 - the terms of a child belong together, and the caller names each
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        deadline: float,
        memory: int | None = None,
        cpu: int | None = None,
        file_size: int | None = None,
        stdin: bytes = b"",
        on_line: OnLine | None = None,
        stall: float | None = None,
    ) -> Finished:
        """Run a program to its end; `argv[0]` is an absolute path.

        The program gets no environment but PATH and a UTF-8 locale, no file descriptor but the three standard ones,
        and dies with the calling thread (Linux). Limits: `deadline` and `stall` are seconds of wall time, `cpu` seconds
        of processor time, `memory` bytes of address space (Linux), `file_size` bytes of any one file written.
        `on_line` gets each line of the standard output. Output is progress, but for a line for which `on_line` returns
        False; without progress for `stall` seconds the child is killed.

        Raises:
            ChildFailedError: it ended with a status other than 0, or by a signal.
            ChildDeadlineError, ChildStalledError, ChildOutputError: it was killed.
            BaseException: what `stop` was called with.
        """

        def begin() -> Program:
            process = start(
                argv,
                cwd=cwd,
                folder=self.place.folder if self.place else None,
                memory=self.memory or memory,
                cpu=cpu,
                file_size=file_size,
                nice=self.nice,
            )
            return Program(process, self.grace)

        with self._running_as(begin) as child:
            return child.attend(stdin, on_line, deadline, stall)

    def ask(
        self, question: str, request: bytes, *, cwd: Path, deadline: float, memory: int, cpu: int, file_size: int
    ) -> bytes:
        """Put a question to a warm child, once the pool has one or room for one; returns the answer.

        Question and answer are JSON without line breaks. The child is as confined as a program that is `run`, and
        cannot start another, nor use the network (Linux). `memory` is what it may take beside what it shares with the
        others; it and `cpu` are for all the child's life. It is killed when the worker dies: at once on Linux,
        elsewhere by the process it was forked from. What a child that has seen other files says against one, or dies
        of, does not count: a fresh one is asked.

        Raises:
            ChildFailedError, ChildDeadlineError, ChildOutputError: as `run`.
            TemplateLostError: the process that it was forked from died.
            UnavailableError: there was no room within `deadline`.
            BaseException: what `stop` was called with.
        """
        home = str(self.place.home) if self.place else ""
        terms = Terms(self.owner, home, self.memory or memory, cpu, file_size)
        if used := self.pool.used(question, terms):
            with suppress(ChildFailedError, ChildOutputError, TemplateLostError), self._lent(used, question, terms):
                answer = self._put(used, question, terms, cwd, request, deadline)
                if used.sound:
                    return answer
        try:
            return self._ask_fresh(question, terms, cwd, request, deadline)
        except NotForkedError:  # nobody has seen the file yet: another template may
            self.pool.template(question).forget()
        return self._ask_fresh(question, terms, cwd, request, deadline)

    def _ask_fresh(self, question: str, terms: Terms, cwd: Path, request: bytes, deadline: float) -> bytes:
        child = self.pool.fresh(question, terms, self._patient(deadline))
        with self._lent(child, question, terms):
            return self._put(child, question, terms, cwd, request, deadline)

    def _put(self, child: Forked, question: str, terms: Terms, cwd: Path, request: bytes, deadline: float) -> bytes:
        limits = {"memory": terms.memory, "cpu": terms.cpu, "file_size": terms.file_size}
        told = {"cwd": str(cwd), "home": terms.home, "limits": limits, "stays": self.pool.stays(question, terms, child)}
        return child.attend(question, told, request, deadline)

    def stop(self, error: BaseException) -> None:
        """Kill what runs and let nothing start: `run` and `ask` raise `error` now and from now on. The first counts."""
        with self._lock:
            if not self._stopped:
                self._stopped.append(error)
            for child in self._running:
                child.end(self._stopped[0])

    def _patient(self, seconds: float) -> Callable[[], None]:
        """What is called while one waits: it raises when the task was stopped or so much time has gone by."""
        until = time.monotonic() + seconds

        def wait() -> None:
            if self._stopped:
                raise self._stopped[0]
            if time.monotonic() > until:
                raise UnavailableError("memory: other pictures have taken it all")

        return wait

    @contextmanager
    def _running_as(self, begin: Callable[[], Program]) -> Iterator[Program]:
        with self._lock:
            if self._stopped:
                raise self._stopped[0]
            child = begin()
            self._running.add(child)
        try:
            yield child
        finally:
            child.bury()
            with self._lock:
                self._running.remove(child)

    @contextmanager
    def _lent(self, child: Forked, question: str, terms: Terms) -> Iterator[None]:
        try:
            with self._lock:
                if self._stopped:
                    raise self._stopped[0]
                self._running.add(child)
            yield
        finally:
            with self._lock:
                self._running.discard(child)
            self.pool.release(question, terms, child)

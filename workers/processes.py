"""The child processes of a task.

Every decoder and encoder runs as a child that is confined (`confine.py`), watched, bounded in what it may say, and gone
when `run` or `ask` returns, whatever happened.
"""

import math
import os
import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from pipeline.errors import UnavailableError
from workers.endings import ChildDeadlineError, ChildOutputError, ChildStalledError, failure
from workers.forked import Forked, NotForkedError
from workers.pool import Pool
from workers.starting import Process, StillRunningError, start

OnLine = Callable[[str], object]
_Kind = TypeVar("_Kind", "_Child", Forked)

_STDERR_TAIL = 4 * 2**10  # bytes kept
_STDOUT = 4 * 2**20  # bytes accepted: in all, or in one line where lines are handed on
_READ = 2**16  # bytes, what a pipe holds
_TICK = 0.1  # seconds between looks at the clock
_REAP = 0.01  # seconds to wait for a process that has closed its outputs
_DRAIN = 1.0  # seconds to wait for outputs that somebody outside the group holds open


@dataclass(frozen=True)
class Finished:
    """A child that ended well: what it wrote. `stdout` is empty when its lines were handed to `on_line`."""

    stdout: bytes
    stderr_tail: str


@dataclass(frozen=True)
class Children:
    """The children of one task. `stop` may be called from any thread, at any time.

    `grace` is the time in seconds between SIGTERM and SIGKILL; `memory` the bytes of address space of each child,
    whatever `run` and `ask` are told; `elsewhere`: other workers' children get more. `pool` has the warm children of
    this process.
    """

    grace: float = 5.0
    memory: int | None = None
    elsewhere: bool = False
    pool: Pool = field(default_factory=Pool)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _running: "set[_Child | Forked]" = field(default_factory=set, repr=False)
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
        nice: int = 0,
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

        def begin() -> _Child:
            process = start(argv, cwd=cwd, memory=self.memory or memory, cpu=cpu, file_size=file_size, nice=nice)
            return _Child(process, self.grace)

        with self._running_as(begin) as child:
            return child.attend(stdin, on_line, deadline, stall)

    def ask(
        self, question: str, request: bytes, *, cwd: Path, deadline: float, memory: int, cpu: int, file_size: int
    ) -> bytes:
        """Put a question to a warm child, forked for it alone, once the pool has room for it; returns the answer.

        Question and answer are JSON without line breaks. The child is as confined as a program that is `run`, and
        cannot start another, nor use the network (Linux). `memory` is what it may take beside what it shares with the
        others. It is killed when the worker dies: at once on Linux, elsewhere by the process it was forked from.

        Raises:
            ChildFailedError, ChildDeadlineError, ChildOutputError: as `run`.
            TemplateLostError: the process that it was forked from died.
            UnavailableError: there was no room within `deadline`.
            BaseException: what `stop` was called with.
        """
        limits = {"memory": self.memory or memory, "cpu": cpu, "file_size": file_size}
        with self.pool.room.taken(limits["memory"], self._patient(deadline)):
            return self._ask(question, {"cwd": str(cwd), "limits": limits}, request, deadline)

    def _ask(self, question: str, terms: dict[str, Any], request: bytes, deadline: float) -> bytes:
        template = self.pool.template(question)
        try:
            with self._running_as(template.fork) as child:
                return child.attend(question, terms, request, deadline)
        except NotForkedError:  # nobody has seen the file yet: another template may
            template.forget()
        with self._running_as(self.pool.template(question).fork) as child:
            return child.attend(question, terms, request, deadline)

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
    def _running_as(self, begin: Callable[[], _Kind]) -> Iterator[_Kind]:
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


class _Child:
    """One running process and its pipes, watched by the thread that started it."""

    def __init__(self, process: Process, grace: float) -> None:
        self._process = process
        self._grace = grace
        self._mutex = threading.Lock()  # so that no signal goes to an id that was reaped
        self._ending: BaseException | None = None
        self._kill_at = math.inf
        self._ended_at = math.inf
        self._heard_at = time.monotonic()
        self._stdout = bytearray()
        self._stderr = bytearray()

    def end(self, error: BaseException) -> None:
        """Ask the process and its group to go; `attend` then raises `error`. The first error stays."""
        with self._mutex:
            if self._ending is None:
                self._ending = error
                self._kill_at = time.monotonic() + self._grace
                self._signal(signal.SIGTERM)

    def attend(self, stdin: bytes, on_line: OnLine | None, deadline: float, stall: float | None) -> Finished:
        """Feed it, listen to it and hold it to its time, until it is gone."""
        ends_at = time.monotonic() + deadline
        unsent = bytearray(stdin)
        with selectors.DefaultSelector() as pipes:
            for pipe, event, handle in (
                (self._process.stdin, selectors.EVENT_WRITE, lambda pipe: self._feed(pipe, unsent)),
                (self._process.stdout, selectors.EVENT_READ, lambda pipe: self._hear(pipe, on_line)),
                (self._process.stderr, selectors.EVENT_READ, self._note),
            ):
                if pipe is not None:
                    os.set_blocking(pipe.fileno(), False)
                    pipes.register(pipe, event, (pipe, handle))
            while not self._over(pipes):
                for key, _ in pipes.select(_TICK) if pipes.get_map() else ():
                    pipe, handle = key.data
                    if not handle(pipe):
                        pipes.unregister(pipe)
                        pipe.close()
                self._watch(ends_at, stall)
        if self._ending is not None:
            raise self._ending
        tail = self._stderr.decode(errors="replace")
        if self._process.returncode != 0:
            raise failure(self._process.returncode, tail)
        return Finished(b"" if on_line else bytes(self._stdout), tail)

    def bury(self) -> None:
        """Leave nothing behind: neither the process, nor one that it started, nor a pipe."""
        with self._mutex:
            self._signal(signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _feed(self, pipe: IO[bytes], unsent: bytearray) -> bool:
        with suppress(BrokenPipeError):  # it may do without the rest
            if unsent:
                del unsent[: os.write(pipe.fileno(), unsent[:_READ])]
                return True
        return False

    def _hear(self, pipe: IO[bytes], on_line: OnLine | None) -> bool:
        data = os.read(pipe.fileno(), _READ)
        self._stdout += data
        if on_line is None:
            self._heard_at = time.monotonic()
        else:
            *lines, self._stdout = self._stdout.split(b"\n")
            if not data and self._stdout:
                lines.append(self._stdout)
            for line in lines:
                if on_line(line.decode(errors="replace")) is not False:
                    self._heard_at = time.monotonic()
        if len(self._stdout) > _STDOUT:
            self._stdout.clear()
            self.end(ChildOutputError(f"child wrote more than {_STDOUT} bytes"))
        return bool(data)

    def _note(self, pipe: IO[bytes]) -> bool:
        data = os.read(pipe.fileno(), _READ)
        self._stderr += data
        del self._stderr[:-_STDERR_TAIL]
        return bool(data)

    def _over(self, pipes: selectors.BaseSelector) -> bool:
        with self._mutex:
            if self._ended_at == math.inf:
                if not pipes.get_map():
                    with suppress(StillRunningError):
                        self._process.wait(_REAP)
                if self._process.poll() is None:
                    return False
                self._signal(
                    signal.SIGKILL
                )  # what it started and left behind; the group's id is theirs while they live
                self._ended_at = time.monotonic()
        return not pipes.get_map() or time.monotonic() > self._ended_at + _DRAIN

    def _watch(self, ends_at: float, stall: float | None) -> None:
        now = time.monotonic()
        if now > ends_at:
            self.end(ChildDeadlineError("child passed its deadline"))
        if stall is not None and now > self._heard_at + stall:
            self.end(ChildStalledError(f"child showed no progress for {stall:g} s"))
        if now > self._kill_at:
            with self._mutex:
                self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._ended_at == math.inf:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

"""Child processes: the one file in `workers/` that starts any.

Every decoder and encoder runs as a child that is confined (`confine.py`), watched, bounded in what it may say, and gone
when `run` returns, whatever happened.
"""

import json
import math
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pipeline.errors import OutOfMemoryError, TransientError

OnLine = Callable[[str], object]

_CONFINE = Path(__file__).with_name("confine.py")
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_STDERR_TAIL = 4 * 2**10  # bytes kept
_STDOUT = 4 * 2**20  # bytes accepted: in all, or in one line where lines are handed on
_READ = 2**16  # bytes, what a pipe holds
_STARVED = ("Cannot allocate memory", "MemoryError", "bad_alloc")  # what libc, Python and C++ say
_TICK = 0.1  # seconds between looks at the clock
_REAP = 0.01  # seconds to wait for a process that has closed its outputs
_DRAIN = 1.0  # seconds to wait for outputs that somebody outside the group holds open


class ChildFailedError(TransientError):
    """The child ended with an error. Transient, for it may be the machine's fault; a stage that knows better says so.

    `returncode` is as in `subprocess`: negative for a signal. `stderr_tail` is for logs, never for the public.
    """

    def __init__(self, returncode: int, stderr_tail: str) -> None:
        """Keep both, and name the signal."""
        how = signal.Signals(-returncode).name if returncode < 0 else f"exit status {returncode}"
        super().__init__(f"child ended with {how}: {stderr_tail[-200:]}")
        self.returncode = returncode
        self.stderr_tail = stderr_tail


class ChildOutOfMemoryError(ChildFailedError, OutOfMemoryError):
    """The child could not get the memory it asked for, or was killed for taking it."""


class ChildDeadlineError(TransientError):
    """The child was killed at its deadline. Counts an attempt: a hostile file and a loaded machine look alike."""


class ChildStalledError(TransientError):
    """The child was killed because it showed no progress for too long."""


class ChildOutputError(TransientError):
    """The child was killed because it wrote more to its standard output than is read."""


@dataclass(frozen=True)
class Finished:
    """A child that ended well: what it wrote. `stdout` is empty when its lines were handed to `on_line`."""

    stdout: bytes
    stderr_tail: str


@dataclass(frozen=True)
class Children:
    """The children of one task. `stop` may be called from any thread, at any time.

    `grace` is the time in seconds between SIGTERM and SIGKILL; `memory` the bytes of address space of each child,
    whatever `run` is told.
    """

    grace: float = 5.0
    memory: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _running: "set[_Child]" = field(default_factory=set, repr=False)
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
        terms = {
            "parent": os.getpid(),
            "memory": self.memory or memory,
            "cpu": cpu,
            "file_size": file_size,
            "nice": nice,
        }
        with self._started([sys.executable, "-I", "-S", str(_CONFINE), json.dumps(terms), *argv], cwd) as child:
            return child.attend(stdin, on_line, deadline, stall)

    def stop(self, error: BaseException) -> None:
        """Kill what runs and let nothing start: `run` raises `error` now and from now on. The first call counts."""
        with self._lock:
            if not self._stopped:
                self._stopped.append(error)
            for child in self._running:
                child.end(self._stopped[0])

    @contextmanager
    def _started(self, command: Sequence[str], cwd: Path) -> "Iterator[_Child]":
        with self._lock:
            if self._stopped:
                raise self._stopped[0]
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=_environment(cwd),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
            child = _Child(process, self.grace)
            self._running.add(child)
        try:
            yield child
        finally:
            child.bury()
            with self._lock:
                self._running.remove(child)


def _environment(cwd: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "HOME": str(cwd), "TMPDIR": str(cwd), "LC_ALL": "C.UTF-8"}


def _failure(returncode: int, stderr_tail: str) -> ChildFailedError:
    starved = returncode == -signal.SIGKILL or any(sign in stderr_tail for sign in _STARVED)
    return (ChildOutOfMemoryError if starved else ChildFailedError)(returncode, stderr_tail)


class _Child:
    """One running process and its pipes, watched by the thread that started it."""

    def __init__(self, process: subprocess.Popen[bytes], grace: float) -> None:
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
            raise _failure(self._process.returncode, tail)
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
                    with suppress(subprocess.TimeoutExpired):
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

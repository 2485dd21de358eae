"""The worker's side of a program that runs as its child: fed, heard, held to its time, and gone afterwards."""

import math
import os
import selectors
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from workers.endings import ChildDeadlineError, ChildOutputError, ChildStalledError, failure
from workers.starting import Process, StillRunningError

OnLine = Callable[[str], object]

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


class Program:
    """One running program and its pipes, watched by the thread that started it."""

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

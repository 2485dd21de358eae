"""Keeps child processes alive, names the dead, and leaves nobody behind."""

import glob
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ops import processes
from ops.child import Child
from ops.display import Display
from ops.leftovers import MARK
from ops.logfiles import last_lines, length, shorten
from ops.warden import Warden

TICK = 0.2
"""Seconds between two looks at the children."""

DEATHS = 5
WINDOW = 60.0
"""So many deaths of one child within so many seconds end the whole: something is wrong that a restart does not mend."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
"""Back-off before a restart: doubles with each death in the window. Five deaths fit into it."""


class StopRequestedError(Exception):
    """Somebody asked for the end while children were being started."""


class GaveUpError(Exception):
    """A child cannot be brought up or kept up; the text names it and ends with the tail of its log."""


@dataclass
class _Watched:
    child: Child
    log: Path
    process: processes.Process
    begun: int
    """Bytes in the log before this process wrote there."""
    ready: bool = False
    deaths: deque[float] = field(default_factory=deque)
    restart_at: float | None = None


class Supervisor:
    """Owns the children of one run folder. Used from one thread; `stop` may be set from anywhere.

    A context manager: leaving it ends every child, the last started group first.
    """

    def __init__(self, run_dir: Path, display: Display, stop: threading.Event) -> None:
        self._logs = run_dir / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._mark = {MARK: str(run_dir.resolve())}
        self._display = display
        self._stop = stop
        self._waves: list[list[_Watched]] = []
        self._warden = Warden()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self, *children: Child, within: float = 60.0) -> None:
        """Start children side by side and return when all are ready.

        Raises:
            StopRequestedError: `stop` was set meanwhile.
            GaveUpError: one died too often, or is not ready after `within` seconds.
        """
        wave: list[_Watched] = []
        self._waves.append(wave)
        for child in children:
            log = self._logs / f"{child.name}.log"
            shorten(log)
            self._display.starting(child.name)
            wave.append(self._watch(child, log))
        deadline = time.monotonic() + within
        while not all(watched.ready for watched in wave):
            if self._stop.is_set():
                raise StopRequestedError
            late = next((watched for watched in wave if not watched.ready), None)
            if late and time.monotonic() > deadline:
                raise GaveUpError(_late(late, within))
            self._look()
            self._stop.wait(TICK)

    def run(self, child: Child, within: float = 60.0) -> None:
        """Run a child to its end while watching the others.

        Raises:
            StopRequestedError: `stop` was set meanwhile.
            GaveUpError: it failed, or is not done after `within` seconds.
        """
        log = self._logs / f"{child.name}.log"
        self._display.starting(child.name)
        watched = self._watch(child, log)
        process = watched.process
        deadline = time.monotonic() + within
        try:
            while process.poll() is None:
                if self._stop.is_set():
                    raise StopRequestedError
                if time.monotonic() > deadline:
                    raise GaveUpError(_late(watched, within))
                self._look()
                self._stop.wait(TICK)
        finally:
            processes.end([process], 1.0)
            self._forget(watched)
        if process.returncode:
            raise GaveUpError(f"{child.name} {_how(process.returncode)}\n{last_lines(log, watched.begun)}".rstrip())
        self._display.ready(child.name, child.address)

    def watch(self) -> None:
        """Restart whoever dies until `stop` is set.

        Raises:
            GaveUpError: one died too often.
        """
        while not self._stop.wait(TICK):
            self._look()

    def end(self, grace: float = 7.5, server_grace: float = 2.0) -> None:
        """End all children within 10 s, last wave first: workers put their work down while the servers still run."""
        while self._waves:
            wave = self._waves.pop()
            processes.end([watched.process for watched in wave], server_grace if not self._waves else grace)
            for watched in wave:
                self._forget(watched)
        self._warden.dismiss()

    def pids(self) -> dict[str, int]:
        """Return the process id of each child that runs."""
        return {
            watched.child.name: watched.process.pid
            for wave in self._waves
            for watched in wave
            if watched.restart_at is None
        }

    def _look(self) -> None:
        """Look at each child once: note a death, restart who is due, ask who is not ready yet."""
        self._warden.look()
        for watched in (each for wave in self._waves for each in wave):
            if watched.restart_at is not None:
                if time.monotonic() >= watched.restart_at:
                    watched.restart_at = None
                    self._display.starting(watched.child.name)
                    watched.begun = length(watched.log)
                    watched.process = self._spawn(watched.child, watched.log)
            elif watched.process.poll() is not None:
                self._mourn(watched)
            elif not watched.ready and watched.child.ready():
                watched.ready = True
                self._display.ready(watched.child.name, watched.child.address)

    def _mourn(self, watched: _Watched) -> None:
        now = time.monotonic()
        watched.ready = False
        how, tail = _how(watched.process.returncode), last_lines(watched.log, watched.begun)
        self._display.died(watched.child.name, how, tail)
        processes.end([watched.process], 0)  # what the dead one left of its group
        self._forget(watched)
        watched.deaths.append(now)
        while watched.deaths[0] < now - WINDOW:
            watched.deaths.popleft()
        if len(watched.deaths) >= DEATHS:
            raise GaveUpError(f"{watched.child.name} died {DEATHS} times within a minute")
        watched.restart_at = now + min(FIRST_WAIT * 2 ** (len(watched.deaths) - 1), LONGEST_WAIT)

    def _watch(self, child: Child, log: Path) -> _Watched:
        begun = length(log)
        return _Watched(child, log, self._spawn(child, log), begun)

    def _spawn(self, child: Child, log: Path) -> processes.Process:
        process = processes.start(child.argv, env={**child.env, **self._mark}, cwd=child.cwd, log=log)
        self._warden.guard(process.pid)
        return process

    def _forget(self, watched: _Watched) -> None:
        self._warden.release(watched.process.pid)
        for pattern in watched.child.litter:
            for path in glob.glob(pattern):  # noqa: PTH207 - patterns are absolute
                Path(path).unlink(missing_ok=True)


def _how(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"exited with {code}"


def _late(watched: _Watched, within: float) -> str:
    return f"{watched.child.name} is not ready after {within:.0f} s\n{last_lines(watched.log, watched.begun)}".rstrip()

"""Servers and roles of a deployment, kept alive: whoever dies is started again at once, by whatever hand it died."""

import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ops import leftovers, processes
from ops.child import Child
from ops.leftovers import MARK
from ops.warden import Warden
from tests.serving import wait_for

STARTING = 90.0
DEPLOYING = 8.0
"""Seconds that a process has between SIGTERM and SIGKILL, a container's `stop_grace_period`."""
AT_WORK = 2.0
"""Seconds after which one that became ready may be struck down; longer if its start took longer: dead all the time, it
would show nothing."""
_TICK = 0.05


@dataclass
class Fleet:
    """The processes by name, each the leader of its own group. `killed` are those that a deploy had to kill."""

    folder: Path
    servers: tuple[str, ...]
    killed: list[str] = field(default_factory=list)
    starts: int = 0
    _children: dict[str, Child] = field(default_factory=dict)
    _processes: dict[str, processes.Process] = field(default_factory=dict)
    _started_at: dict[str, float] = field(default_factory=dict)
    _ready_at: dict[str, float] = field(default_factory=dict)
    _warden: Warden = field(default_factory=Warden)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self, *children: Child) -> None:
        """Start them side by side and return when all are ready."""
        with self._lock:
            for child in children:
                self._spawn(child)
                self._children[child.name] = child
        wait_for(lambda: all(child.ready() for child in children), STARTING)

    def at_work(self, *prefixes: str) -> list[str]:
        """Those whose names begin so and that have been ready for a while."""
        now = time.monotonic()
        with self._lock:
            times = {name: (self._started_at[name], self._ready_at[name]) for name in self._children}
        return [
            name
            for name, (started_at, ready_at) in times.items()
            if name.startswith(prefixes or "") and now > ready_at + max(AT_WORK, ready_at - started_at)
        ]

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def signal(self, name: str, number: signal.Signals) -> int:
        """Signal the whole process group; returns its id, 0 when there was nobody to signal."""
        with self._lock:
            process = self._processes[name]
            alive = process.poll() is None and processes.signal_group(process.pid, number)
            return process.pid if alive else 0

    def deploy(self, names: Sequence[str]) -> None:
        """SIGTERM the leaders and return when all are gone; others are started in their place."""
        with self._lock:
            leaving = {name: self._processes[name] for name in names}
            for process in leaving.values():
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + DEPLOYING
        while any(process.poll() is None for process in leaving.values()) and time.monotonic() < deadline:
            time.sleep(_TICK)
        for name, process in leaving.items():
            if process.poll() is None:
                self.killed.append(name)
                processes.signal_group(process.pid, signal.SIGKILL)

    def grandchildren(self, program: str) -> list[int]:
        """The ids of processes that run such a program and were started by one of ours."""
        listing = subprocess.run(
            ["/bin/ps", "-A", "-ww", "-o", "pid=,ppid=,pgid=,command="], capture_output=True, text=True, check=True
        )
        rows = [line.split(maxsplit=3) for line in listing.stdout.splitlines()]
        with self._lock:
            groups = {str(process.pid) for process in self._processes.values()}
        ours = {row[0] for row in rows if row[2] in groups}
        return [int(row[0]) for row in rows if row[1] in ours and program in row[3].split()[0].rpartition("/")[2]]

    def keep(self) -> None:
        """Start whoever has died, until the end."""
        while not self._over.wait(_TICK):
            with self._lock:
                self._warden.look()
                for name, process in self._processes.items():
                    if process.poll() is not None:
                        self._bury(process)
                        self._spawn(self._children[name])
            for name, child in list(self._children.items()):
                if self._ready_at[name] == math.inf and child.ready():
                    self._ready_at[name] = time.monotonic()

    def end(self) -> None:
        """End the roles, then the servers: those were started first."""
        self._over.set()
        with self._lock:
            for process in reversed(self._processes.values()):
                processes.signal_group(process.pid, signal.SIGCONT)
            servers = [self._processes[name] for name in self.servers if name in self._processes]
            processes.end([each for each in self._processes.values() if each not in servers], DEPLOYING)
            processes.end(servers, 2.0)
            for name, process in self._processes.items():
                self._bury(process)
                for pattern in self._children[name].litter:
                    for path in Path("/").glob(pattern.lstrip("/")):
                        path.unlink(missing_ok=True)
        self._warden.dismiss()

    def _spawn(self, child: Child) -> None:
        self.log(child.name).parent.mkdir(parents=True, exist_ok=True)
        env = {**child.env, MARK: str(self.folder.resolve())}
        process = processes.start(child.argv, env=env, cwd=child.cwd, log=self.log(child.name))
        self._warden.guard(process.pid)
        self._processes[child.name] = process
        self._started_at[child.name], self._ready_at[child.name] = time.monotonic(), math.inf
        self.starts += 1

    def _bury(self, process: processes.Process) -> None:
        """What the dead one left of its group goes as well."""
        processes.signal_group(process.pid, signal.SIGKILL)
        self._warden.release(process.pid)


@contextmanager
def afloat(folder: Path, servers: Sequence[Child]) -> Iterator[Fleet]:
    """A fleet of servers, to which roles may be added; leaving the context ends all, or fails."""
    fleet = Fleet(folder, tuple(server.name for server in servers))
    keeper = threading.Thread(target=fleet.keep, daemon=True)
    try:
        fleet.start(*servers)
        keeper.start()
        yield fleet
    finally:
        fleet.end()
        if keeper.ident:
            keeper.join()
    assert leftovers.find(folder) == []


def resume(group: int) -> None:
    """Let a stopped group go on, unless it was killed meanwhile."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGCONT)

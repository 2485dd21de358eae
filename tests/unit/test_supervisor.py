import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops import leftovers, processes, supervisor
from ops.child import Child
from ops.supervisor import GaveUpError, StopRequestedError, Supervisor

SLEEPER = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


class Events:
    """A display that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, ...]] = []

    def starting(self, name: str) -> None:
        self.seen.append(("starting", name))

    def ready(self, name: str, address: str) -> None:
        self.seen.append(("ready", name, address))

    def died(self, name: str, how: str, tail: str) -> None:
        self.seen.append(("died", name, how, tail))

    def settle(self) -> None:
        self.seen.append(("settle",))


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def keeper(tmp_path: Path, events: Events, stop: threading.Event) -> Iterator[Supervisor]:
    with Supervisor(tmp_path, events, stop) as supervisor:
        yield supervisor


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_WAIT", 0.01)


def child(tmp_path: Path, code: str, name: str = "child", ready: Callable[[], bool] = lambda: True) -> Child:
    return Child(name, (sys.executable, "-c", code), dict(os.environ), tmp_path, address="here", ready=ready)


def eventually(condition: Callable[[], bool], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def gone(group: int) -> bool:
    return not processes.signal_group(group, 0)


def test_what_was_started_is_ready_and_ends_with_the_supervisor(
    tmp_path: Path, keeper: Supervisor, events: Events
) -> None:
    flag = tmp_path / "flag"
    touching = f"import pathlib; pathlib.Path({str(flag)!r}).touch(); {SLEEPER}"
    keeper.start(child(tmp_path, SLEEPER, "one"), child(tmp_path, touching, "two", flag.exists))
    pids = keeper.pids()
    assert set(pids) == {"one", "two"}
    assert events.seen[-1] in {("ready", "one", "here"), ("ready", "two", "here")}
    keeper.end()
    assert all(gone(pid) for pid in pids.values())


def test_a_dead_child_is_named_with_its_last_words_and_restarted(
    tmp_path: Path, keeper: Supervisor, events: Events, stop: threading.Event
) -> None:
    flag = tmp_path / "flag"
    once = (
        f"import pathlib, sys; flag = pathlib.Path({str(flag)!r})\n"
        f"if not flag.exists(): flag.touch(); sys.exit('no luck today')\n{SLEEPER}"
    )
    keeper.start(child(tmp_path, once))
    watching = threading.Thread(target=keeper.watch)
    watching.start()
    eventually(lambda: events.seen.count(("starting", "child")) == 2 and "child" in keeper.pids())
    stop.set()
    watching.join()
    assert ("died", "child", "exited with 1", "    no luck today") in events.seen


@pytest.mark.usefixtures("impatient")
def test_five_deaths_within_a_minute_end_it(tmp_path: Path, keeper: Supervisor, events: Events) -> None:
    keeper.start(bystander := child(tmp_path, SLEEPER, "bystander"))
    pid = keeper.pids()[bystander.name]
    with pytest.raises(GaveUpError, match="child died 5 times within a minute"):
        keeper.start(child(tmp_path, "import os; os.kill(os.getpid(), 9)", ready=lambda: False))
    assert [event[2] for event in events.seen if event[0] == "died"] == ["was killed by signal 9"] * 5
    keeper.end()
    assert gone(pid)


def test_what_a_dead_child_left_of_its_group_is_killed(tmp_path: Path, keeper: Supervisor, events: Events) -> None:
    orphan = tmp_path / "orphan"
    forking = (
        f"import os, pathlib, time\n"
        f"if os.fork() == 0: time.sleep(600)\n"
        f"pathlib.Path({str(orphan)!r}).write_text(str(os.getpid()))\n{SLEEPER}"
    )
    keeper.start(child(tmp_path, forking, ready=lambda: orphan.exists() and orphan.read_text() != ""))
    group = int(orphan.read_text())
    os.kill(group, signal.SIGKILL)
    keeper.start(child(tmp_path, SLEEPER, "another", lambda: any(event[0] == "died" for event in events.seen)))
    assert gone(group)


def test_a_stop_during_the_start_is_obeyed_at_once(tmp_path: Path, keeper: Supervisor, stop: threading.Event) -> None:
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    with pytest.raises(StopRequestedError):
        keeper.start(child(tmp_path, SLEEPER, ready=lambda: False))
    timer.join()
    (pid,) = keeper.pids().values()
    keeper.end()
    assert gone(pid)


def test_who_ignores_sigterm_is_killed(tmp_path: Path, keeper: Supervisor) -> None:
    log = tmp_path / "logs" / "child.log"
    keeper.start(child(tmp_path, STUBBORN, ready=lambda: "up" in log.read_text()))
    (pid,) = keeper.pids().values()
    keeper.end(grace=0.2, server_grace=0.2)
    assert gone(pid)


def test_a_child_that_runs_to_its_end_fails_with_its_last_words(tmp_path: Path, keeper: Supervisor) -> None:
    keeper.run(child(tmp_path, "print('fine')", "good"))
    with pytest.raises(GaveUpError, match="bad exited with 3\n    oh dear"):
        keeper.run(child(tmp_path, "print('oh dear'); raise SystemExit(3)", "bad"))


def test_a_child_that_is_never_ready_is_named(tmp_path: Path, keeper: Supervisor) -> None:
    with pytest.raises(GaveUpError, match=r"child is not ready after 0 s"):
        keeper.start(child(tmp_path, SLEEPER, ready=lambda: False), within=0.2)


ABANDONED = """
import os, sys, threading
from pathlib import Path
from ops.child import Child
from ops.display import Plain
from ops.supervisor import Supervisor
argv = (sys.executable, "-c", "import time; time.sleep(600)")
keeper = Supervisor(Path.cwd(), Plain(), threading.Event())
keeper.start(*(Child(name, argv, dict(os.environ), Path.cwd()) for name in ("one", "two")))
print("pids", *keeper.pids().values(), flush=True)
keeper.watch()
"""

WARDED = f"""
import os, sys, time
from pathlib import Path
from ops import processes
from ops.warden import Warden
log = Path("log")
ward = processes.start((sys.executable, "-c", {STUBBORN!r}), env=os.environ, cwd=Path.cwd(), log=log)
while not log.read_text():
    time.sleep(0.01)
warden = Warden(grace=0.3)
warden.guard(ward.pid)
while True:
    print("pids", ward.pid, warden.pid, flush=True)
    warden.look()
    time.sleep(0.01)
"""


def running(script: str, folder: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen([sys.executable, "-c", script], cwd=folder, env=env, stdout=subprocess.PIPE, text=True)


def printed_pids(process: subprocess.Popen[str]) -> tuple[int, ...]:
    """Return the numbers of the next line that starts with `pids`."""
    assert process.stdout
    for line in process.stdout:
        if line.startswith("pids"):
            return tuple(map(int, line.split()[1:]))
    raise AssertionError("the script ended")


def test_nobody_survives_a_killed_supervisor(tmp_path: Path) -> None:
    with running(ABANDONED, tmp_path) as process:
        pids = printed_pids(process)
        process.kill()
    eventually(lambda: all(map(gone, pids)))


def test_a_killed_warden_is_replaced_and_the_new_one_knows_everybody(tmp_path: Path) -> None:
    with running(WARDED, tmp_path) as process:
        ward, warden = printed_pids(process)
        os.kill(warden, signal.SIGKILL)
        while (successor := printed_pids(process)[1]) == warden:
            pass
        process.kill()
    eventually(lambda: gone(ward) and gone(successor))


def test_the_next_start_finds_what_supervisor_and_warden_left(tmp_path: Path) -> None:
    with running(ABANDONED, tmp_path) as process:
        pids = printed_pids(process)
        found = leftovers.find(tmp_path)
        assert sorted(found) == sorted(pids)
        assert leftovers.find(tmp_path / "other") == []
        process.send_signal(signal.SIGSTOP)
        assert leftovers.end(tmp_path) == len(pids)
        process.kill()
    eventually(lambda: all(map(gone, pids)))

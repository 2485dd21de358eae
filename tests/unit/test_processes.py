import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import LeaseLostError
from tests.processes import eventually, gone, session_nice
from workers.endings import (
    ChildDeadlineError,
    ChildFailedError,
    ChildOutOfMemoryError,
    ChildOutputError,
    ChildStalledError,
)
from workers.processes import Children
from workers.programs import Finished, OnLine

LONG = 60.0
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)
ORPHANING = """
import sys
from pathlib import Path
from workers.processes import Children
child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
Children().run([sys.executable, "-c", child], cwd=Path("."), deadline=60, on_line=lambda pid: print(pid, flush=True))
"""
LOOK_AROUND = """
import json, os
def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
print(json.dumps(list(os.environ)))
print(json.dumps([descriptor for descriptor in range(256) if is_open(descriptor)]))
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's own")


@pytest.fixture
def children() -> Children:
    return Children(grace=0.2, nice=5)


@pytest.fixture
def run(children: Children, tmp_path: Path) -> Callable[..., Finished]:
    def python(code: str, **terms: float | bytes | OnLine | None) -> Finished:
        return children.run([sys.executable, "-I", "-c", code], cwd=tmp_path, **{"deadline": LONG, **terms})  # type: ignore[arg-type]

    return python


def test_a_child_reads_and_writes(run: Callable[..., Finished]) -> None:
    code = "import sys; data = sys.stdin.read(); sys.stderr.write('noted'); sys.stdout.write(data.upper())"
    assert run(code, stdin=b"x" * 10**6) == Finished(b"X" * 10**6, "noted")


def test_a_child_that_does_not_read_is_no_trouble(run: Callable[..., Finished]) -> None:
    assert run("print('ok')", stdin=b"x" * 10**6).stdout == b"ok\n"


def test_a_failure_tells_its_status_and_the_tail_of_what_was_said(run: Callable[..., Finished]) -> None:
    with pytest.raises(ChildFailedError) as caught:
        run("import sys; sys.stderr.write('x' * 100_000 + 'at last'); sys.exit(3)")
    assert caught.value.returncode == 3
    assert caught.value.stderr_tail.endswith("at last")
    assert len(caught.value.stderr_tail) == 4096


def test_a_signal_is_named(run: Callable[..., Finished]) -> None:
    with pytest.raises(ChildFailedError, match="SIGSEGV") as caught:
        run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert caught.value.returncode == -signal.SIGSEGV


def test_the_deadline_holds_even_for_a_child_that_ignores_it(run: Callable[..., Finished]) -> None:
    with pytest.raises(ChildDeadlineError):
        run(STUBBORN, deadline=1.0)


def test_a_child_without_progress_is_killed(run: Callable[..., Finished]) -> None:
    lines: list[str] = []
    with pytest.raises(ChildStalledError):
        run("import time\nprint('frame=1', flush=True)\ntime.sleep(60)", on_line=lines.append, stall=3.0)
    assert lines == ["frame=1"]


def test_lines_that_say_nothing_new_are_no_progress(run: Callable[..., Finished]) -> None:
    code = "import time\nwhile True: print('frame=1', flush=True); time.sleep(0.01)"
    with pytest.raises(ChildStalledError):
        run(code, on_line=lambda _: False, stall=0.5)


def test_lines_are_whole_and_complete(run: Callable[..., Finished]) -> None:
    lines: list[str] = []
    finished = run("print('one\\ntwo', end='', flush=True); print('\\nthree', end='')", on_line=lines.append)
    assert lines == ["one", "two", "three"]
    assert finished.stdout == b""


@pytest.mark.parametrize("on_line", [None, lambda _: None])
def test_endless_output_ends(run: Callable[..., Finished], on_line: Callable[[str], None] | None) -> None:
    with pytest.raises(ChildOutputError):
        run("while True: print('x' * 10_000, end='')", on_line=on_line)


def test_an_error_in_a_listener_kills_the_child(run: Callable[..., Finished]) -> None:
    pids: list[int] = []

    def listen(line: str) -> None:
        pids.append(int(line))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run("import os, time; print(os.getpid(), flush=True); time.sleep(60)", on_line=listen)
    assert gone(pids[0])


def test_stop_from_another_thread_kills_all_and_lets_nothing_start(children: Children, tmp_path: Path) -> None:
    both_run = threading.Barrier(3)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            children.run(
                [sys.executable, "-c", STUBBORN], cwd=tmp_path, deadline=LONG, on_line=lambda _: both_run.wait()
            )
        except LeaseLostError as error:
            raised.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    both_run.wait(20)
    lost = LeaseLostError("task is another's now")
    children.stop(lost)
    children.stop(KeyboardInterrupt())
    for thread in threads:
        thread.join(20)
    assert raised == [lost, lost]
    with pytest.raises(LeaseLostError):
        children.run([sys.executable, "-c", "pass"], cwd=tmp_path, deadline=LONG)


def test_what_a_child_started_goes_with_it(run: Callable[..., Finished]) -> None:
    code = "import os, time\npid = os.fork()\nif pid: print(pid)\nelse: time.sleep(60)"
    pid = int(run(code).stdout)
    assert eventually(lambda: gone(pid))


@linux
def test_a_child_dies_with_the_worker(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", ORPHANING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, env=environment) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        assert not gone(pid)
        worker.kill()
    assert eventually(lambda: gone(pid))


@linux
def test_memory_is_limited(run: Callable[..., Finished]) -> None:
    with pytest.raises(ChildOutOfMemoryError) as caught:
        run("bytearray(2 * 10**9)", memory=2**30)
    assert "MemoryError" in caught.value.stderr_tail


def test_a_child_that_is_killed_for_its_memory_is_told_apart(run: Callable[..., Finished]) -> None:
    with pytest.raises(ChildOutOfMemoryError):  # what the system's out-of-memory killer does
        run("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(ChildFailedError) as caught:
        run("raise SystemExit(3)")
    assert not isinstance(caught.value, ChildOutOfMemoryError)


@linux
def test_a_queue_may_give_its_children_more_memory_than_the_plan_says(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "bytearray(10**9)"]
    Children(memory=8 * 2**30).run(argv, cwd=tmp_path, deadline=60, memory=2**29)


def test_processor_time_is_limited(run: Callable[..., Finished]) -> None:
    with pytest.raises(ChildFailedError) as caught:
        run("while True: pass", cpu=1)
    assert caught.value.returncode == -signal.SIGXCPU


def test_files_are_limited(run: Callable[..., Finished], tmp_path: Path) -> None:
    with pytest.raises(ChildFailedError):
        run("with open('big', 'wb') as file: file.write(bytes(2_000))", file_size=1_000)
    assert (tmp_path / "big").stat().st_size <= 1_000


def test_nothing_leaks_in(run: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made up")
    with (tmp_path / "open").open("w") as held:
        os.set_inheritable(held.fileno(), True)  # noqa: FBT003 - the standard library's signature
        names, descriptors = run(LOOK_AROUND).stdout.decode().splitlines()
    allowed = {"PATH", "HOME", "TMPDIR", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
    assert set(json.loads(names)) <= allowed
    assert json.loads(descriptors) == [0, 1, 2]


@linux
def test_no_privileges_can_be_gained(run: Callable[..., Finished]) -> None:
    assert b"NoNewPrivs:\t1" in run("print(open('/proc/self/status').read())").stdout


def test_a_child_gives_way_to_this_session_and_to_others(run: Callable[..., Finished]) -> None:
    seen: list[tuple[int, int | None]] = []
    ours = os.getpriority(os.PRIO_PROCESS, 0)

    def look(line: str) -> None:
        seen.append((os.getpriority(os.PRIO_PROCESS, int(line)) - ours, session_nice(int(line))))

    run("import os; print(os.getpid(), flush=True); input()", on_line=look, stdin=b"\n")
    assert seen in ([(5, 5)], [(5, None)])


@linux
def test_a_child_is_killed_for_memory_before_its_worker(run: Callable[..., Finished]) -> None:
    assert run("print(open('/proc/self/oom_score_adj').read())").stdout.strip() == b"1000"

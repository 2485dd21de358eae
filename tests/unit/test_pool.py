"""Warm children: confined, bounded, and gone when the question is answered, whatever died."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import LeaseLostError
from tests import builders
from tests.processes import eventually, gone
from tests.questions import program
from tests.unit.test_inspection import LIMITS
from workers.endings import (
    ChildDeadlineError,
    ChildFailedError,
    ChildOutOfMemoryError,
    ChildOutputError,
    TemplateLostError,
)
from workers.inspection import inspect
from workers.pool import Pool
from workers.processes import Children

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can forbid it")

WORKER = """
import sys
from pathlib import Path
from workers.pool import Pool
from workers.processes import Children
folder = Path(sys.argv[1])
Children(pool=Pool(program=(str(folder / "start.py"),))).ask(
    "hang", b'{"pid": "pid"}', cwd=folder, deadline=60, memory=2**28, cpu=60, file_size=2**20
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    program(folder)
    return folder


@pytest.fixture(scope="module")
def pool(folder: Path) -> Pool:
    """A pool whose templates know the questions of these tests as well."""
    return Pool(program=program(folder))


@pytest.fixture
def children(pool: Pool) -> Children:
    return Children(pool=pool)


Ask = Callable[..., Any]


@pytest.fixture
def put(children: Children, tmp_path: Path) -> Ask:
    def put(question: str, deadline: float = 60, memory: int = 2**28, cpu: int = 60, **request: object) -> Any:  # noqa: ANN401 - JSON
        said = children.ask(
            question,
            json.dumps(request).encode(),
            cwd=tmp_path,
            deadline=deadline,
            memory=memory,
            cpu=cpu,
            file_size=1000,
        )
        return json.loads(said)

    return put


@pytest.fixture
def hanging(put: Ask, tmp_path: Path) -> Callable[[], tuple[int, list[BaseException]]]:
    """Begins a question that is never answered; the child's id, and what it will have raised."""

    def begin() -> tuple[int, list[BaseException]]:
        raised: list[BaseException] = []

        def work() -> None:
            try:
                put("hang", pid="pid")
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                raised.append(error)

        threading.Thread(target=work, daemon=True).start()
        assert eventually((tmp_path / "pid").exists, 30)
        return int((tmp_path / "pid").read_text()), raised

    return begin


def template_of(pool: Pool) -> int:
    pid = pool.template("echo").pid
    assert pid is not None
    return pid


def test_a_question_is_answered(put: Ask) -> None:
    assert put("echo", text="é\n" * 1000) == {"text": "é\n" * 1000}


def test_nothing_leaks_in(put: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made up")
    seen = put("look")
    allowed = {"PATH", "HOME", "TMPDIR", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "GLIBC_TUNABLES"}
    assert set(seen["environment"]) <= allowed
    assert seen["open"] == [0, 1, 2, 3]
    assert seen["cwd"] == str(tmp_path.resolve())


def test_a_child_has_limits(put: Ask) -> None:
    limits = put("look")["limits"]
    assert (limits["CPU"], limits["FSIZE"], limits["NOFILE"], limits["CORE"]) == (61, 1000, 256, 0)
    if sys.platform == "linux":
        assert 2**28 < limits["AS"] < 2**30


@linux
def test_a_child_is_killed_for_memory_before_its_worker(put: Ask) -> None:
    assert put("look")["adjusted"].strip() == "1000"


@linux
def test_a_child_may_do_nothing_but_compute(put: Ask) -> None:
    assert "NoNewPrivs:\t1" in put("look")["status"]
    assert put("forbidden") == dict.fromkeys(("socket", "fork", "exec", "kill"), True)
    assert put("threads") == {"seen": [1]}


def test_what_decoders_print_spoils_no_answer(put: Ask) -> None:
    assert put("print") == {}


def test_no_child_sees_what_the_last_one_saw(put: Ask) -> None:
    assert [put("remember")["seen"] for _ in range(3)] == [1, 1, 1]


@linux
def test_memory_is_limited_to_the_share(put: Ask) -> None:
    assert put("allocate", memory=2**28, bytes=2**26) == {"length": 2**26}
    assert put("allocate", memory=2**26, bytes=2**27) == {"needs": None}


def test_a_queue_may_give_its_children_more_memory(pool: Pool, tmp_path: Path) -> None:
    said = Children(memory=2**29, pool=pool).ask(
        "allocate", b'{"bytes": 268435456}', cwd=tmp_path, deadline=60, memory=2**26, cpu=60, file_size=1000
    )
    assert json.loads(said) == {"length": 2**28}


@pytest.mark.parametrize(
    ("question", "number"), [("abort", signal.SIGABRT), ("segfault", signal.SIGSEGV), ("spin", signal.SIGXCPU)]
)
def test_a_crash_is_named_and_the_next_question_answered(put: Ask, question: str, number: int) -> None:
    with pytest.raises(ChildFailedError) as caught:
        put(question, cpu=1)
    assert caught.value.returncode == -number
    assert put("echo", still="there") == {"still": "there"}


def test_a_fault_of_ours_is_told_with_its_traceback(put: Ask) -> None:
    with pytest.raises(ChildFailedError, match="of ours") as caught:
        put("fail")
    assert caught.value.returncode == 1


def test_the_deadline_holds(put: Ask) -> None:
    with pytest.raises(ChildDeadlineError):
        put("hang", deadline=0.5, pid="pid")


def test_endless_output_ends(put: Ask) -> None:
    with pytest.raises(ChildOutputError):
        put("shout")


def test_a_child_that_is_killed_for_its_memory_is_told_apart(hanging: Ask) -> None:
    pid, raised = hanging()
    os.kill(pid, signal.SIGKILL)  # as the system's out-of-memory killer does
    assert eventually(lambda: bool(raised), 30)
    assert isinstance(raised[0], ChildOutOfMemoryError)


def test_stop_kills_and_lets_nothing_start(children: Children, hanging: Ask, put: Ask) -> None:
    pid, raised = hanging()
    lost = LeaseLostError("task is another's now")
    children.stop(lost)
    assert eventually(lambda: bool(raised), 30)
    assert raised == [lost]
    assert eventually(lambda: gone(pid), 30)
    with pytest.raises(LeaseLostError):
        put("echo")


def test_a_template_that_died_is_replaced(pool: Pool, put: Ask) -> None:
    put("echo")
    for _ in range(3):
        before = template_of(pool)
        os.kill(before, signal.SIGKILL)
        assert put("echo", still="there") == {"still": "there"}
        assert template_of(pool) != before


@linux
def test_the_children_of_a_template_die_with_it(pool: Pool, put: Ask, hanging: Ask) -> None:
    pid, raised = hanging()
    os.kill(template_of(pool), signal.SIGKILL)
    assert eventually(lambda: gone(pid) and bool(raised), 30)
    assert isinstance(raised[0], TemplateLostError)
    assert put("echo", still="there") == {"still": "there"}


def test_a_worker_leaves_nobody_behind(folder: Path) -> None:
    (folder / "pid").unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", WORKER, str(folder)], env=environment) as worker:
        assert eventually((folder / "pid").exists, 30)
        child = int((folder / "pid").read_text())
        template = parent_of(child)
        assert parent_of(template) == worker.pid
        worker.kill()
    assert eventually(lambda: gone(child) and gone(template), 30)


def test_a_pool_that_is_dropped_ends_its_templates(tmp_path: Path) -> None:
    dropped = Pool()
    children = Children(pool=dropped)
    inspect(builders.photo(tmp_path / "photo.jpg"), children, LIMITS)
    pid = dropped.template("inspect").pid
    assert pid is not None
    del dropped, children
    assert eventually(lambda: gone(pid), 30)


def test_many_threads_share_a_pool(pool: Pool, tmp_path: Path) -> None:
    def one(number: int) -> int:
        said = Children(pool=pool).ask(
            "echo", b'{"n": %d}' % number, cwd=tmp_path, deadline=60, memory=2**28, cpu=60, file_size=1000
        )
        return int(json.loads(said)["n"])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(40))) == list(range(40))


@linux
def test_a_template_has_one_thread(tmp_path: Path) -> None:
    """A fork of a process with more may find a lock taken for ever."""
    films = Pool()
    inspect(builders.video(tmp_path / "video.mp4", (64, 48), seconds=0.2), Children(pool=films), LIMITS)
    for question in ("inspect", "films"):
        status = Path(f"/proc/{films.template(question).pid}/status").read_text()
        assert "Threads:\t1\n" in status


def parent_of(pid: int) -> int:
    return int(subprocess.check_output(["/bin/ps", "-o", "ppid=", "-p", str(pid)]))


@linux
def test_neither_worker_nor_template_grows(tmp_path: Path) -> None:
    """A short form of `make memory`; descriptors, of which one question takes a dozen, tell a leak at once."""
    grown = Pool()
    photo = builders.photo(tmp_path / "photo.jpg", (64, 48))

    def after(questions: int) -> tuple[int, int, int]:
        for _ in range(questions):
            inspect(photo, Children(pool=grown), LIMITS)
        pid = grown.template("inspect").pid
        resident = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line)
        return (
            len(list(Path("/proc/self/fd").iterdir())),
            len(list(Path(f"/proc/{pid}/fd").iterdir())),
            int(resident.split()[1]),
        )

    ours, theirs, resident = after(20)
    ours_then, theirs_then, resident_then = after(100)
    assert (ours_then, theirs_then) == (ours, theirs)
    assert resident_then <= 1.1 * resident

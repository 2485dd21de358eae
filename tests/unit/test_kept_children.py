"""Children that see one file after the other: how long, whose, and that nothing passes from one to the next."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import LeaseLostError
from tests import builders
from tests.processes import eventually, gone
from tests.questions import program
from tests.unit.test_inspection import LIMITS
from workers.decoding import ask as ask_decoder
from workers.endings import ChildFailedError
from workers.inspection import inspect, question
from workers.pool import Pool
from workers.processes import Children
from workers.room import Room

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can bound it")

SHARE = 2**28
FILES = 4

WORKER = """
import sys, time
from pathlib import Path
from workers.pool import Pool
from workers.processes import Children
folder = Path(sys.argv[1])
children = Children(pool=Pool(files=9, program=(str(folder / "start.py"),)))
said = children.ask("serve", b"{}", cwd=folder, deadline=60, memory=2**28, cpu=60, file_size=2**20)
print(said.decode(), flush=True)
time.sleep(600)
"""

Serve = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    program(folder)
    return folder


@pytest.fixture
def pool(folder: Path) -> Pool:
    return Pool(files=FILES, program=program(folder))


@pytest.fixture
def serve(pool: Pool, tmp_path: Path) -> Serve:
    def serve(
        then: str = "", children: Children | None = None, cpu: int = 60, memory: int = SHARE, **request: object
    ) -> dict[str, Any]:
        said = (children or Children(pool=pool)).ask(
            "serve",
            json.dumps({"and": then, **request}).encode(),
            cwd=tmp_path,
            deadline=60,
            memory=memory,
            cpu=cpu,
            file_size=1000,
        )
        answer: dict[str, Any] = json.loads(said)
        return answer

    return serve


def test_a_child_sees_so_many_files_and_no_more(serve: Serve) -> None:
    assert [serve()["seen"] for _ in range(2 * FILES + 1)] == [1, 2, 3, 4, 1, 2, 3, 4, 1]


def test_each_file_has_a_folder_of_its_own(pool: Pool, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    said = [
        json.loads(Children(pool=pool).ask("serve", b"{}", cwd=each, deadline=60, memory=SHARE, cpu=60, file_size=1))
        for each in folders
    ]
    assert said[0]["pid"] == said[1]["pid"]
    assert [Path(each["cwd"]) for each in said] == [each.resolve() for each in folders]
    assert [Path(each["tmp"]) for each in said] == folders


def test_no_two_projects_share_a_child(pool: Pool, serve: Serve) -> None:
    shop, office = Children(pool=pool, owner="shop"), Children(pool=pool, owner="office")
    pids = [serve(children=each)["pid"] for each in (shop, office, shop, office)]
    assert pids[:2] == pids[2:]
    assert pids[0] != pids[1]


def test_who_refused_a_file_sees_no_other(serve: Serve) -> None:
    assert serve("refuse") == {"refused": "image_undecodable"}
    assert serve()["seen"] == 1


@pytest.mark.parametrize("bad", ["refuse when used", "abort when used", "starve when used", "shout when used"])
def test_what_a_used_child_says_against_a_file_does_not_count(serve: Serve, bad: str) -> None:
    before = serve(bad)
    after = serve(bad)
    assert (before["seen"], after["seen"]) == (1, 1)
    assert before["pid"] != after["pid"]
    assert eventually(lambda: gone(before["pid"]), 30)


def test_what_a_fresh_child_dies_of_counts(serve: Serve, pool: Pool, tmp_path: Path) -> None:
    serve()
    with pytest.raises(ChildFailedError) as caught:
        Children(pool=pool).ask("abort", b"{}", cwd=tmp_path, deadline=60, memory=SHARE, cpu=60, file_size=1)
    assert caught.value.returncode == -signal.SIGABRT


@pytest.mark.parametrize(
    ("way", "request_"),
    [
        ("spin", {"seconds": 0.6}),
        pytest.param("hold", {"bytes": SHARE * 4 // 5}, marks=linux),
        pytest.param("leave open", {}, marks=linux),
    ],
)
def test_who_has_used_much_or_left_something_ends(serve: Serve, way: str, request_: dict[str, Any]) -> None:
    first = serve(way, cpu=1, **request_)
    assert serve(cpu=1)["seen"] == 1
    assert eventually(lambda: gone(first["pid"]), 30)


@linux
def test_memory_is_bounded_for_all_files_together(serve: Serve) -> None:
    """What one file left is not there for the next, which gets a child that has all of its share."""
    first = serve("hold", bytes=SHARE // 2)
    second = serve("hold", bytes=SHARE // 3 * 2)
    assert second["pid"] != first["pid"]
    assert second["seen"] == 1


def test_who_waits_makes_room(folder: Path, serve: Serve) -> None:
    crowded = Pool(Room(2 * SHARE), files=FILES, program=program(folder))
    pids = [serve(children=Children(pool=crowded, owner=owner))["pid"] for owner in ("a", "b", "c")]
    assert eventually(lambda: gone(pids[0]), 30)
    large = serve(children=Children(pool=crowded, owner="a"), memory=2 * SHARE)
    assert all(gone(pid) for pid in pids)
    assert eventually(lambda: gone(large["pid"]), 30)  # it took all the room, and does not wait


def test_few_wait(pool: Pool, serve: Serve) -> None:
    pids = [serve(children=Children(pool=pool, owner=str(number)))["pid"] for number in range(7)]
    assert [gone(pid) for pid in pids] == [True] * 3 + [False] * 4


def test_one_that_died_while_it_waited_is_not_missed(serve: Serve) -> None:
    before = serve()
    os.kill(before["pid"], signal.SIGKILL)
    assert serve()["seen"] == 1


@linux
def test_those_that_wait_die_with_their_template(pool: Pool, serve: Serve) -> None:
    before, template = serve(), pool.template("serve").pid
    assert template is not None
    os.kill(template, signal.SIGKILL)
    assert eventually(lambda: gone(before["pid"]), 30)
    assert serve()["seen"] == 1


def test_those_that_wait_die_with_their_worker(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder)], env=environment, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        pid = json.loads(worker.stdout.readline())["pid"]
        waited = not gone(pid)
        worker.kill()
    assert waited
    assert eventually(lambda: gone(pid), 30)


def test_one_that_nobody_asks_gives_its_memory_back(folder: Path, serve: Serve) -> None:
    hasty = folder / "hasty.py"
    hasty.write_text(f"from workers.confined import child\nchild._PATIENCE = 0.1\n{(folder / 'start.py').read_text()}")
    short = Children(pool=Pool(files=FILES, program=(str(hasty),)))
    before = serve(children=short)
    assert eventually(lambda: gone(before["pid"]), 30)
    assert serve(children=short)["seen"] == 1


def test_a_task_that_is_stopped_leaves_no_child_waiting(pool: Pool, serve: Serve, tmp_path: Path) -> None:
    before, stopped, raised = serve(), Children(pool=pool), list[BaseException]()

    def hang() -> None:
        request = json.dumps({"pid": "pid"}).encode()
        try:
            stopped.ask("hang", request, cwd=tmp_path, deadline=60, memory=SHARE, cpu=60, file_size=1000)
        except LeaseLostError as lost:
            raised.append(lost)

    thread = threading.Thread(target=hang)
    thread.start()
    assert eventually((tmp_path / "pid").exists, 30)
    assert int((tmp_path / "pid").read_text()) == before["pid"]
    stopped.stop(LeaseLostError("task is another's now"))
    thread.join(30)
    assert len(raised) == 1
    assert eventually(lambda: gone(before["pid"]), 30)


def test_films_have_a_child_each(tmp_path: Path) -> None:
    children = Children(pool=Pool(files=FILES))
    film = question(builders.video(tmp_path / "film.mp4", (64, 48), seconds=0.2), LIMITS, ())
    for _ in range(2):
        assert isinstance(ask_decoder("films", film, tmp_path, children), dict)
    assert not children.pool.waiting


@linux
def test_a_child_serves_many_photos_and_nothing_grows(tmp_path: Path) -> None:
    many = Children(pool=Pool(files=10))
    photo = builders.photo(tmp_path / "photo.jpg", (64, 48))

    def descriptors() -> tuple[int, int]:
        for _ in range(20):
            inspect(photo, replace(many), LIMITS)
        pid = many.pool.template("inspect").pid
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path(f"/proc/{pid}/fd").iterdir()))

    ours, theirs = descriptors()
    ours_then, theirs_then = descriptors()  # those of other tests' pools may go meanwhile
    assert ours_then <= ours
    assert theirs_then <= theirs

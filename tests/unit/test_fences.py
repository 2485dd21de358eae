"""What a stranger's file could reach through its decoder, or through ffmpeg, if it took that over (Linux)."""

import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.questions import program
from workers.confine import landlock
from workers.desk import Desk
from workers.pool import Pool
from workers.processes import Children

pytestmark = pytest.mark.skipif(landlock() < 1, reason="this kernel has no Landlock")

ENVIRONMENT = f"/proc/{os.getpid()}/environ"
DENIED = {errno.EACCES, errno.EPERM, errno.EXDEV}

PROGRAM = """
import json, os, signal, socket, sys
wanted = json.loads(sys.argv[1])
def said(act):
    try: act()
    except OSError as error: return error.errno
    return 0
def knock():
    with socket.socket() as caller: caller.connect(("127.0.0.1", wanted["port"]))
there = {name: said(lambda: open(name).close()) for name in wanted["read"]}
there["new"] = said(lambda: open("new", "w").write("x"))
there["knock"] = said(knock)
there["signal"] = said(lambda: os.kill(wanted["worker"], 0))
print(json.dumps(there))
"""


@dataclass(frozen=True)
class Bench:
    """Two projects' files in hand, and a secret beside them."""

    root: Path
    pool: Pool
    desks: dict[str, Desk]

    def children(self, owner: str) -> Children:
        return Children(pool=self.pool, owner=owner, place=self.desks[owner])

    def ask(self, owner: str, **wanted: object) -> dict[str, Any]:
        """What a decoder with a file of that project reaches."""
        terms: dict[str, Any] = {"deadline": 60, "memory": 2**28, "cpu": 60, "file_size": 1000}
        asked = json.dumps(wanted).encode()
        answer: dict[str, Any] = json.loads(
            self.children(owner).ask("reach", asked, cwd=self.desks[owner].folder, **terms)
        )
        return answer


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "secret").write_text("keys")
    with Desk(tmp_path) as office, Desk(tmp_path) as shop:
        for name, desk in (("office", office), ("shop", shop)):
            desk.owner = name
            (desk.folder / "original").write_text("bytes")
            program(desk.home)  # the question's own code has to be in reach
        pool = Pool(files=4, program=(str(office.home / "start.py"),))
        yield Bench(tmp_path, pool, {"office": office, "shop": shop})


def test_a_decoder_reaches_the_files_of_its_project_alone(bench: Bench) -> None:
    mine, theirs = bench.desks["office"].folder, bench.desks["shop"].folder
    secret = str(bench.root / "secret")
    said = bench.ask(
        "office",
        read=[str(mine / "original"), "/dev/urandom", ENVIRONMENT, secret, "/etc/passwd", str(theirs / "original")],
        write=[str(mine / "still"), str(bench.root / "new"), str(theirs / "original"), "/dev/null"],
        link={str(mine / "leads out "): secret},
    )["there"]
    free = {str(mine / "original"), "/dev/urandom", str(mine / "still"), "/dev/null"}
    assert {name for name, error in said.items() if not error} == free
    assert {*said.values()} - {0} <= DENIED
    assert {"symlink", "link"} < {*said}
    assert not (bench.root / "new").exists()


def test_one_that_goes_on_reaches_the_next_file_of_its_project(bench: Bench) -> None:
    before = bench.ask("office")
    with Desk(bench.root) as following:
        following.owner = "office"
        again = Bench(bench.root, bench.pool, {"office": following})
        (following.folder / "original").write_text("bytes")
        said = again.ask("office", read=[str(following.folder / "original")])
    assert said["pid"] == before["pid"]
    assert {*said["there"].values()} == {0}


def test_one_whose_projects_folder_was_deleted_is_not_asked_in_vain(bench: Bench, tmp_path: Path) -> None:
    before = bench.ask("office")
    bench.desks["office"].home.rename(tmp_path / "gone")
    with Desk(bench.root) as following:
        following.owner = "office"
        program(following.home)
        again = Bench(bench.root, bench.pool, {"office": following})
        (following.folder / "original").write_text("bytes")
        said = again.ask("office", read=[str(following.folder / "original")])
    assert said["pid"] != before["pid"]
    assert {*said["there"].values()} == {0}


def test_a_program_reaches_the_files_of_its_task_alone(bench: Bench) -> None:
    mine, secret = bench.desks["office"], bench.root / "secret"
    beside = mine.home / "of another task"
    beside.write_text("bytes")
    read = [str(mine.folder / "original"), "/dev/null", str(beside), str(secret), ENVIRONMENT, "/etc/passwd"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wanted = json.dumps({"read": read, "port": listener.getsockname()[1], "worker": os.getpid()})
        argv = [sys.executable, "-I", "-S", "-c", PROGRAM, wanted]
        said = json.loads(bench.children("office").run(argv, cwd=mine.folder, deadline=60).stdout)
    newer = {"knock"} if landlock() < 4 else set()  # what later versions of Landlock refuse
    newer |= {"signal"} if landlock() < 6 else set()
    assert {name for name, error in said.items() if not error} == {*read[:2], "new"} | newer
    assert {*said.values()} - {0} <= DENIED
    assert (mine.folder / "new").read_text() == "x"


def test_folders_of_projects_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(600):
        with Desk(tmp_path) as desk:
            desk.owner = str(number)
            assert desk.folder.parent == tmp_path / f"of-{number}"
    assert len(list(tmp_path.iterdir())) <= 256

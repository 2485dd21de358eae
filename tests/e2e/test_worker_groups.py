"""`darkroom worker A B`, as the transcode container runs it: a process group for each queue, one fate."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops import leftovers
from ops.leftovers import MARK
from tests.backends import Backend
from tests.processes import session_nice
from tests.serving import wait_for
from tests.stack import ROOT


@contextmanager
def worker(folder: Path, redis_url: str, s3: Backend) -> Iterator[subprocess.Popen[bytes]]:
    env = {
        **os.environ,
        **s3.env,
        MARK: str(folder),
        "REDIS_URL": redis_url,
        "RECORDS": "sqlite",
        "SQLITE_PATH": str(folder / "records.sqlite"),
        "SCRATCH_DIR": str(folder / "scratch"),
        "PIPELINE": str(ROOT / "pipeline.toml"),
    }
    with (folder / "log").open("wb") as log:
        argv = [sys.executable, "-m", "ops.cli", "worker", "video-short", "backfill"]
        process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        # The command, the warden, and for each queue Dramatiq's master and its worker.
        wait_for(lambda: len(groups(folder)) == 4 and len(workers(folder)) == 2, 60)
        yield process
    finally:
        process.kill()
        process.wait()
        leftovers.end(folder)


def groups(folder: Path) -> set[int]:
    """The process groups of the command."""
    return {os.getpgid(pid) for pid in leftovers.find(folder)}


def workers(folder: Path) -> list[int]:
    """Dramatiq's worker processes: those that lead no group."""
    return [pid for pid in leftovers.find(folder) if os.getpgid(pid) != pid]


def test_sigterm_is_passed_on(tmp_path: Path, redis_url: str, s3: Backend) -> None:
    with worker(tmp_path, redis_url, s3) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        wait_for(lambda: leftovers.find(tmp_path) == [], 5)


def test_when_one_group_dies_all_end(tmp_path: Path, redis_url: str, s3: Backend) -> None:
    with worker(tmp_path, redis_url, s3) as process:
        os.kill(workers(tmp_path)[0], signal.SIGKILL)
        assert process.wait(20) == 1
        wait_for(lambda: leftovers.find(tmp_path) == [], 5)


def test_none_survives_the_command(tmp_path: Path, redis_url: str, s3: Backend) -> None:
    with worker(tmp_path, redis_url, s3) as process:
        process.kill()
        wait_for(lambda: leftovers.find(tmp_path) == [], 15)


def test_a_queue_that_gives_way_does_so(tmp_path: Path, redis_url: str, s3: Backend) -> None:
    with worker(tmp_path, redis_url, s3):
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        found = {os.getpriority(os.PRIO_PROCESS, pid) - ours: session_nice(pid) for pid in workers(tmp_path)}
        assert found in ({0: 0, 10: 10}, {0: None, 10: None})

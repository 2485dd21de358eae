"""`darkroom worker A B`, as the transcode container runs it: one process, threads for each queue."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis

from ops import leftovers
from ops.leftovers import MARK
from pipeline.adapters.listening import CALLS
from tests.backends import Backend
from tests.processes import session_nice
from tests.serving import wait_for
from tests.stack import ROOT
from tests.started import started


def environment(folder: Path, redis_url: str, s3: Backend) -> dict[str, str]:
    return {
        **os.environ,
        **s3.env,
        MARK: str(folder),
        "REDIS_URL": redis_url,
        "RECORDS": "sqlite",
        "SQLITE_PATH": str(folder / "records.sqlite"),
        "SCRATCH_DIR": str(folder / "scratch"),
        "PIPELINE": str(ROOT / "pipeline.toml"),
    }


@contextmanager
def worker(queues: Sequence[str], env: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command, once its threads hear the calls of all its queues."""
    client = redis.Redis.from_url(env["REDIS_URL"])
    command = [sys.executable, "-m", "ops.cli", "worker", *queues]
    try:
        with (
            (folder / "log").open("wb") as log,
            started(command, grace=0, cwd=ROOT, env=env, stdout=log, stderr=log) as process,
        ):
            channels = [CALLS + queue for queue in queues]
            wait_for(lambda: all(heard for _, heard in client.pubsub_numsub(*channels)), 60)
            yield process
    finally:
        leftovers.end(folder)
        client.close()


def test_several_queues_share_one_process_which_ends_when_asked_to(tmp_path: Path, redis_url: str, s3: Backend) -> None:
    with worker(["video-short", "video-long"], environment(tmp_path, redis_url, s3), tmp_path) as process:
        assert leftovers.find(tmp_path) == [process.pid]
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert leftovers.find(tmp_path) == []


def test_a_queue_that_gives_way_does_so(tmp_path: Path, redis_url: str, s3: Backend) -> None:
    with worker(["backfill"], environment(tmp_path, redis_url, s3), tmp_path) as process:
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) - ours == 10
        assert session_nice(process.pid) in {10, None}


def test_it_does_so_alone(tmp_path: Path, redis_url: str, s3: Backend) -> None:
    argv = [sys.executable, "-m", "ops.cli", "worker", "backfill", "light"]
    env = environment(tmp_path, redis_url, s3)
    refused = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr == "backfill, light are not equally `nice`: start workers for each of them\n"

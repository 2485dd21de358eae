"""SIGTERM while a worker waits for somebody who does not answer: its task is given back, and its attempt with it."""

import ctypes
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from ops import servers
from pipeline.rows import task_of
from pipeline.tasks import Task, TaskStatus
from tests import builders
from tests.backends import Backend
from tests.faults import Faults, Plan
from tests.frontdoor import opened, upload
from tests.receiver import Hooks
from tests.serving import ROOT, Ingest, ingest, wait_for
from tests.started import started

GRACE = 15.0
"""Seconds; half of Compose's `stop_grace_period`."""


@pytest.fixture(scope="module")
def env(ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("deploys")
    return {**ingest_env, "RECORDS": "sqlite", "SQLITE_PATH": str(folder / "records.sqlite")}


@pytest.fixture(scope="module")
def server(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    with ingest(tmp_path_factory.mktemp("ingest"), env) as server:
        yield server


@contextmanager
def worker(env: dict[str, str], folder: Path, queue: str, **changed: str) -> Iterator[subprocess.Popen[bytes]]:
    whole = {**servers.plain_environment(), **env, "SCRATCH_DIR": str(folder / "scratch"), **changed}
    with started([sys.executable, "-m", "ops.cli", "worker", queue], grace=0, cwd=ROOT, env=whole) as process:
        yield process


def row(env: dict[str, str], media_id: str, key: str) -> Task | None:
    return next((task for task in map(task_of, opened(env).tasks(media_id)) if task.key == key), None)


def has(env: dict[str, str], media_id: str, key: str, status: TaskStatus) -> bool:
    task = row(env, media_id, key)
    return task is not None and task.status is status


def running(env: dict[str, str], media_id: str, key: str) -> bool:
    return has(env, media_id, key, TaskStatus.RUNNING)


def given_back(env: dict[str, str], media_id: str, key: str) -> bool:
    task = row(env, media_id, key)
    return task is not None and (task.status, task.attempts, task.retry_at) == (TaskStatus.PENDING, 0, 0)


def test_a_chunk_is_given_back_with_its_encoder_gone(env: dict[str, str], server: Ingest, tmp_path: Path) -> None:
    film = builders.video(tmp_path / "a.mp4", (1280, 720), seconds=10, options=("-preset", "ultrafast")).read_bytes()
    media_id = upload(server, "deploy-film", film, "a.mp4").json()["mediaId"]
    with worker(env, tmp_path, "images"), worker(env, tmp_path / "video", "video-short") as process:
        wait_for(lambda: running(env, media_id, "transcode#0000"), 60)
        process.send_signal(signal.SIGTERM)
        process.wait(GRACE)
    assert given_back(env, media_id, "transcode#0000")


@pytest.mark.skipif(sys.platform != "linux", reason="threads are told apart by /proc")
def test_whichever_thread_gets_the_signal(env: dict[str, str], server: Ingest, tmp_path: Path) -> None:
    """As the system may choose: a thread that starts an encoder takes it from a main thread that is slow to wake."""
    photo = builders.photo(tmp_path / "a.jpg").read_bytes()
    media_id = upload(server, "deploy-thread", photo, "a.jpg").json()["mediaId"]
    with worker(env, tmp_path, "images") as process:
        wait_for(lambda: has(env, media_id, "thumbnail", TaskStatus.DONE), 60)
        others = {int(task.name) for task in Path(f"/proc/{process.pid}/task").iterdir()} - {process.pid}
        assert ctypes.CDLL(None).tgkill(process.pid, max(others), signal.SIGTERM) == 0
        assert process.wait(GRACE) == 0


def test_a_deploy_does_not_wait_for_an_s3_that_hangs(
    env: dict[str, str], server: Ingest, s3: Backend, tmp_path: Path
) -> None:
    plan = Plan()
    photo = builders.photo(tmp_path / "a.jpg").read_bytes()
    media_id = upload(server, "deploy-fetch", photo, "a.jpg").json()["mediaId"]
    plan.stall(lambda method, path: method == "GET" and media_id in path)
    with Faults(int(s3.url.rpartition(":")[2]), plan.refuses) as slow:
        with worker(env, tmp_path, "images", AWS_ENDPOINT_URL_S3=slow.url) as process:
            wait_for(lambda: running(env, media_id, "validate"), 30)
            process.send_signal(signal.SIGTERM)
            process.wait(GRACE)
        plan.release.set()
    assert given_back(env, media_id, "validate")


def test_a_deploy_does_not_wait_for_a_receiver_of_webhooks(env: dict[str, str], server: Ingest, tmp_path: Path) -> None:
    with Hooks(hold=Event()) as hooks:
        hook = {
            "WEBHOOK_URL": hooks.url(),
            "WEBHOOK_SECRETS": f"whsec_{b64encode(bytes(32)).decode()}",
            "WEBHOOK_ALLOW_PRIVATE": "1",
        }
        photo = builders.photo(tmp_path / "a.jpg")
        broken = photo.read_bytes()[:40] + bytes(400)
        media_id = upload(server, "deploy-hook", broken, "a.jpg").json()["mediaId"]
        with worker(env, tmp_path, "images"), worker(env, tmp_path / "record", "record", **hook) as process:
            wait_for(lambda: hooks.deliveries, 60)
            process.send_signal(signal.SIGTERM)
            process.wait(GRACE)
    assert given_back(env, media_id, "record#rejected#0")

"""S3 and the record store answering 503, or not at all: who waits, who is told, and what is left behind."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ops import servers
from pipeline.rows import task_of
from pipeline.tasks import Task
from tests import builders
from tests.backends import Backend
from tests.faults import Faults
from tests.frontdoor import Bucket, opened, record, tables, upload
from tests.serving import ROOT, Ingest, ingest, wait_for
from tests.stack import STORES, quick
from tests.started import started
from tests.web import web

READ_TRIES, WRITE_TRIES = 9, 3
"""Requests that one attempt of a stage makes for an object before it gives the task back to wait."""


@dataclass
class Trouble:
    """Refuses the next requests of a kind; `left` counts down."""

    pattern: str
    left: int
    met: Counter[str] = field(default_factory=Counter)

    def __call__(self, method: str, path: str) -> bool:
        if self.left > 0 and re.fullmatch(self.pattern, f"{method} {path}"):
            self.left -= 1
            self.met[method] += 1
            return True
        return False


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@contextmanager
def role(env: dict[str, str], *command: str) -> Iterator[None]:
    """Run one process of the deployment."""
    with started([sys.executable, "-m", "ops.cli", *command], cwd=ROOT, env=env, stderr=subprocess.DEVNULL):
        yield


@contextmanager
def crew(folder: Path, server_env: dict[str, str], **changed: str) -> Iterator[None]:
    """Workers and a sweeper over the same records as the ingest server in `folder`, with settings changed for them."""
    env = {**servers.plain_environment(), **server_env, "SCRATCH_DIR": str(folder / "scratch"), **changed}
    with (
        role(env, "worker", "light"),
        role(env, "worker", "images"),
        role(env, "worker", "record"),
        role(env, "sweeper"),
    ):
        yield


@pytest.fixture(params=STORES)
def mine(request: pytest.FixtureRequest, ingest_env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """What every process is told: where things are, and records of this test alone in each kind of store."""
    if request.param == "dynamodb":
        store = tables(request.getfixturevalue("dynamodb_ministack"), tmp_path.name)
    else:
        store = {"RECORDS": "sqlite", "SQLITE_PATH": str(tmp_path / "records.sqlite")}
    return {**ingest_env, **store, "PIPELINE": str(quick(tmp_path))}


def task(env: dict[str, str], media_id: str, key: str) -> Task:
    return next(row for row in map(task_of, opened(env).tasks(media_id)) if row.key == key)


@pytest.mark.parametrize(
    ("stage", "pattern", "refusals"),
    [
        ("validate", r"GET /media/projects/.*", READ_TRIES + 1),
        ("thumbnail", r"PUT /media/renditions/.*/large-.*", 2 * WRITE_TRIES + 1),
    ],
)
def test_a_stage_waits_out_an_s3_that_answers_503(
    stage: str, pattern: str, refusals: int, mine: dict[str, str], s3: Backend, tmp_path: Path
) -> None:
    trouble = Trouble(pattern, refusals)
    photo = builders.photo(tmp_path / "a.jpg", (2400, 1800)).read_bytes()
    with Faults(port_of(s3.url), trouble) as proxy, ingest(tmp_path, mine) as server:
        media_id = upload(server, "p503", photo, "a.jpg").json()["mediaId"]
        with crew(tmp_path, mine, AWS_ENDPOINT_URL_S3=proxy.url):
            wait_for(lambda: record(server, media_id)["status"] == "ready", 90)
    row = task(mine, media_id, stage)
    assert trouble.left == 0
    assert row.epoch >= 2  # it was given back, waited by its own terms, and was claimed again
    assert row.attempts == 1  # and that cost no attempt
    assert "UnavailableError" in str(row.last_error)


def test_an_upload_is_refused_while_s3_is_away_and_leaves_nothing(
    mine: dict[str, str], s3: Backend, bucket: Bucket, tmp_path: Path
) -> None:
    trouble = Trouble(r"(PUT|POST) /media/projects/refused/.*", 1000)
    photo = builders.photo(tmp_path / "a.jpg").read_bytes()
    with (
        Faults(port_of(s3.url), trouble) as proxy,
        ingest(tmp_path, {**mine, "AWS_ENDPOINT_URL_S3": proxy.url}) as server,
    ):
        answer = upload(server, "refused", photo, "a.jpg")
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        with crew(tmp_path, mine):
            wait_for(lambda: statuses(server, "refused") == ["failed"], 60)
    assert bucket.keys("projects/refused/") == []
    assert bucket.open_uploads("projects/refused/") == []


def statuses(server: Ingest, project: str) -> list[str]:
    items = web.get(f"{server.url}/api/projects/{project}/media").json()["items"]
    return [item["status"] for item in items]


def test_redis_away_does_not_fail_an_upload_and_the_sweeper_makes_up_for_it(
    mine: dict[str, str], tmp_path: Path
) -> None:
    photo = builders.photo(tmp_path / "a.jpg").read_bytes()
    with ingest(tmp_path, {**mine, "REDIS_URL": "redis://127.0.0.1:1/0"}) as server:
        answer = upload(server, "deaf", photo, "a.jpg")
        assert answer.status_code == 201
        with crew(tmp_path, mine):
            wait_for(lambda: statuses(server, "deaf") == ["ready"], 60)

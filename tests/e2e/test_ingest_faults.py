"""An S3 that stumbles while an upload is on its way: each upload ends settled, with nothing left behind."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.backends import Backend
from tests.faults import BROKEN, LOST, RESET, SLOW_DOWN, Faults, Plan, Refusal, complete, opening, part, put
from tests.frontdoor import Bucket, records, settles, upload
from tests.multipart import PNG
from tests.serving import Ingest, ingest, wait_for
from tests.web import web

CONTENT = PNG + bytes(6 * 1024 * 1024)
STAYING = [
    *((call, SLOW_DOWN) for call in (put, opening, part, complete)),
    *((call, refusal) for call in (put, complete) for refusal in (BROKEN, RESET)),
]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan()


@pytest.fixture(scope="module")
def server(
    plan: Plan,
    ingest_env: dict[str, str],
    s3: Backend,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Ingest]:
    """A server that reaches S3 through what the plan spoils."""
    with (
        Faults(int(s3.url.rpartition(":")[2]), plan.refuses, lambda: plan.refusal) as faults,
        ingest(
            tmp_path_factory.mktemp("faults"), {**ingest_env, "AWS_ENDPOINT_URL_S3": faults.url}, prompt="800ms"
        ) as running,
    ):
        yield running


@pytest.fixture
def project() -> str:
    return f"p-{uuid4().hex}"


@pytest.mark.parametrize("refusal", [SLOW_DOWN, BROKEN, RESET, LOST], ids=["503", "200 with an error", "reset", "lost"])
@pytest.mark.parametrize("call", [put, opening, part, complete])
def test_an_s3_that_stumbles_once_is_asked_again(
    server: Ingest, plan: Plan, bucket: Bucket, project: str, call: Callable[[str, str], bool], refusal: Refusal
) -> None:
    plan.spoil(call, 1, refusal)
    said = upload(server, project, PNG if call is put else CONTENT)
    assert said.status_code in {201, 202}
    wait_for(lambda: records(server, project)[0]["status"] == "uploaded")
    assert plan.left < 1
    assert len(bucket.keys(f"projects/{project}/")) == 1
    assert bucket.open_uploads(f"projects/{project}/") == []


@pytest.mark.parametrize(("call", "refusal"), STAYING)
def test_an_s3_that_stays_broken_ends_the_upload(
    server: Ingest, plan: Plan, bucket: Bucket, project: str, call: Callable[[str, str], bool], refusal: Refusal
) -> None:
    plan.spoil(call, 10**6, refusal)
    said = upload(server, project, PNG if call is put else CONTENT)
    # All bytes are in S3, and only the object takes long: then the answer may come before the end is known.
    assert said.status_code in ({202, 503} if call is complete else {503})
    settles(server, project, "upload_storage_unavailable")
    plan.left = 0
    assert bucket.open_uploads(f"projects/{project}/") == []
    assert bucket.keys(f"projects/{project}/") == []


def test_an_object_that_s3_takes_long_to_make_is_answered_for_meanwhile(
    server: Ingest, plan: Plan, bucket: Bucket, project: str
) -> None:
    plan.stall(complete)
    said = upload(server, project, CONTENT)
    assert said.status_code == 202
    status = said.json()["statusUrl"]
    assert web.get(status).json()["status"] == "uploading"
    plan.release.set()
    wait_for(lambda: web.get(status).json()["status"] == "uploaded")
    assert bucket.head(said.json()["s3Key"])["ContentLength"] == len(CONTENT)


def test_a_server_that_stops_meanwhile_settles_it_first(
    ingest_env: dict[str, str], s3: Backend, tmp_path: Path, bucket: Bucket
) -> None:
    slow = Plan(complete)
    with Faults(int(s3.url.rpartition(":")[2]), slow.refuses) as faults:
        env = {**ingest_env, "AWS_ENDPOINT_URL_S3": faults.url}
        with ingest(tmp_path, env, prompt="800ms") as running:
            assert upload(running, "stopping", CONTENT).status_code == 202
            threading.Timer(0.2, slow.release.set).start()
            running.stop()
        with ingest(tmp_path, env) as again:
            wait_for(lambda: records(again, "stopping")[0]["status"] == "uploaded")
    assert len(bucket.keys("projects/stopping/")) == 1

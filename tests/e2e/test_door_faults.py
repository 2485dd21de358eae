"""An S3 that stumbles at the end of an upload by tus, and of one that went straight to it: both end by the rules."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import boto3
import httpx
import pytest

from pipeline.adapters.wiring import connect
from pipeline.settings import read_settings
from tests.backends import Backend
from tests.faults import BROKEN, LOST, RESET, SLOW_DOWN, Faults, Plan, Refusal, complete
from tests.frontdoor import Bucket, records
from tests.multipart import PNG
from tests.serving import Ingest, ingest, wait_for
from tests.stack import quick
from tests.web import web
from workers.actors import WORK
from workers.holding import Shift
from workers.rendering import Envelope
from workers.tools import Tools

MIB = 1024 * 1024
CONTENT = PNG + Random(11).randbytes(6 * MIB - len(PNG))
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}


@dataclass(frozen=True)
class Door:
    """A server that reaches S3 through what the plan spoils."""

    server: Ingest
    plan: Plan
    env: dict[str, str]

    def ended_by_a_worker(self, project: str) -> None:
        """A worker comes by for the project's one upload until it is taken."""
        folder = self.server.log.parent
        mine = {**self.env, "SQLITE_PATH": str(folder / "records.sqlite"), "RECORDS": "sqlite"}
        services = connect(read_settings({**mine, "PIPELINE": str(folder / "patient.toml")}))
        stores = (services.objects, services.pieces)
        tools = Tools(services.ledger, *stores, services.queue, services.pipeline, folder, "ffmpeg", Shift())
        envelope, media_id = Envelope(tools, WORK), only(self, project)["id"]
        wait_for(lambda: envelope.take(media_id, "upload") or only(self, project)["status"] != "uploading", 60)


@pytest.fixture(scope="module")
def door(ingest_env: dict[str, str], s3: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    plan = Plan()
    with Faults(int(s3.url.rpartition(":")[2]), plan.refuses, lambda: plan.refusal) as faults:
        env = {**ingest_env, "AWS_ENDPOINT_URL_S3": faults.url, "S3_PUBLIC_ENDPOINT": s3.url}
        with ingest(tmp_path_factory.mktemp("faults"), env, prompt="800ms") as running:
            before = dict(os.environ)
            os.environ.update({name: value for name, value in env.items() if name.startswith("AWS_")})
            boto3.setup_default_session()  # the one before remembers other credentials
            yield Door(running, plan, env)
            os.environ.clear()
            os.environ.update(before)


@pytest.fixture
def project() -> str:
    return f"p-{uuid4().hex}"


def by_tus(door: Door, project: str) -> httpx.Response:
    named = {**TUS, "X-Project-Id": project, "Upload-Length": str(len(CONTENT))}
    place = web.post(f"{door.server.url}/files/", headers=named).raise_for_status().headers["location"]
    answer = web.patch(door.server.url + place, content=CONTENT, headers={**BYTES, "Upload-Offset": "0"})
    answer.headers["location"] = place
    return answer


def together(door: Door, project: str) -> httpx.Response:
    """A final upload of two, whose own objects S3 made well."""
    hits, door.plan.hits = door.plan.hits, lambda _method, _path: False
    places = []
    for piece in (CONTENT[: 5 * MIB], CONTENT[5 * MIB :]):
        partial = {**BYTES, "X-Project-Id": project, "Upload-Concat": "partial", "Upload-Length": str(len(piece))}
        answer = web.post(f"{door.server.url}/files/", content=piece, headers=partial).raise_for_status()
        places.append(answer.headers["location"])
    door.plan.hits = hits
    final = {**TUS, "X-Project-Id": project, "Upload-Concat": f"final;{' '.join(places)}"}
    return web.post(f"{door.server.url}/files/", headers=final)


def straight(door: Door, project: str, *, by_xml: bool = False) -> httpx.Response:
    wanted = {"filename": "a.png", "type": "image/png", "metadata": {"projectId": project}}
    begun = web.post(f"{door.server.url}/s3/multipart", json=wanted).raise_for_status().json()
    key, path = {"key": begun["key"]}, f"{door.server.url}/s3/multipart/{begun['uploadId']}"
    for number, piece in enumerate((CONTENT[: 5 * MIB], CONTENT[5 * MIB :]), 1):
        web.put(web.get(f"{path}/{number}", params=key).json()["url"], content=piece).raise_for_status()
    if by_xml:
        return web.post(f"{door.server.url}/s3/xml/{begun['uploadId']}/object", params=key)
    return web.post(f"{path}/complete", params=key, json={})


def by_xml(door: Door, project: str) -> httpx.Response:
    return straight(door, project, by_xml=True)


def only(door: Door, project: str) -> dict[str, Any]:
    """The project's one media."""
    (found,) = records(door.server, project)
    return found


def whole(door: Door, bucket: Bucket, project: str) -> None:
    wait_for(lambda: only(door, project)["status"] == "uploaded", 30)
    key = only(door, project)["s3Key"]
    assert bucket.head(key)["ContentLength"] == len(CONTENT)
    assert bucket.open_uploads(key) == []


@pytest.mark.parametrize("refusal", [SLOW_DOWN, BROKEN, RESET, LOST], ids=["503", "200 with an error", "reset", "lost"])
@pytest.mark.parametrize("send", [by_tus, together, straight])
def test_an_s3_that_stumbles_once_is_asked_again(
    door: Door, bucket: Bucket, project: str, send: Callable[[Door, str], httpx.Response], refusal: Refusal
) -> None:
    door.plan.spoil(complete, 1, refusal)
    assert send(door, project).is_success
    whole(door, bucket, project)
    assert door.plan.left < 1


@pytest.mark.parametrize("refusal", [SLOW_DOWN, BROKEN, RESET], ids=["503", "200 with an error", "reset"])
def test_what_a_tus_client_has_brought_is_ended_by_a_worker(
    door: Door, bucket: Bucket, project: str, refusal: Refusal
) -> None:
    """Every byte is in S3, and the row says so: the client is told, and need not come back."""
    door.plan.spoil(complete, 10**6, refusal)
    answer = by_tus(door, project)
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(CONTENT)))
    place = door.server.url + answer.headers["location"]
    assert web.head(place, headers=TUS).headers["upload-offset"] == str(len(CONTENT))
    again = {**BYTES, "Upload-Offset": str(len(CONTENT))}
    assert web.patch(place, headers=again).status_code == 204
    wait_for(lambda: door.plan.left <= 10**6 - 3)  # it was tried three times
    door.plan.left = 0
    door.ended_by_a_worker(project)
    whole(door, bucket, project)


def test_what_a_client_calls_complete_is_ended_by_a_worker(door: Door, bucket: Bucket, project: str) -> None:
    door.plan.spoil(complete, 10**6)
    assert straight(door, project).status_code in {202, 503}
    wait_for(lambda: door.plan.left <= 10**6 - 3)
    door.plan.left = 0
    door.ended_by_a_worker(project)
    whole(door, bucket, project)


def test_pieces_that_cannot_be_put_together_end_the_upload(door: Door, project: str) -> None:
    door.plan.spoil(complete, 10**6)
    assert together(door, project).status_code == 503
    wait_for(lambda: only(door, project)["status"] == "failed")
    assert only(door, project)["reason"] == "upload_storage_unavailable"


def test_a_tus_client_does_not_wait_for_the_object(door: Door, bucket: Bucket, project: str) -> None:
    door.plan.stall(complete)
    answer = by_tus(door, project)
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(CONTENT)))
    assert only(door, project)["status"] == "uploading"
    head = web.head(door.server.url + answer.headers["location"], headers=TUS)
    assert head.headers["upload-offset"] == head.headers["upload-length"] == str(len(CONTENT))
    door.plan.release.set()
    whole(door, bucket, project)


def test_one_whose_pieces_are_put_together_does(door: Door, bucket: Bucket, project: str) -> None:
    """Nobody else could do it, should this process die: what is answered with 201 is whole."""
    door.plan.stall(complete)
    with ThreadPoolExecutor(1) as threads:
        sending = threads.submit(together, door, project)
        wait_for(lambda: len(records(door.server, project)) == 1)
        place = f"{door.server.url}/files/{only(door, project)['id']}"
        assert "upload-offset" not in web.head(place, headers=TUS).headers
        assert not sending.done()
        door.plan.release.set()
        assert sending.result().headers["location"] in place
    whole(door, bucket, project)
    assert web.head(place, headers=TUS).headers["upload-offset"] == str(len(CONTENT))


@pytest.mark.parametrize("send", [straight, by_xml])
def test_nor_does_one_that_went_straight_to_s3(
    door: Door, bucket: Bucket, project: str, send: Callable[[Door, str], httpx.Response]
) -> None:
    door.plan.stall(complete)
    answer = send(door, project)
    assert answer.status_code == 202
    assert only(door, project)["s3Key"] in answer.text  # Uppy reads where it is, of either answer
    if send is straight:
        assert web.get(answer.json()["statusUrl"]).json()["status"] == "uploading"
    door.plan.release.set()
    whole(door, bucket, project)


def test_a_server_that_is_killed_meanwhile_leaves_it_to_a_worker(
    door: Door, tmp_path: Path, bucket: Bucket, project: str
) -> None:
    env = {**door.env, "PIPELINE": str(quick(tmp_path / "quick"))}
    door.plan.stall(complete)
    with ingest(tmp_path, env) as running:
        mine = Door(running, door.plan, door.env)
        assert by_tus(mine, project).status_code == 204
        running.stop(signal.SIGKILL)
    door.plan.release.set()
    with ingest(tmp_path, env) as again:
        mine = Door(again, door.plan, door.env)
        mine.ended_by_a_worker(project)
        whole(mine, bucket, project)

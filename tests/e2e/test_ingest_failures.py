"""Clients, dependencies and the server itself going away in the middle of an upload: nothing is left behind."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ops import ports
from tests.backends import Backend
from tests.frontdoor import Bucket, answer, begun, records, rest, settles, upload
from tests.multipart import PNG
from tests.proxy import Proxy
from tests.serving import Ingest, ingest, wait_for
from tests.web import web

MIB = 1024 * 1024
BIG = 40 * MIB


@pytest.fixture
def proxy(s3: Backend) -> Iterator[Proxy]:
    """A way to S3 that can be closed."""
    with Proxy(int(s3.url.rpartition(":")[2])) as way:
        yield way


@pytest.fixture
def shaky(ingest_env: dict[str, str], proxy: Proxy, tmp_path: Path) -> Iterator[Ingest]:
    """A server of its own that reaches S3 through the proxy."""
    with ingest(tmp_path / "ingest", {**ingest_env, "AWS_ENDPOINT_URL_S3": proxy.url}) as running:
        yield running


def test_a_client_that_goes_away_leaves_a_record_that_says_so(server: Ingest, bucket: Bucket) -> None:
    with begun(server, "left", 25 * MIB, BIG):
        wait_for(lambda: bucket.open_uploads("projects/left/"))
    settles(server, "left", "upload_client_gone")
    assert bucket.open_uploads("projects/left/") == []
    assert bucket.keys("projects/left/") == []


def test_a_client_that_goes_away_before_the_first_part_leaves_no_object(server: Ingest, bucket: Bucket) -> None:
    with begun(server, "soon", 100_000, BIG):
        wait_for(lambda: records(server, "soon"))
    settles(server, "soon", "upload_client_gone")
    assert bucket.keys("projects/soon/") == []


def test_the_record_is_there_while_the_first_part_is_read(server: Ingest, bucket: Bucket) -> None:
    with begun(server, "early", 100_000, 200_000) as connection:
        wait_for(lambda: records(server, "early"))
        (media,) = records(server, "early")
        assert media["status"] == "uploading"
        assert bucket.keys(f"projects/early/media/{media['id']}/") == []
        connection.sendall(rest(200_000, 100_000))
        assert answer(connection).startswith(b"HTTP/1.1 201 ")


def test_deleting_an_upload_in_flight_ends_it(server: Ingest, bucket: Bucket) -> None:
    with begun(server, "unwanted", 100_000, 200_000) as connection:
        wait_for(lambda: records(server, "unwanted"))
        (media,) = records(server, "unwanted")
        web.delete(f"{server.url}/api/media/{media['id']}").raise_for_status()
        connection.sendall(rest(200_000, 100_000))
        said = answer(connection)
    assert said.startswith(b"HTTP/1.1 409 ")
    assert b'"upload_superseded"' in said
    assert records(server, "unwanted") == []
    assert bucket.open_uploads("projects/unwanted/") == []


def test_storage_that_is_away_is_told_and_taken_back(shaky: Ingest, proxy: Proxy) -> None:
    proxy.away = True
    said = upload(shaky, "away")
    assert said.status_code == 503
    assert int(said.headers["retry-after"]) > 0
    assert said.json()["code"] == "storage_unavailable"
    assert str(proxy.port) in said.json()["detail"]
    assert settles(shaky, "away", "upload_storage_unavailable")["error"] == said.json()["error"]
    ready = web.get(f"{shaky.url}/readyz", timeout=20)
    assert ready.status_code == 503
    assert ready.json()["dependencies"] == {"s3": "unavailable", "records": "ok", "redis": "ok"}
    proxy.away = False
    assert upload(shaky, "away").status_code == 201


def test_storage_lost_in_the_middle_is_taken_back(shaky: Ingest, proxy: Proxy, bucket: Bucket) -> None:
    with begun(shaky, "middle", 15 * MIB, BIG) as connection:
        wait_for(lambda: bucket.open_uploads("projects/middle/"))
        proxy.away = True
        proxy.cut()
        # What cannot be stored is not read either: the server answers, and closes on what is still being sent.
        sender = threading.Thread(target=_send, args=(connection, rest(BIG, 15 * MIB)), daemon=True)
        sender.start()
        assert b" 503 " in answer(connection)
    sender.join(20)
    settles(shaky, "middle", "upload_storage_unavailable")
    proxy.away = False
    assert upload(shaky, "middle").status_code == 201


def test_production_says_nothing_about_the_inside(
    ingest_env: dict[str, str], proxy: Proxy, tmp_path: Path, bucket: Bucket
) -> None:
    bucket.put("inside/a.png", PNG)
    env = {**ingest_env, "AWS_ENDPOINT_URL_S3": proxy.url, "ENVIRONMENT": "production"}
    with ingest(tmp_path, env) as running:
        proxy.away = True
        adopted = web.post(f"{running.url}/api/media", json={"projectId": "p", "key": "inside/a.png"}, timeout=60)
        for said in (upload(running, "secret"), adopted):
            assert said.status_code == 503
            assert set(said.json()) == {"success", "error", "code"}
            assert said.headers["x-request-id"] in running.log.read_text()
        assert str(proxy.port) in running.log.read_text()


def test_redis_being_away_fails_no_upload(ingest_env: dict[str, str], tmp_path: Path) -> None:
    with ingest(tmp_path, {**ingest_env, "REDIS_URL": f"redis://127.0.0.1:{next(ports.free())}"}) as running:
        assert upload(running, "hints").status_code == 201
        ready = web.get(f"{running.url}/readyz", timeout=20)
        assert (ready.status_code, ready.json()["dependencies"]["redis"]) == (200, "unavailable")


def test_an_upload_that_ends_in_time_survives_a_restart(ingest_env: dict[str, str], tmp_path: Path) -> None:
    with ingest(tmp_path, ingest_env) as running, begun(running, "stop", 100_000, 200_000) as connection:
        wait_for(lambda: records(running, "stop"))
        running.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "Shutting down" in running.log.read_text())
        connection.sendall(rest(200_000, 100_000))
        assert answer(connection).startswith(b"HTTP/1.1 201 ")
        running.process.wait(10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_upload_that_does_not_end_in_time_is_taken_back(
    ingest_env: dict[str, str], tmp_path: Path, bucket: Bucket, number: int
) -> None:
    project = f"stop-{number}"
    with ingest(tmp_path, ingest_env) as running, begun(running, project, 25 * MIB, BIG) as connection:
        wait_for(lambda: bucket.open_uploads(f"projects/{project}/"))
        assert running.stop(number) < 10
        assert b'"shutting_down"' in answer(connection)
    assert bucket.open_uploads(f"projects/{project}/") == []
    with ingest(tmp_path, ingest_env) as again:
        settles(again, project, "upload_shutting_down")


def _send(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # the server has closed
        connection.sendall(data)

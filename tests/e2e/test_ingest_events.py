"""Following media and projects by server-sent events, on several servers, with Redis and without."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ops import ports
from pipeline.adapters import broker
from pipeline.progress import Report
from tests.frontdoor import MB, begun, records, rest, upload
from tests.multipart import PNG
from tests.serving import Ingest, ingest, wait_for
from tests.web import web

Event = dict[str, Any]


@pytest.fixture(scope="module")
def servers(ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ingest, Ingest]]:
    """Two of one installation."""
    folder = tmp_path_factory.mktemp("events")
    env = ingest_env | {"SQLITE_PATH": str(folder / "records.sqlite")}
    with ingest(folder / "one", env) as one, ingest(folder / "two", env) as two:
        yield one, two


@contextmanager
def following(server: Ingest, path: str, **headers: str) -> Iterator[Iterator[Event]]:
    """The events of a stream, each with its kind, its id if it has one, and its data."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with web.stream("GET", f"{server.url}{path}", headers=named, timeout=30) as answer:
        assert answer.status_code == 200, answer.status_code
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[Event]:
    event: Event = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if not line:
            if "data" in event:
                yield event
            event = {}
        elif name:
            event[name] = json.loads(value) if name == "data" else value


def media_of(server: Ingest, project: str) -> str:
    return str(upload(server, project).raise_for_status().json()["mediaId"])


def test_a_media_is_followed_until_it_has_settled_whichever_server_does_it(servers: tuple[Ingest, Ingest]) -> None:
    one, two = servers
    media_id = media_of(one, "follow")
    with following(two, f"/api/media/{media_id}/events") as events:
        first = next(events)
        assert (first["event"], first["data"]["id"], first["data"]["status"]) == ("media", media_id, "uploaded")
        assert first["id"] == str(first["data"]["version"])
        assert first["data"]["stages"] == {"done": [], "owed": ["validate"]}
        assert web.delete(f"{one.url}/api/media/{media_id}").status_code == 204
        last = next(each for each in events if each["event"] == "media")
        assert last["data"]["status"] == "deleted"
        assert list(events) == []
    again = web.get(f"{two.url}/api/media/{media_id}/events", headers={"Last-Event-ID": last["id"]})
    assert again.status_code == 204
    with following(two, f"/api/media/{media_id}/events", Last_Event_ID=first["id"]) as events:
        assert [each["id"] for each in events] == [last["id"]]


def test_progress_comes_as_it_is_reported(servers: tuple[Ingest, Ingest], redis_url: str) -> None:
    server, queue = servers[0], broker.connect(redis_url)
    media_id = media_of(server, "percent")
    queue.report("percent", media_id, "validate", Report(0.25))
    with following(server, f"/api/media/{media_id}/events") as events:
        assert next(events)["event"] == "media"
        early = next(each for each in events if each["event"] == "progress")
        assert early["data"] == {"mediaId": media_id, "fraction": 0.25, "tasks": {"validate": 0.25}}
        assert "id" not in early
        wait_for(lambda: _listened(queue, "percent"))
        wait_for(lambda: not queue.client.exists(f"darkroom:told:{media_id}"))  # a second is over
        broker.connect(redis_url).report("percent", media_id, "validate", Report(0.5, speed=2.5))
        later = next(each for each in events if each["data"].get("fraction") == 0.5)
        assert (later["data"]["speed"], later["data"]["secondsLeft"]) == (2.5, 0.2)


def test_a_project_is_followed_as_a_whole(servers: tuple[Ingest, Ingest]) -> None:
    one, two = servers
    old = media_of(one, "whole")
    with following(two, "/api/projects/whole/events") as events:
        first = next(events)
        assert (first["event"], first["data"]["id"]) == ("media", old)
        new = media_of(one, "whole")
        assert any(each["data"].get("id") == new and each["data"]["status"] == "uploaded" for each in events)
        web.delete(f"{one.url}/api/media/{old}")
        gone = next(each for each in events if each["data"].get("id") == old)
        assert gone["data"]["status"] == "deleted"
    with following(two, "/api/projects/whole/events", Last_Event_ID=first["id"]) as events:
        assert next(events)["data"]["id"] == new


def test_bytes_are_told_while_they_are_stored(servers: tuple[Ingest, Ingest]) -> None:
    server = servers[0]
    size, sent = 24 * MB, 22 * MB
    with begun(server, "bytes", sent, size) as connection:
        wait_for(lambda: records(server, "bytes"))
        with following(server, "/api/projects/bytes/events") as events:
            told = next(each for each in events if "bytesStored" in each["data"])
            assert 0 < told["data"]["bytesStored"] <= sent
            assert records(server, "bytes")[0]["status"] == "uploading"
        connection.sendall(rest(size, sent))
        wait_for(lambda: records(server, "bytes")[0]["status"] == "uploaded")


@pytest.mark.parametrize("whole", [False, True])
def test_bytes_that_go_straight_to_s3_are_told_too(servers: tuple[Ingest, Ingest], *, whole: bool) -> None:
    one, two = servers
    wanted = {"filename": "a.png", "type": "image/png", "metadata": {"projectId": f"past-{whole}"}}
    upload = web.post(f"{one.url}/s3/multipart", json=wanted).raise_for_status().json()
    place = f"{one.url}/s3/multipart/{upload['uploadId']}/1"
    part = web.get(place, params={"key": upload["key"]}).raise_for_status().json()["url"]
    web.put(part, content=PNG + bytes(MB), timeout=30).raise_for_status()
    path = f"/api/projects/past-{whole}/events" if whole else f"/api/media/{upload['mediaId']}/events"
    with following(two, path) as events:
        told = next(each for each in events if "bytesStored" in each["data"])
        assert (told["data"]["mediaId"], told["data"]["bytesStored"]) == (upload["mediaId"], len(PNG) + MB)


def test_without_redis_changes_come_later_but_they_come(tmp_path: Path, ingest_env: dict[str, str]) -> None:
    away = f"redis://127.0.0.1:{next(ports.free())}"
    with ingest(tmp_path, ingest_env | {"REDIS_URL": away}) as server:
        media_id = media_of(server, "away")
        with following(server, f"/api/media/{media_id}/events") as events:
            assert next(events)["data"]["status"] == "uploaded"
            web.delete(f"{server.url}/api/media/{media_id}", timeout=30)
            assert next(events)["data"]["status"] == "deleted"


def test_there_is_nothing_to_follow_without_a_media(servers: tuple[Ingest, Ingest]) -> None:
    answer = web.get(f"{servers[0].url}/api/media/media_{0:032x}/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "media_not_found")
    assert PNG  # what all of these upload


def _listened(queue: broker.RedisQueue, project: str) -> bool:
    listeners: Any = queue.client.pubsub_numsub(broker.CHANGES + project)
    return bool(listeners[0][1])

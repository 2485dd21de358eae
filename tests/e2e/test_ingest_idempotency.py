"""Uploads sent twice with one `Idempotency-Key`."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from pipeline import repeats
from pipeline.adapters.sqlite import SqliteRecords
from pipeline.changes import Update
from tests.frontdoor import Bucket, answer, begun, post, records, rest
from tests.multipart import PNG, field, file, form
from tests.serving import Ingest, wait_for
from tests.web import web


def send(server: Ingest, project: str, key: str, name: str = "a.png", content: bytes = PNG) -> httpx.Response:
    return post(server, form([field("projectId", project), file(content, name)]), Idempotency_Key=key)


def test_the_second_request_gets_the_first_answer(server: Ingest) -> None:
    first = send(server, "twice", '"one"')
    again = send(server, "twice", "one")
    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len(records(server, "twice")) == 1
    other = send(server, "twice", "two")
    assert other.json()["mediaId"] != first.json()["mediaId"]


def test_another_request_with_the_key_is_refused(server: Ingest) -> None:
    assert send(server, "reused", "reused").status_code == 201
    for changed in (
        send(server, "reused", "reused", name="b.png"),
        send(server, "reused", "reused", content=PNG + b"more"),
    ):
        assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_key_reused")


def test_what_is_no_key_is_refused(server: Ingest) -> None:
    for bad in ("", "a b", "x" * 256):
        refused = send(server, "badkey", bad)
        assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_invalid")


def test_an_error_does_not_use_the_key_up(server: Ingest) -> None:
    assert send(server, "failing", "failing", content=b"no picture at all").status_code == 415
    assert send(server, "failing", "failing", content=b"no picture at all").status_code == 415
    assert send(server, "failing", "failing", content=PNG).status_code == 422  # it is another file by its length


def test_while_the_first_is_served_the_second_is_told_so(server: Ingest) -> None:
    size = len(PNG) + 400_000
    with begun(server, "slow", len(PNG) + 200_000, size, "Idempotency-Key: slow") as connection:
        wait_for(lambda: [each for each in records(server, "slow") if each["status"] == "uploading"])
        with begun(server, "slow", len(PNG) + 200_000, size, "Idempotency-Key: slow") as second:
            refused = answer(second)
        assert b" 409 " in refused.splitlines()[0]
        assert b"request_in_progress" in refused
        assert b"retry-after: 1\r\n" in refused.lower()
        connection.sendall(rest(size, len(PNG) + 200_000))
        assert b" 201 " in answer(connection).splitlines()[0]
    assert len(records(server, "slow")) == 1


def test_adopting_is_replayed_as_well(server: Ingest, bucket: Bucket) -> None:
    bucket.put("idempotent/a.png", PNG)
    wanted, headers = {"projectId": "adopting", "key": "idempotent/a.png"}, {"Idempotency-Key": "adopting"}
    first, again = (web.post(f"{server.url}/api/media", json=wanted, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()


def test_an_answer_that_was_lost_is_made_again(server: Ingest) -> None:
    """As after a crash between the commit and the answer: the row names the media, and nobody holds it any more."""
    first = send(server, "lost", "lost").json()
    lose(server, "lost")
    again = send(server, "lost", "lost")
    assert (again.status_code, again.json()) == (201, first)
    assert send(server, "lost", "lost").headers["idempotent-replayed"] == "true"
    assert len(records(server, "lost")) == 1


def test_a_resumable_upload_is_begun_once(server: Ingest) -> None:
    named = {"X-Project-Id": "tus-once", "Idempotency-Key": "tus-once"}
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000", **named}
    first, again = (web.post(f"{server.url}/files/", headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    other = web.post(f"{server.url}/files/", headers=headers | {"Upload-Length": "2000"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(records(server, "tus-once")) == 1


def lose(server: Ingest, key: str) -> bool:
    """As after a crash between the transaction and the answer; False where the rows are not at hand."""
    path = server.log.parent / "records.sqlite"
    if path.exists():
        store = SqliteRecords(path)
        held = {"status": "RUNNING", "heldUntil": 0}
        store.update(Update(repeats.place("anonymous", key), None, set=held, remove=("reply",)))
        store.close()
    return path.exists()


S3: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/s3/sign", {"json": {"method": "PUT", "key": "a.png", "contentType": "image/png"}}),
    ("POST", "/s3/sign", {"json": {"method": "POST", "key": "a.png", "contentType": "image/png"}}),
    ("GET", "/s3/params", {"params": {"filename": "a.png", "type": "image/png"}}),
    ("POST", "/s3/multipart", {"json": {"filename": "a.png", "type": "image/png"}}),
)


@pytest.mark.parametrize(("method", "path", "content"), S3, ids=["form", "parts", "Companion's form", "and parts"])
def test_an_upload_to_s3_is_begun_once(server: Ingest, method: str, path: str, content: dict[str, Any]) -> None:
    project = key = f"s3-{uuid4().hex}"

    def ask(project_id: str = project) -> httpx.Response:
        headers = {"X-Project-Id": project_id, "Idempotency-Key": key}
        return web.request(method, f"{server.url}{path}", headers=headers, **content)

    first, again = ask(), ask()
    assert (first.status_code, again.status_code) == (200, 200), first.text
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    if lose(server, key):
        assert place_of(ask().json()) == place_of(first.json())
    assert ask("another").status_code == 422
    assert len(records(server, project)) == 1


def place_of(begun: dict[str, Any]) -> tuple[str, str]:
    """Where an answer sends its client: forms are signed anew, their key is not."""
    return str(begun["key"]), "" if "fields" in begun else str(begun.get("uploadId") or begun["url"])


def test_an_upload_to_s3_is_completed_once(server: Ingest) -> None:
    project = f"s3-{uuid4().hex}"
    wanted = {"filename": "a.png", "type": "image/png", "metadata": {"projectId": project}}
    begun = web.post(f"{server.url}/s3/multipart", json=wanted).json()
    path = f"{server.url}/s3/multipart/{begun['uploadId']}"
    part = web.get(f"{path}/1", params={"key": begun["key"]}).json()
    web.put(part["url"], content=PNG).raise_for_status()
    headers = {"Idempotency-Key": project}
    first, again = (
        web.post(f"{path}/complete", params={"key": begun["key"]}, json={}, headers=headers) for _ in range(2)
    )
    assert (first.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert len(records(server, project)) == 1


def test_an_upload_of_others_is_put_together_once(server: Ingest) -> None:
    project = f"tus-{uuid4().hex}"
    usual = {"Tus-Resumable": "1.0.0", "X-Project-Id": project}
    partial = {**usual, "Upload-Concat": "partial", "Content-Type": "application/offset+octet-stream"}
    pieces = [
        web.post(f"{server.url}/files/", content=each, headers={**partial, "Upload-Length": str(len(each))})
        for each in (PNG[:4], PNG[4:])
    ]
    final = {**usual, "Upload-Concat": "final;" + " ".join(each.headers["location"] for each in pieces)}
    for _ in range(2):
        answers = [web.post(f"{server.url}/files/", headers={**final, "Idempotency-Key": project}) for _ in range(2)]
        assert [each.status_code for each in answers] == [201, 201]
        assert answers[0].headers["location"] == answers[1].headers["location"]
        if not lose(server, project):
            break
    (media,) = records(server, project)
    assert (media["status"], media["size"]) == ("uploaded", len(PNG))

"""Uploads sent twice with one `Idempotency-Key`."""

import httpx

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
    path = server.log.parent / "records.sqlite"
    if not path.exists():
        return  # the rows are the same in every store; this test writes to one by hand
    first = send(server, "lost", "lost").json()
    store = SqliteRecords(path)
    place = repeats.place("anonymous", "lost")
    row = store.get(place)
    assert row is not None
    turn = repeats.Turn(place, row["epoch"])
    store.update(Update(place, None, set={"status": "RUNNING", "heldUntil": 0}, remove=("reply",)))
    again = send(server, "lost", "lost")
    assert (again.status_code, again.json()) == (201, first)
    assert (store.get(turn.key) or {})["status"] == "DONE"
    store.close()
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

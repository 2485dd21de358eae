"""Objects that are in the bucket already become media."""

from typing import Any

import httpx
import pytest

from tests.frontdoor import Bucket, record, upload
from tests.multipart import PNG
from tests.serving import Ingest
from tests.web import web


def adopt(server: Ingest, **wanted: Any) -> httpx.Response:  # noqa: ANN401 - JSON
    return web.post(f"{server.url}/api/media", json=wanted)


def test_an_object_becomes_one_media_however_often_it_is_named(server: Ingest, bucket: Bucket) -> None:
    bucket.put("incoming/photo 1.png", PNG + b"pixels")
    first = adopt(server, projectId="adopted", key="incoming/photo 1.png")
    assert first.status_code == 201
    said = first.json()
    assert said["s3Key"] == "incoming/photo 1.png"
    assert said["url"].endswith("/incoming/photo%201.png")
    kept = record(server, said["mediaId"])
    assert kept["mimeType"] == "image/png"
    assert kept["originalName"] == "photo 1.png"
    again = adopt(server, projectId="adopted", key="incoming/photo 1.png")
    assert (again.status_code, again.json()) == (200, said)
    bucket.put("incoming/photo 1.png", PNG + b"other pixels")
    other = adopt(server, projectId="adopted", key="incoming/photo 1.png")
    assert other.status_code == 201
    assert other.json()["mediaId"] != said["mediaId"]


def test_what_cannot_be_adopted_is_told(server: Ingest, bucket: Bucket) -> None:
    bucket.put("incoming/text.png", b"hello")
    bucket.put("incoming/empty.png", b"")
    own = upload(server, "adopted").json()["s3Key"]
    for key, status, code in (
        ("incoming/none.png", 404, "object_missing"),
        ("incoming/text.png", 415, "type_not_accepted"),
        ("incoming/empty.png", 415, "type_not_accepted"),
        (own, 400, "key_invalid"),
        ("renditions/adopted/x", 400, "key_invalid"),
        ("", 400, "key_invalid"),
        ("x" * 1025, 400, "key_invalid"),
        ("a\0b", 400, "key_invalid"),
        ("\ud800", 400, "key_invalid"),
    ):
        answer = web.post(f"{server.url}/api/media", content=b'{"projectId": "adopted", "key": "%b"}' % _escaped(key))
        assert (answer.status_code, answer.json()["code"]) == (status, code), key


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"[]", "malformed_json"),
        (b"[" * 10_000, "malformed_json"),
        (b"\xff", "malformed_json"),
        (b'{"projectId": "p"}', "malformed_json"),
        (b'{"key": "k"}', "project_id_missing"),
        (b'{"projectId": "a/b", "key": "k"}', "project_id_invalid"),
    ],
)
def test_malformed_requests_are_refused(server: Ingest, body: bytes, code: str) -> None:
    answer = web.post(f"{server.url}/api/media", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def _escaped(text: str) -> bytes:
    return "".join(char if char.isascii() and char.isprintable() else f"\\u{ord(char):04x}" for char in text).encode()

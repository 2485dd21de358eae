"""A key that is replaced, and a token that expires, while an upload is on its way: whoever has the new one goes on."""

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pipeline import apikeys
from pipeline.adapters.sqlite import SqliteRecords
from tests.frontdoor import Bucket, answer, asking
from tests.multipart import PNG
from tests.serving import Ingest, ingest, wait_for
from tests.web import web

MIB = 1024 * 1024
CONTENT = PNG + Random(11).randbytes(12 * MIB - len(PNG))
HALF = 7 * MIB  # a part, and what waits for the next
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
ENDED = {"key": "credentials_invalid", "token": "token_expired"}


@dataclass(frozen=True)
class Shop:
    """A server that asks who is there, and a project whose credentials of one kind are replaced."""

    server: Ingest
    records: SqliteRecords
    kind: str
    project: str = field(default_factory=lambda: f"rotated-{uuid4().hex}")

    def ask(self, method: str, path: str, headers: dict[str, str], **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
        given = {"X-Project-Id": self.project, **headers}
        return web.request(method, self.server.url + path, headers=given, timeout=60, **more)

    def credentials(self, seconds: int = 600) -> dict[str, str]:
        """New ones; a token ends after so many seconds."""
        key = {"Authorization": f"Bearer {apikeys.create(self.records, 'a test', [self.project], ['read', 'write'])}"}
        if self.kind == "key":
            return key
        wanted = {"projectId": self.project, "expiresIn": seconds}
        token = self.ask("POST", "/api/tokens", key, json=wanted).raise_for_status().json()["token"]
        return {"Authorization": f"Bearer {token}"}

    def replace(self, old: dict[str, str]) -> dict[str, str]:
        """Make others, and end the old ones: a server that has never seen the new key looks at once."""
        if self.kind == "key":
            apikeys.revoke(self.records, old["Authorization"].split("_")[1])
        new = self.credentials()
        assert self.ask("OPTIONS", "/files/", new).is_success
        wait_for(lambda: self.ended(self.ask("POST", "/s3/sign", old, json={})), 30)
        return new

    def ended(self, answer: httpx.Response) -> bool:
        return (answer.status_code, answer.json()["code"]) == (401, ENDED[self.kind])

    def open(self, method: str, path: str, headers: dict[str, str], sent: bytes, length: int) -> socket.socket:
        """A request of which the first bytes are sent."""
        given = {"X-Project-Id": self.project, **headers, "Content-Length": str(length)}
        return asking(self.server, f"{method} {path}", given, sent)

    def whole(self, bucket: Bucket, headers: dict[str, str], media_id: str) -> None:
        """The upload is there as it was sent, once."""
        found = self.ask("GET", f"/api/media/{media_id}", headers).raise_for_status().json()
        assert (found["status"], found["size"]) == ("uploaded", len(CONTENT))
        assert bucket.digest(found["s3Key"]) == hashlib.sha256(CONTENT).hexdigest()
        assert bucket.keys(f"projects/{self.project}/") == [found["s3Key"]]
        assert bucket.open_uploads(f"projects/{self.project}/") == []


@pytest.fixture(scope="module")
def served(
    ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Ingest, SqliteRecords]]:
    folder: Path = tmp_path_factory.mktemp("rotation")
    records = SqliteRecords(folder / "records.sqlite")
    apikeys.create(records, "the first", ["*"], ["read"])
    with ingest(folder, ingest_env | {"TOKEN_SECRETS": "a secret that nobody else has for sure"}) as server:
        yield server, records
    records.close()


@pytest.fixture(params=["key", "token"])
def shop(request: pytest.FixtureRequest, served: tuple[Ingest, SqliteRecords]) -> Shop:
    return Shop(*served, request.param)


def test_a_body_that_was_let_in_is_taken_to_its_end(shop: Shop, bucket: Bucket) -> None:
    old = shop.credentials(2)
    path = f"/api/upload/{shop.project}/a.png"
    with shop.open("PUT", path, old, CONTENT[:HALF], len(CONTENT)) as connection:
        new = shop.replace(old)
        connection.sendall(CONTENT[HALF:])
        head, _, body = answer(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 201 ")
    shop.whole(bucket, new, httpx.Response(201, content=body).json()["mediaId"])
    assert shop.ended(shop.ask("PUT", path, old, content=CONTENT))


def test_tus_goes_on_with_the_new_ones(shop: Shop, bucket: Bucket) -> None:
    old = shop.credentials(2)
    begun = shop.ask("POST", "/files/", {**TUS, **old, "Content-Type": "", "Upload-Length": str(len(CONTENT))})
    place = begun.raise_for_status().headers["location"]
    with shop.open("PATCH", place, {**TUS, **old, "Upload-Offset": "0"}, CONTENT[:HALF], len(CONTENT)):
        new = shop.replace(old)  # then the line breaks
    refused = shop.ask("PATCH", place, {**TUS, **old, "Upload-Offset": str(HALF)}, content=CONTENT[HALF:])
    assert shop.ended(refused)
    assert refused.headers["tus-resumable"] == "1.0.0"
    assert shop.ask("HEAD", place, {**TUS, **old}).status_code == 401
    there = shop.ask("HEAD", place, {**TUS, **new}).raise_for_status()
    assert int(there.headers["upload-offset"]) == HALF
    rest = shop.ask("PATCH", place, {**TUS, **new, "Upload-Offset": str(HALF)}, content=CONTENT[HALF:])
    assert (rest.status_code, rest.headers["upload-offset"]) == (204, str(len(CONTENT)))
    shop.whole(bucket, new, place.rpartition("/")[2])


def test_parts_straight_to_s3_go_on_with_the_new_ones(shop: Shop, bucket: Bucket) -> None:
    old = shop.credentials(2)
    begun = shop.ask("POST", "/s3/multipart", old, json={"filename": "a.png", "type": "image/png"}).json()
    path, key = f"/s3/multipart/{begun['uploadId']}", {"key": begun["key"]}
    first = shop.ask("GET", f"{path}/1", old, params=key).raise_for_status().json()["url"]
    new = shop.replace(old)
    assert shop.ended(shop.ask("GET", f"{path}/2", old, params=key))
    web.put(first, content=CONTENT[: 5 * MIB], timeout=60).raise_for_status()  # it was let in
    second = shop.ask("GET", f"{path}/2", new, params=key).raise_for_status().json()["url"]
    web.put(second, content=CONTENT[5 * MIB :], timeout=60).raise_for_status()
    assert shop.ended(shop.ask("POST", f"{path}/complete", old, params=key))
    shop.ask("POST", f"{path}/complete", new, params=key).raise_for_status()
    shop.whole(bucket, new, begun["mediaId"])

"""Fixtures around a running ingest server: the bucket behind it, and short names for what its clients do."""

import hashlib
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import boto3
import httpx
import pytest

from pipeline.adapters import aws, dynamodb
from pipeline.adapters.sqlite import SqliteRecords
from pipeline.adapters.tables import create_tables
from pipeline.ports import Records
from tests.backends import BUCKET, Backend
from tests.multipart import CONTENT_TYPE, PNG, field, file, form
from tests.serving import Ingest, ingest, wait_for
from tests.web import web

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MB = 1000 * 1000


class Credentials(TypedDict):
    """What every boto3 client takes."""

    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str


@dataclass(frozen=True)
class Bucket:
    """The test bucket as S3 shows it."""

    client: "S3Client"

    def open_uploads(self, prefix: str = "") -> list[str]:
        """Keys of the multipart uploads that are neither completed nor aborted."""
        found = self.client.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix)
        return [upload["Key"] for upload in found.get("Uploads", ())]

    def keys(self, prefix: str) -> list[str]:
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())]

    def head(self, key: str) -> Any:  # noqa: ANN401 - S3's answer
        return self.client.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")

    def digest(self, key: str) -> str:
        """SHA-256 of the object's bytes."""
        return hashlib.sha256(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()).hexdigest()

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)


@pytest.fixture(scope="session")
def bucket(s3: Backend) -> Bucket:
    return Bucket(boto3.client("s3", endpoint_url=s3.url, **_credentials(s3.env)))


@pytest.fixture(scope="session")
def ingest_env(s3: Backend, redis_url: str) -> dict[str, str]:
    """What an ingest server has to be told."""
    return {**s3.env, "REDIS_URL": redis_url}


@pytest.fixture(scope="session", params=["sqlite", "dynamodb"])
def server(
    request: pytest.FixtureRequest, ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ingest]:
    """A server with the usual settings, over each record store; shared by tests that leave it as it is."""
    store = request.getfixturevalue("dynamodb_env") if request.param == "dynamodb" else {}
    with ingest(tmp_path_factory.mktemp("ingest"), ingest_env | store) as running:
        yield running


@pytest.fixture(scope="session")
def dynamodb_env(dynamodb_ministack: Backend) -> dict[str, str]:
    """What makes a server keep its records in DynamoDB, in tables that are there."""
    return tables(dynamodb_ministack, "ingest")


def tables(dynamodb: Backend, prefix: str) -> dict[str, str]:
    """New tables, as the environment names them."""
    env = {
        **dynamodb.env,
        "RECORDS": "dynamodb",
        "MEDIA_TABLE": f"{prefix}-media",
        "TASKS_TABLE": f"{prefix}-tasks",
    }
    client = boto3.client("dynamodb", endpoint_url=env["AWS_ENDPOINT_URL_DYNAMODB"], **_credentials(env))
    create_tables(client, env["MEDIA_TABLE"], env["TASKS_TABLE"])
    return env


def opened(env: Mapping[str, str]) -> Records:
    """The record store that the environment names."""
    if env["RECORDS"] == "sqlite":
        return SqliteRecords(Path(env["SQLITE_PATH"]))
    return dynamodb.connect(env["MEDIA_TABLE"], env["TASKS_TABLE"], aws.account(env))


def _credentials(env: Mapping[str, str]) -> Credentials:
    return {
        "region_name": env["AWS_REGION"],
        "aws_access_key_id": env["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"],
    }


def post(server: Ingest, body: bytes | Iterable[bytes], query: str = "", **headers: str) -> httpx.Response:
    """Send an upload form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{server.url}/api/upload{query}"
    return web.post(url, content=body, headers={"content-type": CONTENT_TYPE, **named}, timeout=120)


def upload(server: Ingest, project: str, content: bytes = PNG, name: str = "a.png") -> httpx.Response:
    """Send one file."""
    return post(server, form([field("projectId", project), file(content, name)]))


def record(server: Ingest, media_id: str) -> dict[str, Any]:
    """What the server says of a media."""
    return dict(web.get(f"{server.url}/api/media/{media_id}").raise_for_status().json())


def records(server: Ingest, project: str) -> list[dict[str, Any]]:
    """What it says of a project."""
    found = web.get(f"{server.url}/api/projects/{project}/media").raise_for_status().json()
    return list(found["items"])


def settles(server: Ingest, project: str, reason: str) -> dict[str, Any]:
    """The project's one record, once it is failed for that reason."""
    wait_for(lambda: [each for each in records(server, project) if each["status"] == "failed"])
    (settled,) = records(server, project)
    assert settled["reason"] == reason
    return settled


def asking(server: Ingest, request: str, headers: Mapping[str, str], sent: bytes = b"") -> socket.socket:
    """A connection on which the head of a request is sent, `METHOD /path`, and the first bytes of its body."""
    lines = (f"{name}: {value}" for name, value in {"Host": "localhost", **headers}.items())
    connection = socket.create_connection(("127.0.0.1", server.port), 60)
    connection.sendall("\r\n".join((f"{request} HTTP/1.1", *lines)).encode() + b"\r\n\r\n" + sent)
    return connection


@contextmanager
def begun(server: Ingest, project: str, sent: int, size: int, *headers: str) -> Iterator[socket.socket]:
    """An upload of `size` bytes of which `sent` are on their way when this returns."""
    head, tail = form([field("projectId", project), file(b"@@")]).split(b"@@")
    length = len(head) + size + len(tail)
    request = (
        f"POST /api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {length}"
    )
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        request = "\r\n".join((request, *headers))
        connection.sendall(request.encode() + b"\r\n\r\n" + head + PNG + bytes(sent - len(PNG)))
        yield connection


def rest(size: int, sent: int) -> bytes:
    """What completes an upload that was `begun`."""
    return bytes(size - sent) + form([field("projectId", "any"), file(b"@@")]).split(b"@@")[1]


def answer(connection: socket.socket) -> bytes:
    """All that the server says until it closes or falls silent after a whole answer."""
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        data = connection.recv(65536)
        if not data:
            break
        received += data
    return received

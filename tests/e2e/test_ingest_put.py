"""`PUT /api/upload/{projectId}/{fileName}`, and the digests that clients send along by either door."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import zlib
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from awscrt import checksums

from tests.frontdoor import Bucket, post, record, records, settles
from tests.multipart import PNG, field, file, form
from tests.serving import Ingest, ingest
from tests.web import web

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    """The store of records makes no difference here."""
    with ingest(tmp_path_factory.mktemp("put"), ingest_env) as running:
        yield running


def put(
    server: Ingest, path: str, content: bytes | Iterator[bytes], headers: Mapping[str, str] | None = None
) -> httpx.Response:
    return web.put(f"{server.url}/api/upload/{path}", content=content, headers=headers, timeout=60)


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


@pytest.mark.parametrize("size", [100, 5 * MIB, 5 * MIB + 1, 12 * MIB])
def test_a_raw_body_arrives_unchanged(server: Ingest, bucket: Bucket, size: int) -> None:
    content = (PNG + os.urandom(size))[:size]
    for body in (content, iter([content[:70], content[70:]])):
        said = put(server, "raw/Ferien.png", body)
        assert said.status_code == 201
        assert bucket.digest(said.json()["s3Key"]) == hashlib.sha256(content).hexdigest()
        assert record(server, said.json()["mediaId"])["size"] == size


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl_sends_files_as_they_are(server: Ingest, tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(PNG + bytes(2 * MIB))
    target = f"{server.url}/api/upload/curl/a%20b.png"
    for source, more in (
        ("a b.png", ()),
        ("a b.png", ("-H", "Expect: 100-continue")),
        ("-", ("-H", "Transfer-Encoding: chunked")),
    ):
        argv = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *more, "-T", source, target]
        with (tmp_path / "a b.png").open("rb") as content:
            assert subprocess.run(argv, cwd=tmp_path, stdin=content, capture_output=True, check=True).stdout == b"201"
    assert {each["originalName"] for each in records(server, "curl")} == {"a b.png"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("door", ["raw", "form"])
def test_curl_sees_a_refusal_that_comes_early(server: Ingest, tmp_path: Path, door: str) -> None:
    (tmp_path / "a.txt").write_bytes(b"no picture " * MIB)
    where = (
        ["-T", "a.txt", f"{server.url}/api/upload/early/a.txt"]
        if door == "raw"
        else ["-F", "projectId=early", "-F", "file=@a.txt", f"{server.url}/api/upload"]
    )
    argv = ["curl", "-sS", "-w", "%{http_code}", "-H", "Expect:", *where]
    ended = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.endswith("415")
    assert '"format_unsupported"' in ended.stdout


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("../../../etc/passwd", "passwd.png"),
        ("..%2f..%2fa", "a.png"),
        ("a/b/c.png", "c.png"),
        ("%00%01evil%7f.png", "evil.png"),
        (quote("\u202egnp.exe"), "gnp.png"),
        (quote("ファイル🐎.png"), "ファイル🐎.png"),
        (quote("x" * 10_000), "x" * 196 + ".png"),
        ("%ff%fe", "��.png"),
        ("", "file.png"),
        ("...", "file.png"),
        ("a?projectId=other", "a.png"),
        ("a%0d%0aX-Evil:%201.png", "a X-Evil_ 1.png"),
    ],
)
def test_names_are_data(server: Ingest, bucket: Bucket, name: str, key: str) -> None:
    status, said = _raw_put(server, f"/api/upload/names/{name}")
    assert status == 201, said
    assert said["s3Key"] == f"projects/names/media/{said['mediaId']}/{key}"
    assert bucket.head(said["s3Key"])["ContentLength"] == len(PNG)


def test_the_name_that_the_client_chose_is_kept(server: Ingest) -> None:
    name = "../\u202ex"
    _, said = _raw_put(server, f"/api/upload/kept/{quote(name)}")
    assert record(server, said["mediaId"])["originalName"] == name


@pytest.mark.parametrize(
    ("path", "content", "status", "code"),
    [
        ("bad/a.png", b"", 400, "file_empty"),
        ("bad/a.png", b"hello world", 415, "format_unsupported"),
        ("b%20d/a.png", PNG, 400, "project_id_invalid"),
    ],
)
def test_bad_bodies_are_refused(server: Ingest, path: str, content: bytes, status: int, code: str) -> None:
    said = put(server, path, content)
    assert (said.status_code, said.json()["code"]) == (status, code)


CONTENT = PNG + b"some pixels"
RIGHT = [
    {"Content-MD5": b64(hashlib.md5(CONTENT).digest())},  # noqa: S324 - what the header is of
    {"Content-Digest": f"sha-256=:{b64(hashlib.sha256(CONTENT).digest())}:, unknown=:AAAA:"},
    {"Repr-Digest": f"sha-512=:{b64(hashlib.sha512(CONTENT).digest())}:"},
    {"Digest": f"SHA-256={b64(hashlib.sha256(CONTENT).digest())},SHA={b64(hashlib.sha1(CONTENT).digest())}"},  # noqa: S324
    {"x-amz-checksum-sha256": b64(hashlib.sha256(CONTENT).digest())},
    {"x-amz-checksum-crc32": b64(zlib.crc32(CONTENT).to_bytes(4, "big"))},
    {"x-amz-checksum-crc32c": b64(checksums.crc32c(CONTENT).to_bytes(4, "big")), "x-amz-checksum-type": "FULL_OBJECT"},
    {"x-amz-checksum-crc64nvme": b64(checksums.crc64nvme(CONTENT).to_bytes(8, "big"))},
]


@pytest.mark.parametrize("headers", RIGHT, ids=lambda headers: next(iter(headers)))
def test_a_digest_that_fits_is_kept_and_another_stores_nothing(
    server: Ingest, bucket: Bucket, headers: dict[str, str]
) -> None:
    project = f"digest-{next(iter(headers)).lower()}"
    said = put(server, f"{project}/a.png", CONTENT, headers)
    assert said.status_code == 201
    kept = record(server, said.json()["mediaId"])["digests"]
    assert kept
    assert all(value in ",".join(headers.values()) for value in kept.values())
    wrong = put(server, f"{project}-wrong/a.png", CONTENT + b"!", headers)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "digest_mismatch")
    # A small file that came at once was never told of to anybody.
    assert {each["status"] for each in records(server, f"{project}-wrong")} <= {"failed"}
    assert bucket.keys(f"projects/{project}-wrong/") == []


def test_a_wrong_digest_of_many_parts_leaves_no_parts(server: Ingest, bucket: Bucket) -> None:
    content = PNG + os.urandom(11 * MIB)
    headers = {"Content-MD5": b64(hashlib.md5(content + b"!").digest())}  # noqa: S324 - what the header is of
    assert put(server, "parts/a.png", content, headers).json()["code"] == "digest_mismatch"
    settles(server, "parts", "upload_digest_mismatch")
    assert bucket.keys("projects/parts/") == bucket.open_uploads("projects/parts/") == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-MD5": "short"}, "digest_invalid"),
        ({"Content-MD5": b64(b"x" * 20)}, "digest_invalid"),
        ({"Repr-Digest": "sha-256"}, "digest_invalid"),
        ({"x-amz-checksum-sha256": "%%%"}, "digest_invalid"),
        ({"Content-MD5": b64(b"x" * 16), "Content-Digest": f"md5=:{b64(b'y' * 16)}:"}, "digest_conflict"),
    ],
)
def test_a_digest_that_is_none_is_refused(server: Ingest, headers: dict[str, str], code: str) -> None:
    said = put(server, "none/a.png", CONTENT, headers)
    assert (said.status_code, said.json()["code"]) == (400, code)


def test_in_a_form_digests_are_of_the_body_and_checksums_of_the_file(server: Ingest) -> None:
    body = form([field("projectId", "forms"), file(CONTENT)])
    of_body = {"Content-Digest": f"sha-256=:{b64(hashlib.sha256(body).digest())}:"}
    of_file = {"x-amz-checksum-sha256": b64(hashlib.sha256(CONTENT).digest())}
    said = post(server, body, **of_body, **of_file)
    assert said.status_code == 201
    assert record(server, said.json()["mediaId"])["digests"] == {"sha256": of_file["x-amz-checksum-sha256"]}
    for wrong in (
        {"Content-Digest": f"sha-256=:{b64(hashlib.sha256(CONTENT).digest())}:"},
        {"x-amz-checksum-sha256": b64(hashlib.sha256(body).digest())},
    ):
        assert post(server, body, **wrong).json()["code"] == "digest_mismatch"


@pytest.mark.parametrize("fits", [True, False])
def test_the_files_own_part_may_have_a_digest(server: Ingest, fits: bool) -> None:  # noqa: FBT001 - a parameter
    md5 = b64(hashlib.md5(CONTENT if fits else b"other").digest())  # noqa: S324 - what the header is of
    said = post(server, form([field("projectId", "part"), f"Content-MD5: {md5}\r\n".encode() + file(CONTENT)]))
    assert said.status_code == (201 if fits else 400)


def _raw_put(server: Ingest, path: str) -> tuple[int, dict[str, str]]:
    """PUT to exactly that path: httpx would tidy it."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("PUT", path, PNG)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said

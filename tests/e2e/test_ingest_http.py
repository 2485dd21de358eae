"""The HTTP contract, as clients meet it: real server, real S3, real Redis."""

import base64
import hashlib
import os
import re

import pytest

from tests.backends import Backend
from tests.frontdoor import Bucket, post, record, records, upload
from tests.multipart import PNG, field, file, form
from tests.serving import Ingest, open_files
from tests.web import web

PART = 5 * 1024 * 1024


def test_a_photo_goes_in(server: Ingest, bucket: Bucket, s3: Backend) -> None:
    answer = upload(server, "photo", PNG + b"pixels", "Ferien ä.PNG")
    assert answer.status_code == 201
    said = answer.json()
    media_id = said["mediaId"]
    key = f"projects/photo/media/{media_id}/Ferien ä.png"
    assert said == {
        "success": True,
        "mediaId": media_id,
        "url": f"{s3.url}/media/projects/photo/media/{media_id}/Ferien%20%C3%A4.png",
        "s3Key": key,
        "statusUrl": f"{server.url}/api/media/{media_id}",
    }
    assert re.fullmatch(r"media_[0-9a-f]{32}", media_id)
    head = bucket.head(key)
    assert head["ContentLength"] == len(PNG) + 6
    assert head["ContentType"] == "image/png"
    assert head["Metadata"] == {"projectid": "photo", "mediaid": media_id, "fieldname": "file"}
    assert head["ContentDisposition"] == "attachment; filename=\"Ferien a.png\"; filename*=UTF-8''Ferien%20%C3%A4.png"
    kept = web.get(said["statusUrl"]).json()
    expected = {
        "id": media_id,
        "projectId": "photo",
        "originalName": "Ferien ä.PNG",
        "fileName": "Ferien ä.png",
        "fileType": "image",
        "mimeType": "image/png",
        "s3Key": key,
        "s3Url": said["url"],
        "size": len(PNG) + 6,
        "position": 0,
        "status": "uploaded",
        "etag": head["ETag"],
        "urls": {"original": said["url"]},
    }
    assert {name: kept[name] for name in expected} == expected
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", kept["uploadDate"])


@pytest.mark.parametrize("size", [1024, PART - 1, PART, PART + 1, 3 * PART + 12345])
def test_bytes_arrive_unchanged_whatever_the_size(server: Ingest, bucket: Bucket, size: int) -> None:
    content = (PNG + os.urandom(1024 * 1024) * 32)[:size]
    said = upload(server, "sizes", content).json()
    assert bucket.digest(said["s3Key"]) == hashlib.sha256(content).hexdigest()
    parts = re.findall(r'-(\d+)"$', bucket.head(said["s3Key"])["ETag"])
    assert parts == ([] if size <= PART else [str(-(-size // PART))])
    kept = record(server, said["mediaId"])
    assert kept["size"] == size
    assert kept["checksum"] == f"crc64nvme:{bucket.head(said['s3Key'])['ChecksumCRC64NVME']}"
    assert bucket.open_uploads("projects/sizes/") == []


def test_nothing_is_written_to_disk(server: Ingest) -> None:
    before = open_files(server.process.pid)
    seen: set[str] = set()

    def watched() -> list[bytes]:
        seen.update(open_files(server.process.pid))
        return [bytes(1024 * 1024)]

    head, tail = form([field("projectId", "disk"), file(b"@@")]).split(b"@@")
    pieces = (piece for part in ([head + PNG], *(watched() for _ in range(25)), [tail]) for piece in part)
    assert post(server, pieces).status_code == 201
    assert {path for path in seen - before if "records.sqlite" not in path} == set()


def test_the_project_may_stand_in_form_query_or_header(server: Ingest) -> None:
    bare = form([file(PNG)])
    for answer in (post(server, bare, "?projectId=where"), post(server, bare, X_Project_Id="where")):
        assert answer.status_code == 201
    assert upload(server, "where").status_code == 201
    assert [each["position"] for each in records(server, "where")] == [0, 1, 2]


def test_a_name_may_be_given(server: Ingest) -> None:
    body = form([field("projectId", "names"), field("fileName", "../../holiday.exe"), file(PNG, "upload")])
    said = post(server, body).json()
    assert said["s3Key"].endswith(f"/{said['mediaId']}/holiday.png")
    assert record(server, said["mediaId"])["originalName"] == "../../holiday.exe"


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ([field("projectId", "none")], 400, "no_file"),
        ([file(PNG)], 400, "project_id_missing"),
        ([file(PNG), field("projectId", "none")], 400, "project_id_after_file"),
        ([file(PNG + bytes(4 * PART)), field("projectId", "none")], 400, "project_id_missing"),
        ([field("projectId", "../none"), file(PNG)], 400, "project_id_invalid"),
        ([field("projectId", "none"), file(PNG), file(PNG)], 400, "two_files"),
        ([field("projectId", "none"), file(b"hello world")], 415, "format_unsupported"),
        ([field("projectId", "none"), file(b"<svg/>" + bytes(6 * PART))], 415, "format_unsupported"),
        ([field("projectId", "none"), file(b"FLV\x01")], 415, "type_not_accepted"),
    ],
)
def test_bad_uploads_are_refused_and_leave_nothing(
    server: Ingest, bucket: Bucket, parts: list[bytes], status: int, code: str
) -> None:
    answer = post(server, form(parts))
    assert (answer.status_code, answer.json()["code"], answer.json()["success"]) == (status, code, False)
    assert answer.json()["error"].endswith(".")
    assert [each for each in records(server, "none") if each["status"] != "failed"] == []
    assert bucket.open_uploads("projects/none/") == []


def test_other_addresses_and_methods_answer_in_the_same_words(server: Ingest) -> None:
    for method, path, status in (("GET", "/nope", 404), ("PUT", "/api/upload", 405), ("PATCH", "/api/media/x", 405)):
        answer = web.request(method, server.url + path)
        assert answer.status_code == status
        assert set(answer.json()) == {"success", "error", "code"}
    assert web.post(f"{server.url}/api/upload", json={}).json()["code"] == "not_multipart"


def test_every_answer_has_a_request_id_that_the_log_knows(server: Ingest) -> None:
    assert web.get(f"{server.url}/healthz", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    given = web.get(f"{server.url}/nope", headers={"X-Request-Id": "a b"}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{16}", given)
    assert given in server.log.read_text()


def test_a_project_is_listed_page_by_page(server: Ingest) -> None:
    ids = [upload(server, "pages").json()["mediaId"] for _ in range(5)]
    web.delete(f"{server.url}/api/media/{ids[2]}").raise_for_status()
    listed: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = web.get(f"{server.url}/api/projects/pages/media", params=query).json()
        listed += [each["id"] for each in page["items"]]
        cursor = page["cursor"]
    assert listed == [*ids[:2], *ids[3:]]
    assert web.get(f"{server.url}/api/projects/empty/media").json() == {"items": [], "cursor": None}


@pytest.mark.parametrize(
    ("query", "code"),
    [("limit=0", "limit_invalid"), ("limit=x", "limit_invalid"), ("limit=201", "limit_invalid")]
    + [(f"cursor={bad}", "cursor_invalid") for bad in ("", "x", "%C3%A4", "cHg", "MTI", "==")]
    + [(f"cursor={base64.b64encode(b'p' + b'9' * digits).decode()}", "cursor_invalid") for digits in (20, 5000)],
)
def test_bad_pages_are_refused(server: Ingest, query: str, code: str) -> None:
    answer = web.get(f"{server.url}/api/projects/pages/media?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_media_is_deleted(server: Ingest) -> None:
    address = upload(server, "gone").json()["statusUrl"]
    assert web.delete(address).status_code == 204
    assert web.get(address).json()["status"] == "deleted"
    assert web.delete(address).status_code == 204
    for unknown in ("media_" + "0" * 32, "x", "%2e%2e"):
        for method in ("GET", "DELETE"):
            answer = web.request(method, f"{server.url}/api/media/{unknown}")
            assert answer.status_code == 404, unknown


def test_the_contract_is_served(server: Ingest) -> None:
    contract = web.get(f"{server.url}/openapi.json").json()
    assert contract["openapi"].startswith("3.1")
    page = web.get(f"{server.url}/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in contract["paths"]:
        assert path in page.text
    assert not re.search(r"https?://|<script", page.text)


def test_health_is_told_by_dependency(server: Ingest) -> None:
    assert web.get(f"{server.url}/healthz").json() == {"status": "ok"}
    ready = web.get(f"{server.url}/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"ready": True, "dependencies": {"s3": "ok", "records": "ok", "redis": "ok"}}

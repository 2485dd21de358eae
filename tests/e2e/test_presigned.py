"""Uploads that go straight to S3, in the shapes that Uppy speaks; S3 is the real one, and so are its refusals."""

import base64
import hashlib
import zlib
from random import Random
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import httpx
import pytest

from pipeline.adapters.checksums import crc64
from tests.frontdoor import Bucket, record
from tests.multipart import PNG
from tests.serving import Ingest
from tests.web import web

MIB = 1024 * 1024
CONTENT = PNG + Random(8).randbytes(6 * MIB - len(PNG))
S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def project() -> str:
    return f"direct-{uuid4().hex}"


def sign(server: Ingest, project_id: str, **request: object) -> httpx.Response:
    return web.post(f"{server.url}/s3/sign", json=request, headers={"X-Project-Id": project_id}, timeout=30)


def signed(server: Ingest, project_id: str, **request: object) -> dict[str, Any]:
    answer = sign(server, project_id, **request)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def posted(form: dict[str, Any], content: bytes) -> httpx.Response:
    """What a browser does with a POST policy: the fields, then the file."""
    return web.post(form["url"], data=form["fields"], files={"file": ("x", content)}, timeout=60)


def companion(server: Ingest, method: str, path: str, json: object = None, **query: str) -> httpx.Response:
    return web.request(method, f"{server.url}/s3{path}", json=json, params=query, timeout=60)


def saying(server: Ingest, path: str, headers: dict[str, str], json: object = None, **query: str) -> httpx.Response:
    return httpx.post(f"{server.url}/s3{path}", json=json, params=query, headers=headers, timeout=60)


def whole(server: Ingest, bucket: Bucket, key: str, content: bytes) -> None:
    found = record(server, key.split("/")[3])
    assert (found["status"], found["size"], found["mimeType"]) == ("uploaded", len(content), "image/png")
    assert bucket.digest(key) == hashlib.sha256(content).hexdigest()
    assert bucket.open_uploads(key) == []
    head = bucket.head(key)
    assert head["ContentDisposition"].startswith("attachment")
    assert head["Metadata"]["mediaid"] == found["id"]


def test_a_form_by_sign_request(server: Ingest, bucket: Bucket) -> None:
    form = signed(server, project(), method="PUT", key="holiday/a.png", contentType="image/png")
    key = form["fields"]["key"]
    assert form["key"] == key
    assert record(server, form["mediaId"])["status"] == "uploading"
    early = companion(server, "POST", "/complete", {"key": key})
    assert (early.status_code, early.json()["code"]) == (404, "object_missing")
    assert posted(form, CONTENT).status_code == 201
    answer = companion(server, "POST", "/complete", {"key": key})
    assert (answer.status_code, answer.json()["mediaId"]) == (201, form["mediaId"])
    assert companion(server, "POST", "/complete", {"key": key}).json() == answer.json()
    whole(server, bucket, key, CONTENT)


def test_a_form_by_companion(server: Ingest, bucket: Bucket) -> None:
    query = {"filename": "a.png", "type": "image/png", "metadata[projectId]": project()}
    form = companion(server, "GET", "/params", None, **query).raise_for_status().json()
    assert form["method"] == "POST"
    assert posted(form, CONTENT).status_code == 201
    assert companion(server, "POST", "/complete", {"key": form["fields"]["key"]}).status_code == 201
    whole(server, bucket, form["fields"]["key"], CONTENT)


def test_parts_by_sign_request(server: Ingest, bucket: Bucket) -> None:
    """Uppy sends S3's own requests wherever it is told to, and reads S3's XML."""
    project_id = project()
    begin = signed(server, project_id, method="POST", key="a.png")
    key = begin["key"]
    upload_id = text(web.post(begin["url"], headers={"content-type": "image/png"}), "UploadId")
    for number, piece in ((1, CONTENT[: 5 * MIB]), (2, CONTENT[5 * MIB :])):
        part = signed(server, project_id, method="PUT", key=key, uploadId=upload_id, partNumber=number)
        assert web.put(part["url"], content=piece, timeout=60).headers["etag"]
    listed = signed(server, project_id, method="GET", key=key, uploadId=upload_id)
    parts = ET.fromstring(web.get(listed["url"]).raise_for_status().content)  # noqa: S314 - our own server's
    assert [each.text for each in parts.iter(f"{S3}PartNumber")] == ["1", "2"]
    complete = signed(server, project_id, method="POST", key=key, uploadId=upload_id)
    assert text(web.post(complete["url"], content=b"<CompleteMultipartUpload/>", timeout=60), "Key") == key
    assert text(web.post(complete["url"], timeout=60), "Key") == key  # its answer was lost
    whole(server, bucket, key, CONTENT)


def test_parts_by_companion(server: Ingest, bucket: Bucket) -> None:
    wanted = {"filename": "a.png", "type": "image/png", "metadata": {"projectId": project()}}
    begun = companion(server, "POST", "/multipart", wanted).raise_for_status().json()
    key, path = begun["key"], f"/multipart/{begun['uploadId']}"
    first = companion(server, "GET", f"{path}/1", None, key=key).json()
    assert first["expires"] > 0
    batch = companion(server, "GET", f"{path}/batch", None, key=key, partNumbers="1,2").json()["presignedUrls"]
    web.put(first["url"], content=CONTENT[: 5 * MIB], timeout=60).raise_for_status()
    web.put(batch["2"], content=CONTENT[5 * MIB :], timeout=60).raise_for_status()
    parts = companion(server, "GET", path, None, key=key).json()
    assert [(each["PartNumber"], each["Size"]) for each in parts] == [(1, 5 * MIB), (2, MIB)]
    done = companion(server, "POST", f"{path}/complete", {"parts": parts}, key=key).raise_for_status().json()
    assert (done["key"], done["bucket"]) == (key, "media")
    whole(server, bucket, key, CONTENT)
    assert record(server, begun["mediaId"])["checksum"] == f"crc64nvme:{crc64(CONTENT)}"


def test_an_upload_that_is_aborted_is_gone(server: Ingest) -> None:
    wanted = {"filename": "a.png", "type": "image/png", "metadata": {"projectId": project()}}
    begun = companion(server, "POST", "/multipart", wanted).json()
    path = f"/multipart/{begun['uploadId']}"
    assert companion(server, "DELETE", path, None, key=begun["key"]).json() == {}
    assert companion(server, "GET", f"{path}/1", None, key=begun["key"]).status_code == 410
    assert record(server, begun["mediaId"])["status"] == "deleted"


def test_what_is_not_the_image_it_was_said_to_be_is_refused(server: Ingest) -> None:
    form = signed(server, project(), method="PUT", key="a.png", contentType="image/png")
    posted(form, b"%PDF-1.7" + bytes(1000)).raise_for_status()
    answer = companion(server, "POST", "/complete", {"key": form["key"]})
    assert (answer.status_code, answer.json()["code"]) == (415, "format_unsupported")
    found = record(server, form["mediaId"])
    assert (found["status"], found["reason"]) == ("failed", "upload_format_unsupported")


def test_the_form_is_for_one_key_one_type_and_a_bounded_size(server: Ingest) -> None:
    form = signed(server, project(), method="PUT", key="a.png", contentType="image/png")
    for field, value in (("key", "projects/other/a.png"), ("content-type", "text/html")):
        name = next(each for each in form["fields"] if each.lower() == field)
        assert posted({**form, "fields": {**form["fields"], name: value}}, CONTENT).status_code == 403
    assert posted(form, b"").status_code in {400, 403}


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", ""])
def test_a_type_that_is_not_accepted_is_never_signed(server: Ingest, kind: str) -> None:
    answer = sign(server, project(), method="PUT", key="a.html", contentType=kind)
    assert (answer.status_code, answer.json()["code"]) == (415, "type_not_accepted")


def test_a_foreign_key_or_upload_is_never_signed(server: Ingest, bucket: Bucket) -> None:
    wanted = {"filename": "a.png", "type": "image/png", "metadata": {"projectId": project()}}
    one, two = (companion(server, "POST", "/multipart", wanted).json() for _ in range(2))
    bucket.put("import/foreign.png", PNG)
    strays = (
        (one["key"], two["uploadId"]),
        (f"{one['key']}x", one["uploadId"]),
        ("import/foreign.png", one["uploadId"]),
        (one["key"].replace("projects/", "renditions/"), one["uploadId"]),
    )
    for key, upload_id in strays:
        answer = sign(server, project(), method="PUT", key=key, uploadId=upload_id, partNumber=1)
        assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found")
        assert companion(server, "POST", f"/multipart/{upload_id}/complete", {}, key=key).status_code == 404


def text(answer: httpx.Response, name: str) -> str:
    found = ET.fromstring(answer.raise_for_status().content).findtext(f"{S3}{name}")  # noqa: S314 - our own server's
    assert found is not None
    return found


def test_a_form_for_these_bytes_alone(server: Ingest, bucket: Bucket) -> None:
    sha256 = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    headers = {"X-Project-Id": project(), "x-amz-checksum-sha256": sha256}
    wanted = {"method": "PUT", "key": "a.png", "contentType": "image/png"}
    form = web.post(f"{server.url}/s3/sign", json=wanted, headers=headers, timeout=30).raise_for_status().json()
    key = form["fields"]["key"]
    assert posted(form, CONTENT[:-1] + b"x").status_code == 400
    without = {name: value for name, value in form["fields"].items() if not name.startswith("x-amz-checksum")}
    assert posted(form | {"fields": without}, CONTENT).status_code == 403
    assert bucket.keys(key) == []
    assert posted(form, CONTENT).status_code == 201
    assert companion(server, "POST", "/complete", {"key": key}).status_code == 201
    whole(server, bucket, key, CONTENT)
    assert record(server, form["mediaId"])["digests"] == {"sha256": sha256}


@pytest.mark.parametrize(
    ("digests", "code"),
    [
        ({"sha256": "short"}, "digest_invalid"),
        ({"crc32": "AAAAAA==", "sha1": base64.b64encode(bytes(20)).decode()}, "digests_exceeded"),
    ],
)
def test_a_form_is_for_one_digest_that_can_be_read(server: Ingest, digests: dict[str, str], code: str) -> None:
    headers = {"X-Project-Id": project()} | {f"x-amz-checksum-{name}": value for name, value in digests.items()}
    answer = web.get(f"{server.url}/s3/params?filename=a.png&type=image/png", headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


RIGHT = {
    "crc64nvme": crc64(CONTENT),
    "sha256": base64.b64encode(hashlib.sha256(CONTENT).digest()).decode(),
    "crc32": base64.b64encode(zlib.crc32(CONTENT).to_bytes(4, "big")).decode(),
}


def checksums(*names: str, wrong: str = "") -> dict[str, str]:
    """The headers; one of them is of other bytes."""
    said = {name: RIGHT[name] for name in names}
    if wrong:
        said[wrong] = base64.b64encode(bytes(len(base64.b64decode(RIGHT[wrong])))).decode()
    return {f"x-amz-checksum-{name}": value for name, value in said.items()}


def in_parts(server: Ingest, **headers: str) -> tuple[str, str, str]:
    """The key, path and media of an upload whose parts are all in S3."""
    wanted = {"filename": "a.png", "type": "image/png", "metadata": {"projectId": project()}}
    begun = saying(server, "/multipart", headers, wanted).raise_for_status().json()
    key, path = begun["key"], f"/multipart/{begun['uploadId']}"
    urls = companion(server, "GET", f"{path}/batch", None, key=key, partNumbers="1,2").json()["presignedUrls"]
    for number, piece in (("1", CONTENT[: 5 * MIB]), ("2", CONTENT[5 * MIB :])):
        httpx.put(urls[number], content=piece, timeout=60).raise_for_status()
    return key, path, begun["mediaId"]


@pytest.mark.parametrize("when", ["begin", "complete"])
def test_parts_are_compared_with_what_s3_has_of_the_whole(server: Ingest, bucket: Bucket, when: str) -> None:
    wrong, right = checksums("crc64nvme", wrong="crc64nvme"), checksums("crc64nvme")
    for said in (right, wrong):
        key, path, media = in_parts(server, **(said if when == "begin" else {}))
        answer = saying(server, f"{path}/complete", said if when == "complete" else {}, key=key)
        if said == right:
            assert answer.status_code == 200
            whole(server, bucket, key, CONTENT)
            assert record(server, media)["digests"] == {"crc64nvme": RIGHT["crc64nvme"]}
        else:
            assert (answer.status_code, answer.json()["code"]) == (400, "digest_mismatch")
            found = record(server, media)
            assert (found["status"], found["reason"]) == ("failed", "upload_digest_mismatch")


def test_what_is_said_at_the_end_is_what_was_said_at_the_start(server: Ingest) -> None:
    """Of two that differ one is wrong: nothing is given up, and the client may complete it with the right one."""
    key, path, _ = in_parts(server, **checksums("sha256"))
    other = saying(server, f"{path}/complete", checksums("sha256", wrong="sha256"), key=key)
    assert (other.status_code, other.json()["code"]) == (400, "digest_conflict")
    assert saying(server, f"{path}/complete", checksums("sha256", "crc64nvme"), key=key).status_code == 200


def test_sign_request_hands_the_checksums_on(server: Ingest) -> None:
    """Uppy sends what it is told to: the application's `signRequest` need only say them once."""
    key, path, _ = in_parts(server)
    wanted = {"method": "POST", "key": key, "uploadId": path.rpartition("/")[2]}
    said = checksums("crc64nvme", wrong="crc64nvme")
    home = httpx.post(f"{server.url}/s3/sign", json=wanted, headers=said, timeout=30).raise_for_status().json()
    answer = httpx.post(home["url"], headers=home["headers"], timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (400, "digest_mismatch")

"""tus 1.0.0 as its clients speak it: interrupted, gone on with, and ending in the same rows as the form."""

import base64
import hashlib
import signal
import socket
import zlib
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pipeline.adapters.sqlite import SqliteRecords
from pipeline.protocol import task_key
from tests.frontdoor import Bucket, asking, record
from tests.multipart import PNG
from tests.serving import Ingest, ingest, wait_for
from tests.stack import quick
from tests.web import web

TYPE = "application/offset+octet-stream"
MIB = 1024 * 1024
CONTENT = PNG + Random(7).randbytes(12 * MIB - len(PNG))  # two parts and a bit


def project() -> str:
    return f"tus-{uuid4().hex}"


def metadata(**pairs: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in pairs.items())


def tus(server: Ingest, method: str, path: str, content: bytes = b"", **headers: str) -> httpx.Response:
    """One request of the protocol; header names have `_` for `-`, and a value of "" is left out."""
    named = {"Tus-Resumable": "1.0.0"} | {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {name: value for name, value in named.items() if value}
    return web.request(method, server.url + path, content=content, headers=sent, timeout=60)


def create(server: Ingest, length: int | None = len(CONTENT), content: bytes = b"", **headers: str) -> httpx.Response:
    size = {"Upload_Length": str(length)} if length is not None else {"Upload_Defer_Length": "1"}
    usual = {"Upload_Metadata": metadata(projectId=project(), filename="a.png")}
    return tus(server, "POST", "/files/", content, **{**size, **usual, **headers})


def begun(server: Ingest, length: int | None = len(CONTENT), **headers: str) -> str:
    answer = create(server, length, b"", **headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def patch(server: Ingest, path: str, offset: int, content: bytes, **headers: str) -> httpx.Response:
    return tus(server, "PATCH", path, content, Content_Type=TYPE, Upload_Offset=str(offset), **headers)


def offset(server: Ingest, path: str) -> int:
    return int(tus(server, "HEAD", path).raise_for_status().headers["upload-offset"])


def media_id(path: str) -> str:
    return path.rpartition("/")[2]


def whole(server: Ingest, bucket: Bucket, path: str, content: bytes) -> dict[str, Any]:
    """The record of an upload that is complete: its bytes are the content, and nothing else is left of it."""
    found = record(server, media_id(path))
    assert found["status"] == "uploaded"
    assert (found["size"], found["mimeType"], found["fileName"]) == (len(content), "image/png", "a.png")
    assert bucket.digest(found["s3Key"]) == hashlib.sha256(content).hexdigest()
    home = found["s3Key"].rpartition("/")[0]
    assert bucket.keys(home) == [found["s3Key"]]
    assert bucket.open_uploads(home) == []
    assert bucket.head(found["s3Key"])["ContentType"] == "image/png"
    return found


def test_an_upload_in_one_request(server: Ingest, bucket: Bucket) -> None:
    path = begun(server)
    assert record(server, media_id(path))["status"] == "uploading"
    answer = patch(server, path, 0, CONTENT)
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(CONTENT)))
    whole(server, bucket, path, CONTENT)
    assert offset(server, path) == len(CONTENT)


@pytest.mark.parametrize("sizes", [(1,), (5 * MIB,), (100, 5 * MIB - 100, 5 * MIB), (3 * MIB, 7 * MIB), (4 * MIB,)])
def test_an_upload_in_pieces(server: Ingest, bucket: Bucket, sizes: tuple[int, ...]) -> None:
    """Of every kind: less than a part, a part exactly, what fills up a tail to a part, more than one."""
    path, at = begun(server), 0
    for size in (*sizes, *([4 * MIB] * 2 if sizes == (4 * MIB,) else [len(CONTENT)])):
        piece = CONTENT[at : at + size]
        at += len(piece)
        answer = patch(server, path, at - len(piece), piece)
        assert answer.headers.get("upload-offset") == str(at), answer.text
        assert offset(server, path) == at
    whole(server, bucket, path, CONTENT)


def test_a_small_upload_is_one_object_and_no_parts(server: Ingest, bucket: Bucket) -> None:
    content = CONTENT[:1000]
    path = begun(server, len(content))
    assert patch(server, path, 0, content[:10]).status_code == 204
    assert patch(server, path, 10, content[10:]).headers["upload-offset"] == "1000"
    whole(server, bucket, path, content)


def test_a_creation_with_the_bytes(server: Ingest, bucket: Bucket) -> None:
    answer = create(server, len(CONTENT), CONTENT, Content_Type=TYPE)
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, str(len(CONTENT)))
    whole(server, bucket, answer.headers["location"], CONTENT)


def test_a_length_that_is_told_at_the_end(server: Ingest, bucket: Bucket) -> None:
    path = begun(server, None)
    assert tus(server, "HEAD", path).headers["upload-defer-length"] == "1"
    assert patch(server, path, 0, CONTENT[: 6 * MIB]).status_code == 204
    last = patch(server, path, 6 * MIB, CONTENT[6 * MIB :], Upload_Length=str(len(CONTENT)))
    assert last.headers["upload-offset"] == str(len(CONTENT))
    whole(server, bucket, path, CONTENT)


def test_a_length_that_is_told_without_bytes(server: Ingest, bucket: Bucket) -> None:
    path = begun(server, None)
    patch(server, path, 0, CONTENT)
    assert patch(server, path, len(CONTENT), b"", Upload_Length=str(len(CONTENT))).status_code == 204
    whole(server, bucket, path, CONTENT)


def test_what_came_before_the_connection_broke_is_kept(server: Ingest, bucket: Bucket) -> None:
    path = begun(server)
    half = 7 * MIB + 17
    with sending(server, path, len(CONTENT)) as connection:
        connection.sendall(CONTENT[:half])
    wait_for(lambda: left(server, path))  # whoever asks before takes the upload over, with what has come by then
    assert offset(server, path) == half
    assert patch(server, path, half, CONTENT[half:]).status_code == 204
    whole(server, bucket, path, CONTENT)


def test_a_client_that_lost_its_link_goes_on_at_once(server: Ingest, bucket: Bucket) -> None:
    """The server does not know yet that the first connection is dead: it is still open."""
    path = begun(server)
    half = 7 * MIB + 17
    with sending(server, path, len(CONTENT)) as connection:
        connection.sendall(CONTENT[:half])
        wait_for(lambda: bucket.open_uploads(record(server, media_id(path))["s3Key"]))
        at = offset(server, path)
        assert 0 < at <= half
        assert b" 423 " in connection.recv(65536).partition(b"\r\n")[0]
        assert patch(server, path, at, CONTENT[at:]).status_code == 204
    whole(server, bucket, path, CONTENT)


def test_another_process_gives_the_upload_up_at_once(
    ingest_env: dict[str, str], tmp_path: Path, bucket: Bucket
) -> None:
    """Two replicas behind one address: the second request meets the one that does not hold the upload."""
    with ingest(tmp_path, ingest_env) as one, ingest(tmp_path, ingest_env) as two:
        path = begun(one)
        half = 7 * MIB + 17
        with sending(one, path, len(CONTENT)) as connection:
            connection.sendall(CONTENT[:half])
            wait_for(lambda: bucket.open_uploads(record(one, media_id(path))["s3Key"]))
            at = offset(two, path)
            assert at > 0
            assert patch(two, path, at, CONTENT[at:]).status_code == 204
        whole(two, bucket, path, CONTENT)


def test_an_ingest_process_that_was_killed_leaves_what_it_had_said(
    ingest_env: dict[str, str], tmp_path: Path, bucket: Bucket
) -> None:
    quickly = {"PIPELINE": str(quick(tmp_path / "quick"))}
    with ingest(tmp_path, ingest_env | quickly) as one:
        path = begun(one)
        with sending(one, path, len(CONTENT)) as connection:
            connection.sendall(CONTENT[: 11 * MIB])
            noted = SqliteRecords(tmp_path / "records.sqlite")
            wait_for(lambda: (noted.get(task_key(media_id(path), "upload")) or {})["offset"] == 10 * MIB)
            one.stop(signal.SIGKILL)
    with ingest(tmp_path, ingest_env | quickly) as two:
        at = offset(two, path)
        assert at == 10 * MIB
        assert patch(two, path, at, CONTENT[at:]).status_code == 204
        whole(two, bucket, path, CONTENT)


def sending(server: Ingest, path: str, length: int) -> socket.socket:
    """A PATCH of which the head is sent."""
    headers = {"Tus-Resumable": "1.0.0", "Content-Type": TYPE, "Upload-Offset": "0", "Content-Length": str(length)}
    return asking(server, f"PATCH {path}", headers)


def left(server: Ingest, path: str) -> bool:
    """Whether the server has noticed that the client of an upload is gone."""
    lines = server.log.read_text().splitlines()
    return any('"upload_interrupted"' in line and media_id(path) in line for line in lines)


@pytest.mark.parametrize("name", ["sha1", "md5", "sha256", "crc32"])
def test_bytes_with_a_checksum(server: Ingest, bucket: Bucket, name: str) -> None:
    def checksum(content: bytes) -> str:
        crc = zlib.crc32(content).to_bytes(4, "big")
        digest = crc if name == "crc32" else hashlib.new(name, content).digest()
        return f"{name} {base64.b64encode(digest).decode()}"

    path = begun(server)
    first, last = CONTENT[: 6 * MIB], CONTENT[6 * MIB :]
    wrong = patch(server, path, 0, first, Upload_Checksum=checksum(last))
    assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum_mismatch")
    assert offset(server, path) == 0
    assert patch(server, path, 0, first, Upload_Checksum=checksum(first)).status_code == 204
    assert patch(server, path, len(first), last, Upload_Checksum=checksum(first)).status_code == 460
    assert offset(server, path) == len(first)
    assert patch(server, path, len(first), last, Upload_Checksum=checksum(last)).status_code == 204
    assert "digests" not in whole(server, bucket, path, CONTENT)  # neither is of the file
    alone = begun(server)
    assert patch(server, alone, 0, CONTENT, Upload_Checksum=checksum(CONTENT)).status_code == 204
    assert whole(server, bucket, alone, CONTENT)["digests"] == {name: checksum(CONTENT).partition(" ")[2]}


def test_a_file_that_is_not_taken_is_refused_by_its_first_bytes(server: Ingest, bucket: Bucket) -> None:
    path = begun(server)
    answer = patch(server, path, 0, b"%PDF-1.7" + bytes(8 * MIB))
    assert (answer.status_code, answer.json()["code"]) == (415, "format_unsupported")
    assert tus(server, "HEAD", path).status_code == 410
    found = record(server, media_id(path))
    assert (found["status"], found["reason"]) == ("failed", "upload_format_unsupported")
    assert bucket.keys(found["s3Key"].rpartition("/")[0]) == []


def test_termination(server: Ingest, bucket: Bucket) -> None:
    path = begun(server)
    patch(server, path, 0, CONTENT[: 7 * MIB])
    key = record(server, media_id(path))["s3Key"]
    assert tus(server, "DELETE", path).status_code == 204
    assert tus(server, "HEAD", path).status_code == 410
    assert patch(server, path, 7 * MIB, CONTENT[7 * MIB :]).status_code == 410
    assert record(server, media_id(path))["status"] == "deleted"
    assert bucket.keys(key) == []  # its purge, a task, does the rest


@pytest.mark.parametrize(
    "sizes", [(6 * MIB, 6 * MIB), (7 * MIB, MIB, 4 * MIB), (MIB, 6 * MIB, 5 * MIB), (100, 200, 300), (3 * MIB,) * 4]
)
def test_an_upload_of_several_that_came_at_the_same_time(
    server: Ingest, bucket: Bucket, sizes: tuple[int, ...]
) -> None:
    """Pieces that S3 can copy, that are too small for it, and both in any order."""
    content, paths, at = CONTENT[: sum(sizes)], [], 0
    for size in sizes:
        paths.append(begun(server, size, Upload_Concat="partial", Upload_Metadata=""))
        assert patch(server, paths[-1], 0, content[at : at + size]).headers["upload-offset"] == str(size)
        assert tus(server, "HEAD", paths[-1]).headers["upload-concat"] == "partial"
        at += size
    concat = f"final;{' '.join([server.url + paths[0], *paths[1:]])}"
    final = create(server, Upload_Length="", Upload_Concat=concat)
    assert final.status_code == 201, final.text
    path = final.headers["location"]
    found = whole(server, bucket, path, content)
    assert found["checksum"].startswith("crc64nvme:")
    head = tus(server, "HEAD", path)
    assert (head.headers["upload-concat"], head.headers["upload-offset"]) == (concat, str(len(content)))
    assert patch(server, path, 0, b"more").status_code == 403
    assert {tus(server, "HEAD", each).status_code for each in paths} == {410}


def test_a_final_upload_of_what_is_not_complete(server: Ingest) -> None:
    partial, usual = begun(server, 10, Upload_Concat="partial"), begun(server, 10)
    patch(server, partial, 0, CONTENT[:5])
    patch(server, usual, 0, CONTENT[:10])
    for paths in (partial, usual, "/files/other", "", f"{partial} {partial}"):
        answer = create(server, Upload_Length="", Upload_Concat=f"final;{paths}")
        assert (answer.status_code, answer.json()["code"]) == (400, "upload_concat_invalid")

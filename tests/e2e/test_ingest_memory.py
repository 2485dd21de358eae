"""How much memory uploads take, whatever their size and number and however slow S3 is. Linux tells a process's peak."""

import base64
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from benchmarks.rig import slow
from tests.backends import Backend
from tests.frontdoor import Bucket, post, record
from tests.multipart import CONTENT_TYPE, PNG, field, file, form
from tests.proxy import Proxy
from tests.serving import Ingest, ingest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

MB = 1_000_000
MOST = 200 * MB
CROWDED = 270 * MB
"""The process itself, and all that `[ingest] memory` allows."""


class Stream:
    """An upload form of so many bytes, made while it is sent."""

    def __init__(self, project: str, size: int) -> None:
        self._head, self._tail = form([field("projectId", project), file(b"@@")]).split(b"@@")
        self._size = size
        self.length = len(self._head) + size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        block = bytes(256 * 1024)
        yield self._head + PNG
        left = self._size - len(PNG)
        while left:
            yield block[: min(left, len(block))]
            left -= min(left, len(block))
        yield self._tail


def send(server: Ingest, project: str, size: int) -> httpx.Response:
    stream = Stream(project, size)
    return post(server, stream, content_length=str(stream.length))


def test_a_large_upload_takes_little_memory(server: Ingest, bucket: Bucket) -> None:
    said = send(server, "large", 400 * MB)
    assert said.status_code == 201
    assert record(server, said.json()["mediaId"])["size"] == 400 * MB
    assert bucket.head(said.json()["s3Key"])["ContentLength"] == 400 * MB
    assert server.peak() < MOST


@pytest.mark.parametrize(
    ("clients", "size", "rate", "most"),
    [(200, 100_000, 1000 * MB, MOST), (200, 900_000, 40 * MB, CROWDED), (32, 6 * MB, 40 * MB, CROWDED)],
)
def test_clients_on_thin_lines_all_finish_though_there_is_not_room_for_all(
    ingest_env: dict[str, str], s3: Backend, tmp_path: Path, clients: int, size: int, rate: int, most: int
) -> None:
    """Each sends for two seconds, as phones do for minutes; `rate` is that of S3. Who finds no room waits, unread."""
    body = form([field("projectId", "thin"), file(PNG + bytes(size))])
    head = (
        f"POST /api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}"
    )
    with (
        Proxy(int(s3.url.rpartition(":")[2]), rate=rate) as storage,
        ingest(tmp_path, {**ingest_env, "AWS_ENDPOINT_URL_S3": storage.url}) as running,
    ):
        crowd = slow.Crowd(clients, size // 2)
        assert slow.send(running.port, crowd, head.encode() + b"\r\n\r\n" + body) == clients
        assert running.peak() < most, running.peak()


@pytest.mark.parametrize(("uploads", "most"), [(1, MOST), (8, MOST), (25, CROWDED)])
def test_a_slow_storage_fills_no_memory(
    ingest_env: dict[str, str], s3: Backend, tmp_path: Path, uploads: int, most: int
) -> None:
    sizes = 400 * MB // uploads
    with (
        Proxy(int(s3.url.rpartition(":")[2]), rate=20 * MB) as storage,
        ingest(tmp_path, {**ingest_env, "AWS_ENDPOINT_URL_S3": storage.url}) as running,
    ):
        answers: list[httpx.Response] = []
        threads = [
            threading.Thread(target=lambda: answers.append(send(running, "slow", sizes))) for _ in range(uploads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {said.status_code for said in answers} <= {201, 202, 503}
        assert sum(said.status_code < 300 for said in answers) >= 20 * uploads // 25
        assert all("retry-after" in said.headers for said in answers if said.status_code == 503)
        assert running.peak() < most


def send_by_tus(server: Ingest, project: str, size: int) -> int:
    """Create an upload and bring all of it in one request; its status."""
    names = {"projectId": project, "filename": "a.png"}
    metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in names.items())
    speaks = {"Tus-Resumable": "1.0.0"}
    creation = {**speaks, "Upload-Length": str(size), "Upload-Metadata": metadata}
    path = httpx.post(server.url + "/files/", headers=creation).raise_for_status().headers["location"]
    block = bytes(256 * 1024)
    content = (PNG.ljust(len(block), b"\0") if at == 0 else block[: size - at] for at in range(0, size, len(block)))
    told = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0", "Content-Length": str(size)}
    return httpx.patch(server.url + path, content=content, headers={**speaks, **told}, timeout=60).status_code


def test_a_slow_storage_fills_no_memory_by_tus(ingest_env: dict[str, str], s3: Backend, tmp_path: Path) -> None:
    """With pieces as large as those of a form, and no more of them at once."""
    with (
        Proxy(int(s3.url.rpartition(":")[2]), rate=40 * MB) as storage,
        ingest(tmp_path, {**ingest_env, "AWS_ENDPOINT_URL_S3": storage.url}) as running,
        ThreadPoolExecutor(8) as clients,
    ):
        answers = list(clients.map(lambda number: send_by_tus(running, f"tus-{number}", 20 * MB), range(8)))
        assert answers == [204] * 8
        assert running.peak() < MOST, running.peak()

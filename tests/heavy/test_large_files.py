"""Files of many GB, through each door that bytes come in by: `make heavy`; HEAVY_GB says how many."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.adapters.checksums import crc64, crc64_of_parts
from pipeline.ports import Part
from tests.backends import BUCKET
from tests.frontdoor import Bucket, post, record
from tests.multipart import PNG, field, file, form
from tests.serving import ROOT, Ingest, ingest, wait_for

BLOCK = bytes(1024 * 1024)
SIZE = round(float(os.environ.get("HEAVY_GB", "6")) * 1e9)
MOST = 200_000_000


@pytest.fixture(scope="module")
def server(ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    """A server whose limit is raised."""
    folder: Path = tmp_path_factory.mktemp("heavy")
    text = (ROOT / "pipeline.toml").read_text()
    (folder / "pipeline.toml").write_text(re.sub(r'(?m)^bytes = ".*?"', 'bytes = "20 GB"', text))
    with ingest(folder, {**ingest_env, "PIPELINE": str(folder / "pipeline.toml")}) as running:
        yield running


def content(start: int = 0, end: int = SIZE) -> Iterator[bytes]:
    """A picture's first bytes, and zeros; of that, what lies between two places."""
    if start < len(PNG):
        yield PNG[start:]
    left = end - max(start, len(PNG))
    while left:
        yield BLOCK[: min(left, len(BLOCK))]
        left -= min(left, len(BLOCK))


def checksum() -> str:
    zeros = SIZE - len(PNG)
    whole, rest = divmod(zeros, len(BLOCK))
    block, last = crc64(BLOCK), BLOCK[:rest]
    parts = [
        Part(0, "", len(PNG), crc64(PNG)),
        *[Part(0, "", len(BLOCK), block)] * whole,
        Part(0, "", rest, crc64(last)),
    ]
    return crc64_of_parts(parts) or ""


def raw(server: Ingest, *, known: bool) -> httpx.Response:
    headers = {"Content-Length": str(SIZE)} if known else {}
    return httpx.put(f"{server.url}/api/upload/heavy/a.png", content=content(), headers=headers, timeout=3600)


def formed(server: Ingest, *, known: bool) -> httpx.Response:
    head, tail = form([field("projectId", "heavy"), file(b"@@")]).split(b"@@")

    def body() -> Iterator[bytes]:
        yield head
        yield from content()
        yield tail

    length = {"content_length": str(len(head) + SIZE + len(tail))} if known else {}
    return post(server, body(), **length)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("door", [raw, formed])
@pytest.mark.parametrize("known", [True, False], ids=["of known length", "in chunks"])
def test_a_file_of_many_gigabytes_arrives_whole_in_little_memory(
    server: Ingest, bucket: Bucket, door: Callable[..., httpx.Response], *, known: bool
) -> None:
    said = door(server, known=known)
    assert said.status_code in {201, 202}
    arrived(server, bucket, said.json()["mediaId"])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("known", [True, False], ids=["of known length", "of deferred length"])
def test_a_file_of_many_gigabytes_arrives_whole_in_two_requests(server: Ingest, bucket: Bucket, *, known: bool) -> None:
    """By tus: the first request ends in the middle of a part."""
    metadata = "projectId aGVhdnk=,filename YS5wbmc="
    length = {"Upload-Length": str(SIZE)}
    begun = tus(
        server, "POST", "/files/", (length if known else {"Upload-Defer-Length": "1"}) | {"Upload-Metadata": metadata}
    )
    path, half = begun.headers["location"], SIZE // 2 + 1
    for start, end, more in ((0, half, {}), (half, SIZE, {} if known else length)):
        sent = {"Upload-Offset": str(start), "Content-Length": str(end - start), **more}
        said = tus(
            server, "PATCH", path, sent | {"Content-Type": "application/offset+octet-stream"}, content(start, end)
        )
        assert said.headers["upload-offset"] == str(end)
    arrived(server, bucket, path.rpartition("/")[2])


def tus(
    server: Ingest, method: str, path: str, headers: dict[str, str], body: Iterator[bytes] | None = None
) -> httpx.Response:
    version = {"Tus-Resumable": "1.0.0"}
    answer = httpx.request(method, server.url + path, headers=version | headers, content=body, timeout=3600)
    return answer.raise_for_status()


def arrived(server: Ingest, bucket: Bucket, media_id: str) -> None:
    """The object is whole, ingest stayed small; and room is made for the next one."""
    wait_for(lambda: record(server, media_id)["status"] == "uploaded", 600)
    found = record(server, media_id)
    stored = bucket.head(found["s3Key"])
    assert stored["ContentLength"] == found["size"] == SIZE
    assert stored["ChecksumCRC64NVME"] == checksum()
    assert found["checksum"] == f"crc64nvme:{checksum()}"
    assert server.peak() < MOST
    bucket.client.delete_object(Bucket=BUCKET, Key=found["s3Key"])

"""Files of many GB, through each door that takes a file at once: `make heavy`; HEAVY_GB says how many."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.adapters.checksums import crc64, crc64_of_parts
from pipeline.ports import Part
from tests.frontdoor import Bucket, post, record
from tests.multipart import PNG, field, file, form
from tests.serving import ROOT, Ingest, ingest

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


def content() -> Iterator[bytes]:
    """A picture's first bytes, and zeros."""
    yield PNG
    left = SIZE - len(PNG)
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
    key = said.json()["s3Key"]
    found = bucket.head(key)
    assert found["ContentLength"] == SIZE
    assert found["ChecksumCRC64NVME"] == checksum()
    assert record(server, said.json()["mediaId"])["checksum"] == f"crc64nvme:{checksum()}"
    assert server.peak() < MOST
    bucket.client.delete_object(Bucket="media", Key=key)

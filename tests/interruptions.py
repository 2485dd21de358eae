"""A file that takes a while to send, a wire to cut under whoever sends it, and what has to be there in the end."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from threading import Event
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.backends import Backend
from tests.frontdoor import Bucket, records
from tests.multipart import PNG
from tests.proxy import Proxy
from tests.serving import Ingest, ingest, wait_for

MIB = 1024 * 1024
CONTENT = PNG + Random(9).randbytes(12 * MIB + 777 - len(PNG))
RATE = 10 * MIB
"""Bytes a second: slow enough to be interrupted on the way."""
PATIENCE = 240.0
"""Seconds for a client, on a machine that is busy."""


@pytest.fixture(scope="module")
def s3_wire(s3: Backend) -> Iterator[Proxy]:
    """The way to S3 of clients that go there themselves."""
    with Proxy(urlsplit(s3.url).port or 80, RATE, narrow=True) as wire:
        yield wire


@pytest.fixture(scope="module")
def wired(ingest_env: dict[str, str], s3_wire: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    """A server that sends those clients that way."""
    with ingest(tmp_path_factory.mktemp("wired"), ingest_env | {"S3_PUBLIC_ENDPOINT": s3_wire.url}) as running:
        yield running


@pytest.fixture
def wire(wired: Ingest) -> Iterator[Proxy]:
    """The way to that server."""
    with Proxy(wired.port, RATE, narrow=True) as wire:
        yield wire


def project() -> str:
    return f"client-{uuid4().hex}"


@contextmanager
def cut(wire: Proxy, after: int = MIB) -> Iterator[None]:
    """Every connection ends once, when so many bytes more have passed."""
    before, ends, over = wire.passed, list[int](), Event()

    def strike() -> None:
        wait_for(lambda: over.is_set() or wire.passed > before + after, PATIENCE)
        ends.append(wire.cut())

    with ThreadPoolExecutor(1) as threads:
        struck = threads.submit(strike)
        try:
            yield
        finally:
            over.set()
        struck.result()
    assert ends[0] > 0


def arrived(server: Ingest, bucket: Bucket, project_id: str, name: str = "a.png", *, broken: int = 0) -> dict[str, Any]:
    """The project's one media that is not failed: uploaded whole, and nothing beside it.

    A client that began anew instead of going on would have made another.

    `broken` is how many uploads were begun for it that could not be gone on with.
    """
    expected = ["failed"] * broken + ["uploaded"]
    wait_for(lambda: sorted(each["status"] for each in records(server, project_id)) == expected)
    found = next(each for each in records(server, project_id) if each["status"] == "uploaded")
    assert (found["size"], found["mimeType"], found["originalName"]) == (len(CONTENT), "image/png", name)
    assert bucket.digest(found["s3Key"]) == hashlib.sha256(CONTENT).hexdigest()
    assert bucket.keys(f"projects/{project_id}/") == [found["s3Key"]]
    assert bucket.open_uploads(f"projects/{project_id}/") == []
    return found

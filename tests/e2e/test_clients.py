"""Clients as people use them, each interrupted in the middle, against a running server and a real S3."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import httpx
import pytest

from ops import downloads, node, processes, servers
from pipeline.adapters.bucket import setup_bucket
from tests.backends import BUCKET, Backend, unavailable
from tests.frontdoor import Bucket, records
from tests.multipart import PNG
from tests.proxy import Proxy
from tests.serving import Ingest, ingest, wait_for

CLIENTS = Path(__file__).parents[1] / "clients"
MIB = 1024 * 1024
CONTENT = PNG + Random(9).randbytes(12 * MIB + 777 - len(PNG))
PATIENCE = 120.0
RATE = 10 * MIB
"""Bytes a second: slow enough to be interrupted on the way."""
ONCE = 1.4 * len(CONTENT)
"""More than this went over the wire if anything but the piece under way was sent twice."""


@pytest.fixture(scope="module")
def client() -> str:
    """Node, with the clients installed."""
    try:
        return node.install(CLIENTS).node
    except processes.CommandFailedError as error:
        unavailable(str(error))


@pytest.fixture(scope="module")
def s3_wire(s3: Backend) -> Iterator[Proxy]:
    """The way to S3 of clients that go there themselves."""
    with Proxy(urlsplit(s3.url).port or 80, RATE) as wire:
        yield wire


@pytest.fixture(scope="module")
def server(ingest_env: dict[str, str], s3_wire: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    public = {"S3_PUBLIC_ENDPOINT": s3_wire.url}
    with ingest(tmp_path_factory.mktemp("clients"), ingest_env | public) as running:
        yield running


@pytest.fixture
def wire(server: Ingest) -> Iterator[Proxy]:
    """The way to the server."""
    with Proxy(server.port, RATE) as wire:
        yield wire


@pytest.fixture(scope="module")
def _pages(bucket: Bucket, server: Ingest) -> None:
    """The bucket lets pages of the server use it, as `make run` sets it up."""
    setup_bucket(bucket.client, BUCKET, [server.url], originals=True)


@contextmanager
def cut(wire: Proxy, after: int) -> Iterator[int]:
    """Every connection ends once, when so many bytes more have passed; gives how many had."""
    before, ends = wire.passed, list[int]()

    def strike() -> None:
        wait_for(lambda: wire.passed > before + after, PATIENCE)
        ends.append(wire.cut())

    with ThreadPoolExecutor(1) as threads:
        struck = threads.submit(strike)
        yield before
        struck.result()
    assert ends[0] > 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(CONTENT)
    return path


def run(*command: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """What the client printed last."""
    done = subprocess.run(command, cwd=CLIENTS, capture_output=True, text=True, timeout=PATIENCE, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def project() -> str:
    return f"client-{uuid4().hex}"


def arrived(server: Ingest, bucket: Bucket, project_id: str) -> dict[str, Any]:
    """The project's one media: uploaded whole, and nothing beside it."""
    wait_for(lambda: [each["status"] for each in records(server, project_id)] == ["uploaded"])
    (found,) = records(server, project_id)
    assert (found["size"], found["mimeType"], found["originalName"]) == (len(CONTENT), "image/png", "a.png")
    assert bucket.digest(found["s3Key"]) == hashlib.sha256(CONTENT).hexdigest()
    assert bucket.keys(f"projects/{project_id}/") == [found["s3Key"]]
    assert bucket.open_uploads(f"projects/{project_id}/") == []
    return found


@pytest.mark.parametrize("mode", ["plain", "parallel", "deferred"])
def test_tus_js_client(client: str, server: Ingest, wire: Proxy, bucket: Bucket, file: Path, mode: str) -> None:
    """Its wire is cut, which it goes on after by itself; then the application stops it, and begins anew."""
    project_id = project()
    with cut(wire, 2 * MIB):
        said = run(client, "tus.mjs", mode, f"{wire.url}/files/", project_id, str(file))
    assert said["url"].endswith(arrived(server, bucket, project_id)["id"])
    assert any(said["before"]), "it went on after the cut"
    assert any(said["after"]), "it went on after the stop"
    assert wire.passed < ONCE, said


def test_tuspy(server: Ingest, wire: Proxy, bucket: Bucket, file: Path, tmp_path: Path) -> None:
    try:
        home = downloads.once("tuspy", lambda folder: downloads.install("requirements-tuspy.lock", folder))
    except processes.CommandFailedError as error:
        unavailable(str(error))
    project_id = project()
    command = (sys.executable, "tuspy_client.py", f"{wire.url}/files/", project_id, str(file), str(tmp_path / "urls"))
    with cut(wire, 5 * MIB):  # in its second piece, which carries a checksum and so counts as a whole or not at all
        said = run(*command, env={**servers.plain_environment(), "PYTHONPATH": str(home)})
    assert said["offsets"] == [0, 8 * MIB]
    assert said["url"].endswith(arrived(server, bucket, project_id)["id"])
    assert wire.passed < ONCE, said


@pytest.mark.usefixtures("_pages")
@pytest.mark.parametrize("mode", ["tus", "sign form", "sign parts", "companion form", "companion parts"])
def test_uppy(client: str, server: Ingest, wire: Proxy, s3_wire: Proxy, bucket: Bucket, file: Path, mode: str) -> None:
    """The wire is cut, and the user pauses it; a form is one request, and begins anew."""
    project_id = project()
    used = wire if mode == "tus" else s3_wire
    with cut(used, 2 * MIB) as before:
        said = run(client, "uppy.mjs", mode, wire.url if mode == "tus" else server.url, project_id, str(file))
    assert used.passed - before < ONCE
    if mode.endswith("form"):
        (media,) = records(server, project_id)
        httpx.post(f"{server.url}/s3/complete", json={"key": media["s3Key"]}, timeout=30).raise_for_status()
    found = arrived(server, bucket, project_id)
    assert unquote(urlsplit(said["uploadURL"]).path).endswith(found["id"] if mode == "tus" else found["s3Key"])
    assert said["pauses"] == (0 if mode.endswith("form") else 1)


def test_curl_goes_on_where_it_stopped(server: Ingest, bucket: Bucket) -> None:
    """Tus by hand: a PATCH that is cut by --max-time, and another from the offset that HEAD tells."""
    project_id = project()
    curl = ("curl", "--silent", "--show-error", "-H", "Tus-Resumable: 1.0.0")
    said = ("-H", f"Upload-Length: {len(CONTENT)}", "-H", f"X-Project-Id: {project_id}")
    name = ("-H", "Upload-Metadata: filename YS5wbmc=")
    created = _ran(*curl, "-i", "-X", "POST", *said, *name, f"{server.url}/files/")
    location = next(line for line in created.decode().splitlines() if line.lower().startswith("location: "))
    url = server.url + location.partition(": ")[2].strip()
    patch = (*curl, "-X", "PATCH", "-H", "Content-Type: application/offset+octet-stream", "--data-binary", "@-")
    _ran(*patch, "--limit-rate", "4M", "--max-time", "1.5", "-H", "Upload-Offset: 0", url, content=CONTENT, well=False)
    at = int(httpx.head(url, headers={"Tus-Resumable": "1.0.0"}, timeout=30).headers["upload-offset"])
    assert 0 < at < len(CONTENT)
    _ran(*patch, "--fail", "-H", f"Upload-Offset: {at}", url, content=CONTENT[at:])
    arrived(server, bucket, project_id)


def test_curl_straight_to_s3(server: Ingest, bucket: Bucket, file: Path) -> None:
    project_id = project()
    wanted = {"method": "PUT", "key": "a.png", "contentType": "image/png", "projectId": project_id}
    form = httpx.post(f"{server.url}/s3/sign", json=wanted, timeout=30).raise_for_status().json()
    fields = [word for name, value in form["fields"].items() for word in ("--form-string", f"{name}={value}")]
    _ran("curl", "--silent", "--show-error", "--fail", *fields, "-F", f"file=@{file}", form["url"])
    httpx.post(f"{server.url}/s3/complete", json={"key": form["key"]}, timeout=30).raise_for_status()
    arrived(server, bucket, project_id)


def _ran(*command: str, content: bytes = b"", well: bool = True) -> bytes:
    done = subprocess.run(command, input=content, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode == 0) == well, done.stderr
    return done.stdout

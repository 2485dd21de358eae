"""The examples, run as their readers would run them, before a server of ours."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from ops import node, ports, processes, servers
from tests.backends import unavailable
from tests.fetching import fetched
from tests.frontdoor import Bucket, records, settles
from tests.interruptions import CONTENT, RATE, arrived, cut, project
from tests.multipart import CONTENT_TYPE, PNG, file, form
from tests.proxy import Proxy
from tests.serving import Ingest, ingest, wait_for
from tests.started import started
from tests.web import web

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CLIENTS = ROOT / "tests" / "clients"


@pytest.fixture(scope="module")
def server(ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    with ingest(tmp_path_factory.mktemp("examples"), ingest_env) as running:
        yield running


@contextmanager
def running(command: Sequence[str], folder: Path, port: int, log: Path, **env: str) -> Iterator[str]:
    """An application of the example, once it answers."""
    whole = {**servers.plain_environment(), **env, "PORT": str(port)}
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return bool(web.get(url, timeout=5).status_code)
        except httpx.TransportError:
            return False

    with (
        log.open("wb") as output,
        started(command, cwd=folder, env=whole, stdout=output, stderr=output) as process,
    ):
        wait_for(answers, 60)
        yield url


def adds_a_photo(server: Ingest, url: str) -> None:
    album = f"album-{uuid4().hex}"
    answer = web.post(f"{url}/albums/{album}/photos", files={"file": ("a.png", PNG * 1000)}, timeout=30)
    assert answer.status_code == 201, answer.text
    (media,) = records(server, album)
    assert answer.json()["mediaId"] == media["id"]
    assert media["size"] == 1000 * len(PNG)
    photo = web.get(f"{url}/photos/{media['id']}", timeout=30).json()
    assert (photo["id"], photo["status"]) == (media["id"], "uploaded")
    refused = web.post(f"{url}/albums/{album}/photos", files={"file": ("a.png", b"%PDF-1.7")}, timeout=30)
    assert (refused.status_code, refused.json()["code"]) == (415, "format_unsupported")


class LineBrokenError(Exception):
    """The sender's network is gone."""


def takes_it_once_however_often_it_is_sent(server: Ingest, url: str) -> None:
    """A client that goes away in the middle leaves no file; with its Idempotency-Key it may ask again and again."""
    album, body = f"album-{uuid4().hex}", form([file(CONTENT)])
    headers = {"Content-Type": CONTENT_TYPE, "Content-Length": str(len(body)), "Idempotency-Key": uuid4().hex}

    def half() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        raise LineBrokenError

    with pytest.raises(LineBrokenError):
        web.post(f"{url}/albums/{album}/photos", content=half(), headers=headers, timeout=30)
    settles(server, album, "upload_client_gone")
    said = [web.post(f"{url}/albums/{album}/photos", content=body, headers=headers, timeout=30) for _ in range(2)]
    assert [each.status_code for each in said] == [201, 201]
    assert said[0].json() == said[1].json()
    assert sorted(each["status"] for each in records(server, album)) == ["failed", "uploaded"]


def test_express(server: Ingest, tmp_path: Path) -> None:
    folder, port = EXAMPLES / "express", next(ports.free())
    try:
        program = node.install(folder).node
    except processes.CommandFailedError as error:
        unavailable(str(error))
    with running((program, "server.js"), folder, port, tmp_path / "log", DARKROOM_URL=server.url) as url:
        adds_a_photo(server, url)
        takes_it_once_however_often_it_is_sent(server, url)


def test_fastapi(server: Ingest, tmp_path: Path) -> None:
    folder, port = EXAMPLES / "fastapi", next(ports.free())
    try:
        home = fetched("fastapi")
    except processes.CommandFailedError as error:
        unavailable(str(error))
    command = (sys.executable, "-m", "uvicorn", "main:app", "--port", str(port))
    env = {"DARKROOM_URL": server.url, "PYTHONPATH": str(home)}
    with running(command, folder, port, tmp_path / "log", **env) as url:
        adds_a_photo(server, url)
        takes_it_once_however_often_it_is_sent(server, url)


def test_the_browser_page(server: Ingest, bucket: Bucket, tmp_path: Path) -> None:
    """In a browser's world (jsdom); its wire is cut, and it sends the file again."""
    try:
        program = node.install(CLIENTS).node
    except processes.CommandFailedError as error:
        unavailable(str(error))
    project_id, path = project(), tmp_path / "a.png"
    path.write_bytes(CONTENT)
    with Proxy(server.port, RATE, narrow=True) as wire:
        query = f"{wire.url}/?server={wire.url}&project={project_id}"
        command = (program, str(CLIENTS / "page.mjs"), str(EXAMPLES / "browser" / "index.html"), query, str(path))
        with cut(wire):
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == '{"says":"uploaded"}'
    arrived(server, bucket, project_id, broken=1)

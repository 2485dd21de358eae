"""Clients as people use them, each interrupted in the middle, against a running server and a real S3."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from ops import node, processes, servers
from pipeline.adapters.bucket import setup_bucket
from tests.backends import BUCKET, unavailable
from tests.fetching import fetched
from tests.frontdoor import Bucket, records
from tests.interruptions import CONTENT, MIB, PATIENCE, arrived, cut, project
from tests.proxy import Proxy
from tests.serving import Ingest
from tests.web import web

CLIENTS = Path(__file__).parents[1] / "clients"


@pytest.fixture(scope="module")
def client() -> str:
    """Node, with the clients installed."""
    try:
        return node.install(CLIENTS).node
    except processes.CommandFailedError as error:
        unavailable(str(error))


@pytest.fixture(scope="module")
def _pages(bucket: Bucket, wired: Ingest) -> None:
    """The bucket lets pages of the server use it, as `make run` sets it up."""
    setup_bucket(bucket.client, BUCKET, [wired.url], originals=True)


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


@pytest.mark.parametrize("mode", ["plain", "parallel", "deferred"])
def test_tus_js_client(client: str, wired: Ingest, wire: Proxy, bucket: Bucket, file: Path, mode: str) -> None:
    """Its wire is cut, which it goes on after by itself; then the application stops it, and begins anew."""
    project_id = project()
    with cut(wire, MIB):
        said = run(client, "tus.mjs", mode, f"{wire.url}/files/", project_id, str(file))
    assert said["url"].endswith(arrived(wired, bucket, project_id)["id"])
    piece = {"plain": 4 * MIB, "parallel": len(CONTENT), "deferred": 6 * MIB}[mode]
    assert any(offset % piece for offset in said["before"]), "it went on after the cut, in the middle of a piece"
    assert any(said["after"]), "it went on after the stop"


def test_tuspy(wired: Ingest, wire: Proxy, bucket: Bucket, file: Path, tmp_path: Path) -> None:
    try:
        home = fetched("tuspy")
    except processes.CommandFailedError as error:
        unavailable(str(error))
    project_id = project()
    command = (sys.executable, "tuspy_client.py", f"{wire.url}/files/", project_id, str(file), str(tmp_path / "urls"))
    with cut(wire, 5 * MIB):  # in its second piece, which carries a checksum and so counts as a whole or not at all
        said = run(*command, env={**servers.plain_environment(), "PYTHONPATH": str(home)})
    assert said["offsets"] == [0, 8 * MIB]
    assert said["url"].endswith(arrived(wired, bucket, project_id)["id"])


@pytest.mark.usefixtures("_pages")
@pytest.mark.parametrize("mode", ["tus", "sign form", "sign parts", "companion form", "companion parts"])
def test_uppy(client: str, wired: Ingest, wire: Proxy, s3_wire: Proxy, bucket: Bucket, file: Path, mode: str) -> None:
    """The wire is cut, and the user pauses it; a form is one request, and begins anew."""
    project_id = project()
    used = wire if mode == "tus" else s3_wire
    with cut(used, MIB):
        url = wire.url if mode == "tus" else wired.url
        env = {**servers.plain_environment(), "ORIGIN": url}
        said = run(client, "uppy.mjs", mode, url, project_id, str(file), env=env)
    if mode.endswith("form"):
        (media,) = records(wired, project_id)
        web.post(f"{wired.url}/s3/complete", json={"key": media["s3Key"]}, timeout=30).raise_for_status()
    found = arrived(wired, bucket, project_id)
    assert unquote(urlsplit(said["uploadURL"]).path).endswith(found["id"] if mode == "tus" else found["s3Key"])
    assert said["pauses"] == (0 if mode.endswith("form") else 1)


def test_curl_puts_parts_straight_into_s3(wired: Ingest, s3_wire: Proxy, bucket: Bucket, tmp_path: Path) -> None:
    """By presigned URLs: a part whose wire is cut is asked for again; the others are there, as S3 lists them."""
    project_id = project()
    wanted = {"filename": "a.png", "type": "image/png", "metadata": {"projectId": project_id}}
    begun = web.post(f"{wired.url}/s3/multipart", json=wanted, timeout=30).raise_for_status().json()
    path, key = f"{wired.url}/s3/multipart/{begun['uploadId']}", {"key": begun["key"]}

    def send(number: int, *, well: bool = True) -> None:
        (tmp_path / "part").write_bytes(CONTENT[(number - 1) * 5 * MIB : number * 5 * MIB])
        url = web.get(f"{path}/{number}", params=key, timeout=30).raise_for_status().json()["url"]
        _ran("curl", "--silent", "--show-error", "--fail", "-T", str(tmp_path / "part"), url, well=well)

    send(1)
    with cut(s3_wire):
        send(2, well=False)
    listed = web.get(path, params=key, timeout=30).json()
    assert [each["PartNumber"] for each in listed] == [1]
    send(2)
    send(3)
    parts = web.get(path, params=key, timeout=30).json()
    web.post(f"{path}/complete", params=key, json={"parts": parts}, timeout=30).raise_for_status()
    arrived(wired, bucket, project_id)


def test_curl_sends_a_form_straight_to_s3(wired: Ingest, bucket: Bucket, file: Path) -> None:
    project_id = project()
    wanted = {"method": "PUT", "key": "a.png", "contentType": "image/png", "projectId": project_id}
    form = web.post(f"{wired.url}/s3/sign", json=wanted, timeout=30).raise_for_status().json()
    fields = [word for name, value in form["fields"].items() for word in ("--form-string", f"{name}={value}")]
    _ran("curl", "--silent", "--show-error", "--fail", *fields, "-F", f"file=@{file}", form["url"])
    web.post(f"{wired.url}/s3/complete", json={"key": form["key"]}, timeout=30).raise_for_status()
    arrived(wired, bucket, project_id)


def _ran(*command: str, well: bool = True) -> None:
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode == 0) == well, done.stderr

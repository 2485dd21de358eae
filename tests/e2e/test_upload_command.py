"""`darkroom upload` as a client of servers that are not simply its own stack's."""

import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from ops import api, servers
from pipeline import apikeys
from pipeline.adapters.sqlite import SqliteRecords
from tests.multipart import PNG
from tests.serving import ROOT, Ingest, ingest, wait_for
from tests.web import web

LARGE = 6_000_000
"""Bytes: two parts, of which S3 has to make an object."""


@pytest.fixture(scope="module")
def hasty(ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ingest, str]]:
    """A server that asks for keys and waits for no object to be made, and a key of it."""
    folder = tmp_path_factory.mktemp("hasty")
    records = SqliteRecords(folder / "records.sqlite")
    key = apikeys.create(records, "a test", ["uploads"], ["read", "write"])
    with ingest(folder, ingest_env, prompt="1ms") as server:
        yield server, key
    records.close()


def test_a_key_is_sent_along(hasty: tuple[Ingest, str], tmp_path: Path) -> None:
    server, key = hasty
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    with pytest.raises(api.RefusedError, match="credentials_missing"):
        api.upload(server.url, path, "uploads", lambda _: None)
    assert api.upload(server.url, path, "uploads", lambda _: None, key)["mediaId"].startswith("media_")


def test_what_s3_still_makes_an_object_of_is_taken(hasty: tuple[Ingest, str], tmp_path: Path) -> None:
    server, key = hasty
    path = tmp_path / "large.png"
    path.write_bytes(PNG + bytes(LARGE))
    assert api.upload(f"{server.url}/", path, "uploads", lambda _: None, key)["mediaId"].startswith("media_")
    wait_for(lambda: '"status": 202' in server.log.read_text())


@pytest.fixture
def front(hasty: tuple[Ingest, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The server's address behind what ends TLS before it, under a path of its own; the authority is trusted here."""
    server, _ = hasty

    class Passes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept = {name: self.headers[name] for name in ("Content-Type", "Authorization")}
            answer = web.post(server.url + self.path.removeprefix("/media"), content=body, headers=kept)
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None: ...

    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Passes) as listener:
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
        yield f"https://localhost:{listener.server_port}/media"
        listener.shutdown()


def test_https_is_spoken_and_a_path_before_ours_kept(hasty: tuple[Ingest, str], front: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    assert api.upload(front, path, "uploads", lambda _: None, hasty[1])["mediaId"].startswith("media_")


def test_the_command_takes_its_key_from_the_environment(hasty: tuple[Ingest, str], tmp_path: Path) -> None:
    server, key = hasty
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    argv = [sys.executable, "-m", "ops.cli", "upload", str(path), "--project", "uploads", "--url", server.url]
    told = {**servers.plain_environment(), "RUN_DIR": str(tmp_path / "none")}
    without, with_it = (
        subprocess.run(argv, cwd=ROOT, env=told | key_of, capture_output=True, text=True, timeout=60, check=False)
        for key_of in ({}, {"DARKROOM_KEY": key})
    )
    assert (without.returncode, with_it.returncode) == (1, 0)
    assert "credentials_missing" in without.stderr
    assert "media_" in with_it.stdout

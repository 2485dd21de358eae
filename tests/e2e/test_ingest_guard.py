"""Clients that are slow, silent or not let in: each is answered before it is cut, whatever it still has to send."""

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import apikeys
from pipeline.adapters.sqlite import SqliteRecords
from tests.frontdoor import answer
from tests.multipart import CONTENT_TYPE, PNG, field, file, form
from tests.serving import ROOT, Ingest, ingest, wait_for
from tests.web import web

MIB = 1024 * 1024
SIZE = 14 * MIB
"""Of bodies that are sent to their end before anybody listens: less than what is read and dropped."""
SIGNING = {
    "sign": "POST /s3/sign HTTP/1.1\r\nX-Project-Id: guarded",
    "companion": "POST /s3/multipart HTTP/1.1\r\nX-Project-Id: guarded",
}
BYTES = "Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream"


@dataclass(frozen=True)
class Guard:
    """A server that asks for keys, waits two seconds for a byte and five for a body; and a key."""

    server: Ingest
    key: str

    def ask(self, head: str, key: str | None = None) -> socket.socket:
        """A request of which the head is sent."""
        connection = socket.create_connection(("127.0.0.1", self.server.port), 60)
        said = f"{head}\r\nHost: localhost\r\nAuthorization: Bearer {key or self.key}\r\n\r\n"
        connection.sendall(said.encode())
        return connection

    def upload(self, project: str, size: int, key: str | None = None) -> socket.socket:
        """The head of a form, and the form up to its file's first bytes."""
        begin = form([field("projectId", project), file(b"@@")]).split(b"@@")[0] + PNG + bytes(8192)
        head = f"POST /api/upload HTTP/1.1\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(begin) + size}"
        connection = self.ask(head, key)
        connection.sendall(begin)
        return connection

    def begun(self, length: int = SIZE) -> str:
        """A new upload by tus."""
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length), "X-Project-Id": "guarded", **self.headers}
        return str(web.post(f"{self.server.url}/files/", headers=headers).raise_for_status().headers["location"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def reasons(self, project: str) -> list[str | None]:
        """Why the project's uploads failed."""
        found = web.get(f"{self.server.url}/api/projects/{project}/media", headers=self.headers).raise_for_status()
        return [each.get("reason") for each in found.json()["items"]]


@pytest.fixture(scope="module")
def guard(ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    folder: Path = tmp_path_factory.mktemp("guard")
    text = re.sub(r'(?m)^idle = "60s"', 'idle = "2s"', (ROOT / "pipeline.toml").read_text())
    (folder / "pipeline.toml").write_text(re.sub(r'(?m)^total = ".*?"', 'total = "5s"', text))
    records = SqliteRecords(folder / "records.sqlite")
    key = apikeys.create(records, "a test", ["*"], ["read", "write"])
    with ingest(folder, ingest_env | {"PIPELINE": str(folder / "pipeline.toml")}) as server:
        yield Guard(server, key)
    records.close()


def said(connection: socket.socket) -> tuple[int, str]:
    """The answer's status and code."""
    head, _, body = answer(connection).partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)["code"]


def test_a_silent_client_is_cut(guard: Guard) -> None:
    with guard.upload("silent", SIZE) as connection:
        assert said(connection) == (408, "request_timeout")
        assert connection.recv(1) == b""
    wait_for(lambda: guard.reasons("silent") == ["upload_request_timeout"])


def test_so_is_one_that_sends_a_byte_now_and_then(guard: Guard) -> None:
    with guard.upload("slow", SIZE) as connection:
        connection.settimeout(0.2)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            connection.sendall(b"\0")
            try:
                early = connection.recv(65536, socket.MSG_PEEK)
            except TimeoutError:
                continue
            assert early.startswith(b"HTTP/1.1 408 ")
            break
        connection.settimeout(60)
        assert said(connection) == (408, "request_timeout")
    wait_for(lambda: guard.reasons("slow") == ["upload_request_timeout"])


def test_what_a_silent_tus_client_sent_is_kept(guard: Guard) -> None:
    place = guard.begun()
    head = f"PATCH {place} HTTP/1.1\r\n{BYTES}\r\nUpload-Offset: 0\r\nContent-Length: {SIZE}"
    with guard.ask(head) as connection:
        connection.sendall(PNG + bytes(1000))
        assert said(connection) == (408, "request_timeout")
    offset = web.head(guard.server.url + place, headers={"Tus-Resumable": "1.0.0", **guard.headers})
    assert offset.headers["upload-offset"] == str(len(PNG) + 1000)


@pytest.mark.parametrize("door", ["form", "raw", "tus", "sign", "companion"])
def test_who_is_not_let_in_sees_why_though_all_is_sent_first(guard: Guard, door: str) -> None:
    heads = {
        **SIGNING,
        "form": f"POST /api/upload HTTP/1.1\r\nContent-Type: {CONTENT_TYPE}",
        "raw": "PUT /api/upload/guarded/a.png HTTP/1.1",
        "tus": f"PATCH /files/media_{0:032x} HTTP/1.1\r\n{BYTES}\r\nUpload-Offset: 0",
    }
    with guard.ask(f"{heads[door]}\r\nContent-Length: {SIZE}", "dk_no_such_key") as connection:
        connection.sendall(bytes(SIZE))
        assert said(connection) == (401, "credentials_invalid")


@pytest.mark.parametrize("door", ["form", "raw", "tus"])
def test_so_does_who_sends_no_picture(guard: Guard, door: str) -> None:
    begin = form([field("projectId", "guarded"), file(b"@@")]).split(b"@@")[0] if door == "form" else b""
    heads = {
        "form": f"POST /api/upload HTTP/1.1\r\nContent-Type: {CONTENT_TYPE}",
        "raw": "PUT /api/upload/guarded/a.png HTTP/1.1",
        "tus": f"PATCH {guard.begun()} HTTP/1.1\r\n{BYTES}\r\nUpload-Offset: 0",
    }
    with guard.ask(f"{heads[door]}\r\nContent-Length: {SIZE}") as connection:
        connection.sendall(begin + bytes(SIZE - len(begin)))
        assert said(connection) == (415, "format_unsupported")


@pytest.mark.parametrize("door", ["sign", "companion"])
def test_so_does_who_sends_too_much_to_be_signed(guard: Guard, door: str) -> None:
    with guard.ask(f"{SIGNING[door]}\r\nContent-Length: {SIZE}") as connection:
        connection.sendall(bytes(SIZE))
        assert said(connection) == (413, "body_too_large")


def test_parts_and_fields_of_a_form_are_counted(guard: Guard) -> None:
    for parts in ([field(f"f{number}", "x") for number in range(5000)], [field("projectId", "x" * 2 * MIB)]):
        body = form([*parts, file(PNG)])
        head = f"POST /api/upload HTTP/1.1\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}"
        with guard.ask(head) as connection:
            connection.sendall(body)
            status, code = said(connection)
        assert (status, code) in {(400, "too_many_fields"), (400, "field_too_large")}

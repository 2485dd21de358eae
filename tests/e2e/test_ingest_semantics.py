"""What HTTP has and this server does not do is refused by every door: nothing else is stored than what was meant."""

import gzip
import json
import socket

import pytest

from tests.frontdoor import answer, records
from tests.multipart import CONTENT_TYPE, PNG, field, file, form
from tests.serving import Ingest
from tests.web import web

FORM = form([field("projectId", "coded"), file(PNG)])
BYTES = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


def chunked(server: Ingest, *headers: str, version: str = "1.1") -> tuple[int, str]:
    """The status and the body of what is answered to a PUT of one chunk."""
    head = "\r\n".join((f"PUT /api/upload/coded/a.png HTTP/{version}", "Host: localhost", *headers))
    body = gzip.compress(PNG)
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        connection.sendall(f"{head}\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        said, _, content = answer(connection).partition(b"\r\n\r\n")
    assert b"connection: close" in said.lower()
    return int(said.split()[1]), content.decode()


@pytest.mark.parametrize(
    "headers",
    [
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: deflate,chunked"],
    ],
)
def test_a_transfer_coding_is_not_taken_for_the_file(server: Ingest, headers: list[str]) -> None:
    status, content = chunked(server, *headers)
    assert (status, json.loads(content)["code"]) == (501, "transfer_coding_unsupported")
    assert records(server, "coded") == []


@pytest.mark.parametrize(
    "headers",
    [
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: chunked, gzip"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ],
)
def test_a_body_whose_end_cannot_be_told_is_refused(server: Ingest, headers: list[str]) -> None:
    """RFC 9112, section 6.3: chunked comes last, and not beside a length."""
    assert chunked(server, *headers)[0] == 400
    assert records(server, "coded") == []


@pytest.mark.parametrize("door", ["raw", "form", "tus", "sign"])
def test_no_door_decodes_a_file(server: Ingest, door: str) -> None:
    way = {
        "raw": ("PUT", "/api/upload/coded/a.png", PNG, {}),
        "form": ("POST", "/api/upload", FORM, {"Content-Type": CONTENT_TYPE}),
        "tus": ("POST", "/files/", PNG, BYTES | {"Upload-Length": str(len(PNG)), "X-Project-Id": "coded"}),
        "sign": ("POST", "/s3/sign", b"{}", {"X-Project-Id": "coded"}),
    }
    method, path, content, headers = way[door]
    coded = {**headers, "Content-Encoding": "gzip"}
    said = web.request(method, server.url + path, content=gzip.compress(content), headers=coded)
    assert (said.status_code, said.json()["code"]) == (415, "content_coding_unsupported")
    assert said.headers["accept-encoding"] == "identity"
    assert records(server, "coded") == []


def test_identity_is_no_coding(server: Ingest) -> None:
    headers = {"Content-Encoding": "identity"}
    assert web.put(f"{server.url}/api/upload/identity/a.png", content=PNG, headers=headers).status_code == 201


def test_a_range_is_not_taken_for_the_file(server: Ingest) -> None:
    headers = {"Content-Range": f"bytes 0-{len(PNG) - 1}/1000"}
    said = web.put(f"{server.url}/api/upload/ranged/a.png", content=PNG, headers=headers)
    assert (said.status_code, said.json()["code"]) == (400, "partial_put")
    assert records(server, "ranged") == []


def test_only_100_continue_can_be_expected(server: Ingest) -> None:
    url = f"{server.url}/api/upload/expecting/a.png"
    said = web.put(url, content=PNG, headers={"Expect": "a-miracle"})
    assert (said.status_code, said.json()["code"]) == (417, "expectation_unsupported")
    assert records(server, "expecting") == []
    assert web.put(url, content=PNG, headers={"Expect": "100-Continue"}).status_code == 201

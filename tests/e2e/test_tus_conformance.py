"""The cases of tusd's handler tests (head, patch, post, options, concat, terminate, cors), put to our server.

After https://github.com/tus/tusd/tree/main/pkg/handler, each table a test and its cases in our words. Where the two
differ, the case says how.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import httpx
import pytest

from tests.serving import Ingest, ingest
from tests.web import web

TYPE = "application/offset+octet-stream"
PNG = b"\x89PNG\r\n\x1a\n"
LENGTH = {"Upload-Length": "300"}
PROJECT = {"Upload-Metadata": "projectId Y29uZm9ybWFuY2U=,filename d29ybGQucG5n"}
ORIGIN = "https://app.example.com"
LIMIT = 500_000_000


class Case(NamedTuple):
    """What is sent, and what has to come back; an expected header of None must not."""

    name: str
    sent: Mapping[str, str | None]
    status: int
    headers: Mapping[str, str | None] = {}
    body: bytes = b""
    method: str = ""
    path: str = ""


@pytest.fixture(scope="module")
def server(ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    with ingest(tmp_path_factory.mktemp("tusd"), ingest_env | {"ALLOWED_ORIGINS": ORIGIN}) as running:
        yield running


def ask(server: Ingest, method: str, path: str, headers: Mapping[str, str | None], body: bytes = b"") -> httpx.Response:
    given = {"Tus-Resumable": "1.0.0", **headers}
    sent = {name: value for name, value in given.items() if value is not None}
    return web.request(method, server.url + path, headers=sent, content=body, timeout=30)


def created(server: Ingest, headers: Mapping[str, str] = LENGTH, body: bytes = b"") -> str:
    return ask(server, "POST", "/files/", {**PROJECT, **headers}, body).raise_for_status().headers["location"]


def check(server: Ingest, case: Case, method: str, path: str) -> httpx.Response:
    answer = ask(server, case.method or method, case.path or path, case.sent, case.body)
    assert answer.status_code == case.status, answer.text
    for name, value in case.headers.items():
        assert answer.headers.get(name) == value
    assert answer.headers["tus-resumable"] == "1.0.0"
    return answer


def named(cases: tuple[Case, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


POST = (
    Case("a new upload", LENGTH, 201, {"Upload-Offset": None}),
    Case("a deferred length", {"Upload-Defer-Length": "1"}, 201),
    # tusd makes a file of it; a picture of no bytes is none.
    Case("an upload of nothing", {"Upload-Length": "0"}, 400),
    Case("no length at all", {}, 400),
    Case("both lengths", {**LENGTH, "Upload-Defer-Length": "1"}, 400),
    Case("a deferred length that is no 1", {"Upload-Defer-Length": "bar"}, 400),
    Case("a length that is no number", {"Upload-Length": "-5"}, 400),
    Case("an upload that is larger than the limit", {"Upload-Length": str(LIMIT + 1)}, 413),
    Case("no version", {**LENGTH, "Tus-Resumable": None}, 412, {"Tus-Version": "1.0.0"}),
    Case("another version", {**LENGTH, "Tus-Resumable": "0.2.2"}, 412, {"Tus-Version": "1.0.0"}),
    Case("a name without a value", {**LENGTH, "Upload-Metadata": PROJECT["Upload-Metadata"] + ",is_raw"}, 201),
    # tusd drops what it cannot read; we say so.
    Case("metadata that is no base64", {**LENGTH, "Upload-Metadata": "foo not-base64!"}, 400),
    Case("an unknown concatenation", {**LENGTH, "Upload-Concat": "grouped"}, 400),
    Case("the bytes with it", {**LENGTH, "Content-Type": TYPE}, 201, {"Upload-Offset": "8"}, PNG),
    Case("bytes of another type", {**LENGTH, "Content-Type": "text/plain"}, 201, {"Upload-Offset": None}, b"hello"),
    Case("more bytes than were announced", {"Upload-Length": "4", "Content-Type": TYPE}, 413, {}, PNG),
)


@named(POST)
def test_post(server: Ingest, case: Case) -> None:
    answer = check(server, case._replace(sent={**PROJECT, **case.sent}), "POST", "/files/")
    if case.status == 201:
        assert answer.headers["location"].startswith("/files/media_")
        assert answer.headers["upload-expires"].endswith("GMT")


OFFSET = {"Content-Type": TYPE, "Upload-Offset": "8"}
REST = bytes(292)
PATCH = (
    Case("the rest", OFFSET, 204, {"Upload-Offset": "300"}, REST),
    Case("a piece of it", OFFSET, 204, {"Upload-Offset": "13"}, b"hello"),
    Case(
        "by another method",
        {**OFFSET, "X-HTTP-Method-Override": "PATCH"},
        204,
        {"Upload-Offset": "13"},
        b"hello",
        "POST",
    ),
    Case("a wrong offset", {**OFFSET, "Upload-Offset": "4"}, 409, {}, b"hello"),
    Case("no offset", {"Content-Type": TYPE}, 400, {}, b"hello"),
    Case("an offset below nothing", {**OFFSET, "Upload-Offset": "-5"}, 400, {}, b"hello"),
    Case("another type", {**OFFSET, "Content-Type": "application/fail"}, 415, {}, b"hello"),
    Case("more than is missing", OFFSET, 413, {}, bytes(293)),
    Case("another length than before", {**OFFSET, "Upload-Length": "301"}, 400, {}, b"hello"),
    Case("the same length again", {**OFFSET, "Upload-Length": "300"}, 204, {"Upload-Offset": "13"}, b"hello"),
    Case("no such upload", OFFSET, 404, {}, b"hello", "", "/files/no"),
    Case("no version", {**OFFSET, "Tus-Resumable": None}, 412, {"Tus-Version": "1.0.0"}, b"hello"),
    Case("an unknown checksum", {**OFFSET, "Upload-Checksum": "sha9 aGVsbG8="}, 400, {}, b"hello"),
    Case("a checksum of something else", {**OFFSET, "Upload-Checksum": "crc32 AAAAAA=="}, 460, {}, b"hello"),
)


@named(PATCH)
def test_patch(server: Ingest, case: Case) -> None:
    path = created(server, {**LENGTH, "Content-Type": TYPE}, PNG)
    check(server, case, "PATCH", path)
    at = case.headers.get("Upload-Offset") or ("13" if case.status == 204 else "8")
    assert ask(server, "HEAD", path, {}).headers["upload-offset"] == at


def test_patch_of_what_is_complete(server: Ingest) -> None:
    path = created(server, {"Upload-Length": "8", "Content-Type": TYPE}, PNG)
    check(server, Case("nothing more", OFFSET, 204, {"Upload-Offset": "8"}), "PATCH", path)
    check(server, Case("more", OFFSET, 413, {}, b"more"), "PATCH", path)
    check(server, Case("again from the start", {**OFFSET, "Upload-Offset": "0"}, 409, {}, PNG), "PATCH", path)


def test_patch_that_says_the_length(server: Ingest) -> None:
    path = created(server, {"Upload-Defer-Length": "1"})
    start = {**OFFSET, "Upload-Offset": "0"}
    check(server, Case("too long", {**start, "Upload-Length": str(LIMIT + 1)}, 413, {}, PNG), "PATCH", path)
    check(server, Case("unsaid", start, 204, {"Upload-Offset": "8"}, PNG), "PATCH", path)
    check(server, Case("less than there is", {**OFFSET, "Upload-Length": "7"}, 400, {}), "PATCH", path)
    check(
        server, Case("said", {**OFFSET, "Upload-Length": "13"}, 204, {"Upload-Offset": "13"}, b"hello"), "PATCH", path
    )


def test_patch_that_says_the_length_before_the_end(server: Ingest) -> None:
    path = created(server, {"Upload-Defer-Length": "1"})
    sent = {**OFFSET, "Upload-Offset": "0", "Upload-Length": "13"}
    check(server, Case("not the last", sent, 204, {"Upload-Offset": "8"}, PNG), "PATCH", path)
    check(server, Case("known", {}, 200, {"Upload-Length": "13", "Upload-Defer-Length": None}), "HEAD", path)
    check(server, Case("the last", OFFSET, 204, {"Upload-Offset": "13"}, b"hello"), "PATCH", path)


def test_patch_of_unknown_length(server: Ingest) -> None:
    """That it is too much is seen only when it has come."""
    path = created(server, {"Upload-Length": "13", "Content-Type": TYPE}, PNG)
    for body, status, at in (([b"hello", b" world"], 413, "8"), ([b"he", b"llo"], 204, "13")):
        sent = {"Tus-Resumable": "1.0.0", **OFFSET}
        answer = httpx.patch(server.url + path, headers=sent, content=iter(body), timeout=30)
        assert (answer.status_code, answer.request.headers.get("content-length")) == (status, None)
        assert ask(server, "HEAD", path, {}).headers["upload-offset"] == at


def test_head(server: Ingest) -> None:
    path = created(server, {**LENGTH, "Content-Type": TYPE}, PNG)
    expected = {**LENGTH, **PROJECT, "Upload-Offset": "8", "Cache-Control": "no-store", "Upload-Defer-Length": None}
    answer = check(server, Case("an upload", {}, 200, expected), "HEAD", path)
    assert answer.content == b""
    check(server, Case("no such upload", {}, 404, {"Upload-Offset": None}), "HEAD", "/files/media_" + "0" * 32)
    deferred = created(server, {"Upload-Defer-Length": "1"})
    check(server, Case("deferred", {}, 200, {"Upload-Defer-Length": "1", "Upload-Length": None}), "HEAD", deferred)
    check(server, Case("no version", {"Tus-Resumable": None}, 412), "HEAD", path)


def test_get(server: Ingest) -> None:
    """Tusd hands the file out again; here that is the media's affair."""
    check(server, Case("no download", {}, 405), "GET", created(server))


def test_options(server: Ingest) -> None:
    extensions = "creation,creation-with-upload,creation-defer-length,expiration,termination,checksum,concatenation"
    expected = {
        "Tus-Version": "1.0.0",
        "Tus-Extension": extensions,
        "Tus-Max-Size": str(LIMIT),
        "Tus-Checksum-Algorithm": "sha1,md5,sha256,crc32",
    }
    for path in ("/files/", "/files", created(server)):
        check(server, Case("what it can do", {"Tus-Resumable": None}, 204, expected), "OPTIONS", path)


def test_concat(server: Ingest) -> None:
    whole = {"Content-Type": TYPE, "Upload-Concat": "partial"}
    one = created(server, {**whole, "Upload-Length": "8"}, PNG)
    two = created(server, {**whole, "Upload-Length": "5"}, b"hello")
    unfinished = created(server, {"Upload-Length": "5", "Upload-Concat": "partial"})
    check(server, Case("a partial upload", {}, 200, {"Upload-Concat": "partial", "Upload-Offset": "5"}), "HEAD", two)
    strays = (f"{one} {unfinished}", f"{one} /files/media_{'0' * 32}", f"{one} /some/where/else")
    for paths in strays:
        sent = {**PROJECT, "Upload-Concat": f"final;{paths}"}
        answer = ask(server, "POST", "/files/", sent)
        assert answer.status_code in {400, 404}
    final = {**PROJECT, "Upload-Concat": f"final;{server.url}{one} {two}"}
    answer = check(server, Case("a final upload", final, 201), "POST", "/files/")
    path = answer.headers["location"]
    loose = [created(server, {**whole, "Upload-Length": "8"}, PNG) for _ in range(2)]
    written = {**PROJECT, "Upload-Concat": f"final; {server.url}{loose[0]} {loose[1]}/"}
    check(server, Case("written otherwise", written, 201), "POST", "/files/")
    check(server, Case("no pieces", {**PROJECT, "Upload-Concat": "final;"}, 400), "POST", "/files/")
    with_bytes = {**PROJECT, "Upload-Concat": f"final;{one}", "Content-Type": TYPE}
    check(server, Case("with bytes of its own", with_bytes, 403, {}, b"more"), "POST", "/files/")
    said = {"Upload-Concat": final["Upload-Concat"], "Upload-Length": "13", "Upload-Offset": "13"}
    check(server, Case("of both", {}, 200, said), "HEAD", path)
    check(server, Case("takes nothing", {**OFFSET, "Upload-Offset": "13"}, 403, {}, b"more"), "PATCH", path)


def test_terminate(server: Ingest) -> None:
    path = created(server)
    check(server, Case("no version", {"Tus-Resumable": None}, 412), "DELETE", path)
    check(server, Case("an upload", {}, 204), "DELETE", path)
    check(server, Case("which is gone", {}, 410), "HEAD", path)
    check(server, Case("and cannot go again", {}, 410), "DELETE", path)
    other = created(server)
    check(server, Case("by another method", {"X-HTTP-Method-Override": "DELETE"}, 204), "POST", other)
    complete = created(server, {"Upload-Length": str(len(PNG)), "Content-Type": TYPE}, PNG)
    check(server, Case("what is complete", {}, 204), "DELETE", complete)
    check(server, Case("and gone like any other", {}, 410), "HEAD", complete)


def test_cors(server: Ingest) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH", "Tus-Resumable": None}
    preflight = ask(server, "OPTIONS", "/files/", asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert {"HEAD", "POST", "PATCH", "DELETE"} <= words(preflight, "access-control-allow-methods")
    needed = {"Authorization", "Upload-Length", "Upload-Offset", "Tus-Resumable", "Upload-Metadata", "Upload-Concat"}
    more = {"X-HTTP-Method-Override", "X-Requested-With", "Upload-Defer-Length", "Upload-Checksum", "Content-Type"}
    assert needed | more <= words(preflight, "access-control-allow-headers")
    actual = ask(server, "POST", "/files/", {**LENGTH, **PROJECT, "Origin": ORIGIN})
    assert actual.headers["access-control-allow-origin"] == ORIGIN
    told = {"Location", "Upload-Offset", "Upload-Length", "Tus-Version", "Tus-Resumable", "Upload-Expires"}
    assert told <= words(actual, "access-control-expose-headers")
    foreign = ask(server, "POST", "/files/", {**LENGTH, **PROJECT, "Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert "access-control-allow-origin" not in foreign.headers


def words(answer: httpx.Response, header: str) -> set[str]:
    return {word.strip() for word in answer.headers[header].split(",")}

"""What is too much, refused as early as can be told; and who may ask at all."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import servers
from tests.frontdoor import Bucket, answer, asking, begun, post, records, rest, settles, upload
from tests.multipart import CONTENT_TYPE, PNG, field, file, form
from tests.serving import ROOT, Ingest, ingest, wait_for
from tests.web import web

LIMIT = 12_000_000
ORIGIN = "https://app.example.com"


@pytest.fixture(scope="module")
def strict(ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    """A server that takes 12 MB, in production, and pages of one origin."""
    folder = tmp_path_factory.mktemp("strict")
    text = (ROOT / "pipeline.toml").read_text()
    (folder / "pipeline.toml").write_text(re.sub(r'(?m)^bytes = ".*?"', 'bytes = "12 MB"', text))
    more = {"PIPELINE": str(folder / "pipeline.toml"), "ENVIRONMENT": "production", "ALLOWED_ORIGINS": ORIGIN}
    with ingest(folder, ingest_env | more) as running:
        yield running


def test_a_file_of_exactly_the_limit_goes_in(strict: Ingest) -> None:
    assert upload(strict, "exact", PNG + bytes(LIMIT - len(PNG))).status_code == 201


def test_one_byte_more_is_counted_and_taken_back(strict: Ingest, bucket: Bucket) -> None:
    said = upload(strict, "counted", PNG + bytes(LIMIT - len(PNG) + 1))
    assert (said.status_code, said.json()["code"]) == (413, "bytes_exceeded")
    assert settles(strict, "counted", "upload_bytes_exceeded")["error"] == said.json()["error"]
    assert bucket.open_uploads("projects/counted/") == []
    assert bucket.keys("projects/counted/") == []


def test_pieces_that_are_too_much_together_are_not_put_together(strict: Ingest) -> None:
    tus = {"Tus-Resumable": "1.0.0", "X-Project-Id": "pieces"}
    piece = {**tus, "Upload-Concat": "partial", "Upload-Length": str(7 * 10**6)}
    bytes_of_it = {"Content-Type": "application/offset+octet-stream"}
    paths = []
    for content in (PNG + bytes(7 * 10**6 - len(PNG)), bytes(7 * 10**6)):
        sent = web.post(f"{strict.url}/files/", content=content, headers={**piece, **bytes_of_it}, timeout=60)
        paths.append(sent.raise_for_status().headers["location"])
    said = web.post(f"{strict.url}/files/", headers={**tus, "Upload-Concat": f"final;{' '.join(paths)}"})
    assert (said.status_code, said.json()["code"]) == (413, "bytes_exceeded")


def test_a_limit_smaller_than_one_read_holds(ingest_env: dict[str, str], tmp_path: Path) -> None:
    text = (ROOT / "pipeline.toml").read_text()
    (tmp_path / "pipeline.toml").write_text(re.sub(r'(?m)^bytes = ".*?"', 'bytes = "5 kB"', text))
    with ingest(tmp_path, {**ingest_env, "PIPELINE": str(tmp_path / "pipeline.toml")}) as running:
        assert upload(running, "tiny", PNG + bytes(5000 - len(PNG))).status_code == 201
        assert upload(running, "tiny", PNG + bytes(5001 - len(PNG))).json()["code"] == "bytes_exceeded"


def test_a_body_of_unknown_length_is_counted_too(strict: Ingest, bucket: Bucket) -> None:
    head, tail = form([field("projectId", "chunked"), file(b"@@")]).split(b"@@")
    assert post(strict, iter([head, PNG, *[bytes(1_000_000)] * 30, tail])).status_code == 413
    settles(strict, "chunked", "upload_bytes_exceeded")
    assert bucket.open_uploads("projects/chunked/") == []
    assert post(strict, iter([head, PNG, *[bytes(1_000_000)] * 11, tail])).status_code == 201


def test_a_stated_length_over_the_limit_is_refused_before_the_body(strict: Ingest) -> None:
    head = (
        f"POST /api/upload?projectId=early HTTP/1.1\r\nHost: localhost\r\nContent-Type: {CONTENT_TYPE}\r\n"
        "Content-Length: 999999999\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", strict.port), 10) as connection:
        connection.sendall(head.encode())
        said = answer(connection)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in said
    assert records(strict, "early") == []


def test_a_client_that_sends_all_before_it_listens_sees_the_refusal(strict: Ingest) -> None:
    size = 14_500_000
    with begun(strict, "deaf", len(PNG), size) as connection:
        connection.sendall(rest(size, len(PNG)))
        said = answer(connection)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["code"] == "bytes_exceeded"
    assert b"connection: close" in said.lower()


@pytest.mark.parametrize(
    "lengths",
    [
        "Content-Length: 100\r\nTransfer-Encoding: chunked",
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: +5",
    ],
)
def test_a_body_of_two_lengths_is_refused(strict: Ingest, lengths: str) -> None:
    head = f"POST /api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: {CONTENT_TYPE}\r\n{lengths}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", strict.port), 10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_other_bodies_are_bounded(strict: Ingest) -> None:
    said = web.post(f"{strict.url}/api/media", content=b" " * 20_000)
    assert (said.status_code, said.json()["code"]) == (413, "body_too_large")


def test_a_head_that_does_not_end_is_cut_off(strict: Ingest) -> None:
    with socket.create_connection(("127.0.0.1", strict.port), 10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 400_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(("fields", "status"), [(90, 200), (101, 431), (5000, 431)])
def test_headers_are_counted(strict: Ingest, fields: int, status: int) -> None:
    head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + "".join(f"X-{n}: a\r\n" for n in range(fields)) + "\r\n"
    with socket.create_connection(("127.0.0.1", strict.port), 10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_long_head_that_comes_at_once_is_refused_too(strict: Ingest) -> None:
    with socket.create_connection(("127.0.0.1", strict.port), 10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")


IN_CHUNKS = {"Transfer-Encoding": "chunked"}
LAST = b"0\r\n"


@pytest.mark.parametrize(
    ("project", "lines"),
    [
        ("extension", b"5;" + b"x" * 2**21 + b"\r\nbytes\r\n" + LAST + b"\r\n"),
        ("extensions", (b"1;" + b"x" * 50 + b"\r\n.\r\n") * 20_000),
        ("trailer", LAST + b"X-Long: " + b"x" * 400_000),
        ("trailers", LAST + b"a:b\r\n" * 19_999 + b"\r\n"),
    ],
)
def test_what_stands_beside_chunks_is_bounded(strict: Ingest, bucket: Bucket, project: str, lines: bytes) -> None:
    photo = b"%x\r\n%b\r\n" % (len(PNG), PNG)
    with asking(strict, f"PUT /api/upload/{project}/a.png", IN_CHUNKS, photo + lines) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")
    wait_for(lambda: all(each["status"] == "failed" for each in records(strict, project)))
    assert bucket.keys(f"projects/{project}/") == []


def test_small_chunks_with_a_trailer_get_through(strict: Ingest) -> None:
    """Their lines are five times as long as the body, and far more than the bound together."""
    content = PNG + bytes(30_000)
    chunks = b"".join(b"1\r\n%b\r\n" % content[n : n + 1] for n in range(len(content)))
    trailer = b"Content-Type: text/plain\r\n\r\n"
    with asking(strict, "PUT /api/upload/bytewise/a.png", IN_CHUNKS, chunks + LAST + trailer) as connection:
        said = answer(connection)
    assert said.startswith(b"HTTP/1.1 201 ")
    assert [each["size"] for each in records(strict, "bytewise")] == [len(content)]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "host_not_allowed"),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, "host_not_allowed"),
        ({"Origin": "https://evil.example"}, "origin_not_allowed"),
        ({"Origin": "null"}, "origin_not_allowed"),
    ],
)
def test_foreign_hosts_and_origins_are_refused(strict: Ingest, headers: dict[str, str], code: str) -> None:
    for method, path in (("GET", "/healthz"), ("POST", "/api/upload"), ("OPTIONS", "/api/upload")):
        said = web.request(method, strict.url + path, headers=headers)
        assert (said.status_code, said.json()["code"]) == (403, code)
        assert "access-control-allow-origin" not in said.headers


def test_pages_of_allowed_origins_may_read_answers_and_errors(strict: Ingest) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-project-id",
    }
    preflight = web.options(f"{strict.url}/api/upload", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "x-project-id" in preflight.headers["access-control-allow-headers"].lower()
    for said in (
        post(strict, form([file(PNG)]), "?projectId=cors", Origin=ORIGIN),
        post(strict, form([file(PNG)]), Origin=ORIGIN),
    ):
        assert said.headers["access-control-allow-origin"] == ORIGIN
        assert said.headers["vary"] == "Origin"
        assert "X-Request-Id" in said.headers["access-control-expose-headers"]
    own = web.get(f"{strict.url}/healthz", headers={"Origin": strict.url})
    assert own.status_code == 200
    assert "access-control-allow-origin" not in own.headers


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"HOST": "0.0.0.0"}, ["HOST is 0.0.0.0", "ALLOW_ANONYMOUS=1"]),  # noqa: S104 - refused
        ({"S3_BUCKET": "", "REDIS_URL": "http://x", "PORT": "many"}, ["S3_BUCKET", "REDIS_URL", "PORT"]),
        ({"PIPELINE": "nowhere.toml"}, ["nowhere.toml cannot be read"]),
    ],
)
def test_it_refuses_to_start_with_one_message(
    ingest_env: dict[str, str], tmp_path: Path, change: dict[str, str], told: list[str]
) -> None:
    env = {
        **servers.plain_environment(),
        **ingest_env,
        "RECORDS": "sqlite",
        "SQLITE_PATH": str(tmp_path / "r"),
        **change,
    }
    env.setdefault("PIPELINE", str(ROOT / "pipeline.toml"))
    ended = subprocess.run(
        [sys.executable, "-m", "ingest.app"], env=env, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    for words in told:
        assert words in ended.stderr

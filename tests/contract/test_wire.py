"""The way to S3: connections that go stale, regions that are wrong, clocks that are off, certificates, proxies."""

import hashlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import pytest
import trustme

from pipeline.adapters import s3 as adapter
from pipeline.adapters import s3_http
from pipeline.adapters.aws import Place
from pipeline.adapters.s3 import S3Objects
from pipeline.adapters.s3_http import Request, S3Http
from pipeline.adapters.sigv4 import UNSIGNED, Credentials
from pipeline.adapters.wire import Answer, Patience, StaleError, Wire, proxy_for
from pipeline.errors import UnavailableError
from pipeline.ports import Label
from tests.backends import Backend
from tests.contract.conftest import connected
from tests.contract.flaky import Canned, Fate, Flaky, flaky

JPEG = Label("image/jpeg")
PATIENCE = Patience(5, 5, 5)
MIB = 1024 * 1024


@pytest.fixture
def proxy(s3: Backend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flaky]:
    monkeypatch.setattr(s3_http, "PAUSES", (0.01, 0.01))
    with flaky(s3.url) as proxy:
        yield proxy


def through(s3: Backend, proxy: Flaky) -> S3Objects:
    return connected({**s3.env, "AWS_ENDPOINT_URL_S3": proxy.url})


@contextmanager
def answering(*scripts: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[str]:
    """A server whose connections, in turn, do what the scripts say; its origin."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.create_server((host, 0), family=family)) as listener:

        def serve() -> None:
            for script in scripts:
                connection, _ = listener.accept()
                with connection:
                    script(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        thread.join(10)
        assert not thread.is_alive()


def told(*answers: bytes) -> Callable[[socket.socket], None]:
    """Read a request, give an answer, for each; then close."""

    def script(connection: socket.socket) -> None:
        for answer in answers:
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65536)
            connection.sendall(answer)

    return script


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def wire(origin: str, proxy: str | None = None, patience: Patience = PATIENCE) -> Wire:
    return Wire(origin, patience, ssl.create_default_context(), proxy)


def test_connections_are_kept_and_a_closed_one_is_noticed_before_it_is_used() -> None:
    closed = threading.Event()

    def once(connection: socket.socket) -> None:
        told(OK, OK)(connection)
        connection.close()
        closed.set()

    with answering(once, told(OK)) as origin:
        way = wire(origin)
        assert [way.ask("PUT", "/", {"host": "h"}).body for _ in range(2)] == [b"ok", b"ok"]
        assert closed.wait(5)
        assert way.ask("PUT", "/", {"host": "h"}).body == b"ok"


def test_a_kept_connection_that_ends_as_it_is_used_is_stale_and_the_next_is_new() -> None:
    with answering(told(OK, b""), told(OK)) as origin:
        way = wire(origin)
        way.ask("PUT", "/", {"host": "h"})
        with pytest.raises(StaleError):
            way.ask("PUT", "/", {"host": "h"})
        assert way.ask("PUT", "/", {"host": "h"}).status == 200


def test_a_put_on_a_stale_connection_is_done_once_and_at_once(
    s3: Backend, proxy: Flaky, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_http, "PAUSES", (60.0, 60.0))
    objects = through(s3, proxy)
    objects.put(f"{prefix}a", b"first", JPEG)
    proxy.spoil(Fate.LOST, "PUT")
    etag = objects.put(f"{prefix}b", b"second", JPEG)
    assert objects.read(f"{prefix}b", 9, etag) == b"second"


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nX: "],
    ids=["nothing", "half a body", "no HTTP", "half a head"],
)
def test_half_an_answer_is_none(answer: bytes) -> None:
    with answering(told(answer)) as origin, pytest.raises(UnavailableError) as caught:
        wire(origin).ask("PUT", "/", {"host": "h"})
    assert not isinstance(caught.value, StaleError)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nok",
    ],
    ids=["after 100", "in chunks", "to the end"],
)
def test_answers_come_in_every_form(answer: bytes) -> None:
    with answering(told(answer)) as origin:
        found = wire(origin).ask("POST", "/", {"host": "h"})
    assert (found.status, found.body) == (200, b"ok")


def test_a_server_that_answers_before_it_has_the_body_is_heard() -> None:
    busy = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with answering(told(busy)) as origin:
        assert _said(wire(origin), bytes(64 * MIB)) in {"503", "reset"}  # which may overtake the answer, and means it


def test_a_silent_server_is_given_up() -> None:
    release = threading.Event()
    with answering(lambda _: (release.wait(10), None)[1]) as origin:
        with pytest.raises(UnavailableError):
            wire(origin, patience=Patience(5, 5, 0.05)).ask("PUT", "/", {"host": "h"})
        release.set()


def test_headers_cannot_be_smuggled_in() -> None:
    with pytest.raises(ValueError, match="line ends"):
        wire("http://127.0.0.1:9").ask("PUT", "/", {"x": "a\r\nx-amz-acl: public-read"})


def test_servers_are_reached_by_ipv6() -> None:
    try:
        with answering(told(OK), host="::1") as origin:
            assert wire(origin).ask("PUT", "/", {"host": "h"}).status == 200
    except OSError:
        pytest.skip("there is no IPv6 here")


def test_only_a_certificate_of_a_known_authority_will_do() -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    body = os.urandom(3 * MIB)
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    class Silent(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None: ...

    with Silent(("127.0.0.1", 0), Handler) as server:
        server.socket = server_side.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        origin = f"https://127.0.0.1:{server.server_port}"
        with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
            wire(origin).ask("PUT", "/", {"host": "h"}, b"x")
        known = ssl.create_default_context()
        authority.configure_trust(known)
        way = Wire(origin, PATIENCE, known)
        assert [way.ask("PUT", "/", {"host": "h"}, body).status for _ in range(2)] == [200, 200]
        way.hang_up()
        server.shutdown()
    assert got == [body, body]


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_error(403)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("http_proxy", address)
        monkeypatch.setenv("https_proxy", address)
        monkeypatch.setenv("no_proxy", "inside.example")
        assert proxy_for("http://inside.example:80") is None
        plain = wire("http://s3.example", proxy_for("http://s3.example"))
        assert plain.ask("PUT", "/k?a=b", {"host": "s3.example"}).status == 200
        plain.hang_up()
        with pytest.raises(UnavailableError, match="403"):
            wire("https://s3.example", proxy_for("https://s3.example")).ask("PUT", "/k", {"host": "s3.example"})
        server.shutdown()
    assert asked == ["http://s3.example/k?a=b", "s3.example:443"]


def test_a_bucket_of_another_region_is_found_there(
    s3: Backend, proxy: Flaky, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
    objects = through(s3, proxy)
    wrong = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>"
    proxy.spoil(Canned(400, wrong), "PUT")
    etag = objects.put(f"{prefix}a", b"there", JPEG)
    assert objects.read(f"{prefix}a", 9, etag) == b"there"
    assert objects.http.place.region == "eu-west-3"


def test_a_clock_that_is_off_is_set_by_s3s(
    s3: Backend, proxy: Flaky, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda now=time.time: now() - 7200)
    objects = through(s3, proxy)
    assert objects.put(f"{prefix}a", b"late", JPEG)
    assert [line for line in proxy.seen if line.startswith("PUT")] == [f"PUT /contract/{prefix}a "] * 2


def test_virtual_hosts_and_their_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    place = adapter.connect("holiday-photos").http.place
    assert (place.origin, place.base) == ("https://holiday-photos.s3.eu-central-1.amazonaws.com", "/")
    dotted = adapter.connect("holiday.photos").http.place  # no certificate is good for that as a host
    assert (dotted.origin, dotted.base) == ("https://s3.eu-central-1.amazonaws.com", "/holiday.photos/")


def _said(way: Wire, body: bytes) -> str:
    try:
        return str(way.ask("PUT", "/", {"host": "h"}, body).status)
    except UnavailableError as error:
        return "reset" if isinstance(error.__cause__, ConnectionResetError | BrokenPipeError) else repr(error)


@pytest.mark.parametrize(
    ("origin", "private"),
    [
        ("http://127.0.0.1", True),
        ("http://[::1]:9", True),
        ("https://s3.example", True),
        ("http://localhost:9", True),
        ("http://s3.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_a_payload_is_signed_where_others_could_change_it(origin: str, private: bool) -> None:  # noqa: FBT001
    sent: list[Mapping[str, str]] = []

    def ask(_self: Wire, _method: str, _target: str, headers: Mapping[str, str], *_: object) -> Answer:
        sent.append(headers)
        return Answer(200, {}, b"")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wire, "ask", ask)
        place = Place(origin, "/b/", "us-east-1")
        http = S3Http(lambda _: place, lambda: Credentials("a", "s", "t"), lambda _: None, PATIENCE)
        http.send(Request("PUT", "k", body=b"content"))
    (headers,) = sent
    assert headers["x-amz-content-sha256"] == (UNSIGNED if private else hashlib.sha256(b"content").hexdigest())
    assert headers["x-amz-security-token"] == "t"


def test_s3_checks_a_signed_payload(s3: Backend, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_http, "_private", lambda _origin: False)
    objects = connected(s3.env)
    etag = objects.put(f"{prefix}a", b"content", JPEG)
    assert objects.read(f"{prefix}a", 9, etag) == b"content"

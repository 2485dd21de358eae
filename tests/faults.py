"""An HTTP proxy before S3 or DynamoDB that answers some requests by itself, as those do under load."""

import http.client
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, NamedTuple, Self

_HOP = {"connection", "transfer-encoding", "keep-alive"}


class Refusal(NamedTuple):
    """What a server under load says; with status 0 it says nothing and ends the connection.

    `done`: it did what it was asked before.
    """

    status: int
    content_type: str = ""
    body: bytes = b""
    done: bool = False


SLOW_DOWN = Refusal(
    503,
    "application/xml",
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
)
BROKEN = Refusal(200, "application/xml", b"<Error><Code>InternalError</Code><Message>We are sorry.</Message></Error>")
RESET, LOST = Refusal(0), Refusal(0, done=True)
THROTTLED = Refusal(
    400,
    "application/x-amz-json-1.0",
    b'{"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "Too fast."}',
)


@dataclass
class Plan:
    """Which calls go wrong, and how: so many of those that `hits` says; each waits for `release` first."""

    hits: Callable[[str, str], bool] = lambda _method, _path: False
    left: int = 0
    refusal: Refusal = SLOW_DOWN
    release: threading.Event = field(default_factory=threading.Event)

    def refuses(self, method: str, path: str) -> bool:
        if not self.hits(method, path):
            return False
        self.release.wait(30)
        self.left -= 1
        return self.left >= 0

    def spoil(self, hits: Callable[[str, str], bool], left: int, refusal: Refusal = SLOW_DOWN) -> None:
        """From now on these calls go wrong, at once."""
        self.hits, self.left, self.refusal = hits, left, refusal
        self.release.set()

    def stall(self, hits: Callable[[str, str], bool]) -> None:
        """From now on these calls wait for `release`, and then go well."""
        self.hits, self.left = hits, 0
        self.release.clear()


def put(method: str, path: str) -> bool:
    return method == "PUT" and "partNumber" not in path


def part(method: str, path: str) -> bool:
    return method == "PUT" and "partNumber" in path


def opening(method: str, path: str) -> bool:
    return method == "POST" and path.endswith("uploads=")


def complete(method: str, path: str) -> bool:
    return method == "POST" and "uploadId" in path


class Faults:
    """Passes requests on to `port` of this machine, unless `refuses(method, path)` says so."""

    def __init__(
        self, port: int, refuses: Callable[[str, str], bool], refusal: Refusal | Callable[[], Refusal] = SLOW_DOWN
    ) -> None:
        def says(method: str, path: str) -> Refusal | None:
            if not refuses(method, path):
                return None
            return refusal() if callable(refusal) else refusal

        self._server = _Server(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"port": port, "says": staticmethod(says)})
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client or the server went away: keep the test's output to itself."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    port: ClassVar[int]
    says: Callable[[str, str], Refusal | None]

    def _pass_on(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the client is gone
            return
        said = self.says(self.command, self.path)
        if said is None:
            self._answer(*self._asked(body))
            return
        if said.done:
            self._asked(body)
        if said.status:
            self._answer(said.status, {"content-type": said.content_type}, said.body)
        else:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _asked(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            told = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            return answer.status, told, answer.read()
        finally:
            upstream.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name in headers}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815 - the names http.server asks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
        """Keep the test's output to itself."""

"""An HTTP proxy before S3 or DynamoDB that answers some requests by itself, as those do under load."""

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self

_HOP = {"connection", "transfer-encoding", "keep-alive"}


class Refusal(NamedTuple):
    """What a server under load says."""

    status: int
    content_type: str
    body: bytes


SLOW_DOWN = Refusal(
    503,
    "application/xml",
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
)
THROTTLED = Refusal(
    400,
    "application/x-amz-json-1.0",
    b'{"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "Too fast."}',
)


class Faults:
    """Passes requests on to `port` of this machine, unless `refuses(method, path)` says so."""

    def __init__(self, port: int, refuses: Callable[[str, str], bool], refusal: Refusal = SLOW_DOWN) -> None:
        self._server = _Server(("127.0.0.1", 0), _handler(port, refuses, refusal))
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


def _handler(port: int, refuses: Callable[[str, str], bool], refusal: Refusal) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            if len(body) < length:  # the client is gone
                return
            if refuses(self.command, self.path):
                self._answer(refusal.status, {"content-type": refusal.content_type}, refusal.body)
                return
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
                self._answer(answer.status, headers, answer.read())
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

    return Handler

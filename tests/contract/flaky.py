"""A reverse proxy before a real server that loses what it is told to lose."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "expect"}


class Fate(Enum):
    """What becomes of a request."""

    REFUSED = auto()  # the connection is closed, the server never hears of it
    LOST = auto()  # the server did it, its reply is dropped
    CUT = auto()  # half of the reply's body comes
    MUTE = auto()  # the reply ends with its head


@dataclass(frozen=True)
class Canned:
    """A reply that the server never gave."""

    status: int
    body: bytes = b""


@dataclass
class Flaky:
    """The proxy; `url` stands for the server. `seen` counts the requests that came in."""

    target: str
    url: str = ""
    seen: list[str] = field(default_factory=list)
    _plan: deque[tuple[str, Fate | Canned]] = field(default_factory=deque)

    def spoil(self, fate: Fate | Canned, matching: str, times: int = 1) -> None:
        """The next requests whose line or target header has that text meet that fate."""
        self._plan.extend([(matching, fate)] * times)

    def calm(self) -> None:
        """Spoil nothing more."""
        self._plan.clear()

    def fate_of(self, request: str) -> Fate | Canned | None:
        """Take the next fate off the plan if it is meant for this request."""
        self.seen.append(request)
        if self._plan and self._plan[0][0] in request:
            return self._plan.popleft()[1]
        return None


@contextmanager
def flaky(target: str) -> Iterator[Flaky]:
    """Run a proxy before the server at that URL."""
    proxy = Flaky(target)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy})) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Flaky
    timeout = 20

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match self.proxy.fate_of(f"{self.command} {self.path} {self.headers.get('X-Amz-Target', '')}"):
            case Fate.REFUSED:
                self.close_connection = True
            case Fate.LOST:
                self._asked(body)
                self.close_connection = True
            case Fate.CUT:
                reply, content = self._asked(body)
                self._answer(reply, content[: len(content) // 2], len(content))
                self.close_connection = True
            case Fate.MUTE:
                reply, content = self._asked(body)
                self._answer(reply, b"", len(content))
                self.close_connection = True
            case Canned(status, content):
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            case None:
                reply, content = self._asked(body)
                length = reply.getheader("Content-Length") if self.command == "HEAD" else len(content)
                self._answer(reply, content, int(length or 0))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - http.server's names

    def _asked(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection(urlsplit(self.proxy.target).netloc, timeout=20)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP - {"content-length"}:
                connection.putheader(name, value)
        connection.endheaders(body)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        return reply, content

    def _answer(self, reply: HTTPResponse, content: bytes, length: int) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - http.server's signature
        """Stay silent."""

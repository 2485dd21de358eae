"""A receiver of webhooks on this machine, with or without TLS, that answers as it is told and keeps what came."""

import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Delivery:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hooks:
    """Answers with `statuses` one after the other, the last one for ever; `deliveries` has what came.

    `location` is where a redirect points; `hold` keeps every answer back until it is set.
    """

    statuses: list[int] = field(default_factory=lambda: [204])
    tls: ssl.SSLContext | None = None
    location: str = ""
    hold: threading.Event | None = None
    deliveries: list[Delivery] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.hold is not None:
            self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_port

    def url(self, host: str = "127.0.0.1", path: str = "/hooks?to=me") -> str:
        return f"{'http' if self.tls is None else 'https'}://{host}:{self.port}{path}"


def _handler(hooks: Hooks) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            hooks.deliveries.append(Delivery(self.path, headers, body))
            if hooks.hold is not None:
                hooks.hold.wait(60)
            status = hooks.statuses.pop(0) if len(hooks.statuses) > 1 else hooks.statuses[0]
            self.send_response(status)
            if hooks.location:
                self.send_header("Location", hooks.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - http.server's signature
            """Keep the test's output to itself."""

    return Handler

"""HTTP/1.1 with one server, over sockets that are kept open; bodies go out of the memory they lie in, unlocked."""

import re
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httptools

from pipeline.errors import UnavailableError

Buffer = bytes | bytearray | memoryview
Sink = Callable[[Mapping[str, str]], Callable[[Buffer], object]]
"""Is told the headers of a good answer and returns what takes its body, piece by piece."""

MOST_IDLE = 64
LONGEST_IDLE = 15.0
"""Seconds after which an unused connection is not trusted any more: what stands between may have forgotten it."""
MOST_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer; S3's are a few kB."""

_BROKEN = re.compile(r"[\0\r\n]")
_INTERIM = 200
_PIECE = 64 * 1024
_GOOD = range(200, 300)
_MORE = getattr(socket, "MSG_MORE", 0)  # head and body in one segment, where the system can
_LAST_WORDS = 1.0


class SinkError(Exception):
    """What took the body of an answer failed: nobody on the wire is to blame. The cause is its error."""


class StaleError(UnavailableError):
    """A connection that was kept open turned out to be closed: a new one may do at once."""


@dataclass(frozen=True)
class Patience:
    """Seconds: for each address to connect to, for all of a body to go out, for the next byte of an answer."""

    connecting: float
    sending: float
    answering: float


@dataclass(frozen=True)
class Answer:
    """What the server said; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Wire:
    """The way to one server, for any number of threads; `origin` is `http(s)://host[:port]`, `proxy` likewise."""

    origin: str
    patience: Patience
    context: ssl.SSLContext | None
    proxy: str | None = None
    _idle: deque[tuple[float, socket.socket]] = field(default_factory=lambda: deque(maxlen=MOST_IDLE), repr=False)

    def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: Buffer = b"", sink: Sink | None = None
    ) -> Answer:
        """One attempt; raises `UnavailableError` when no whole answer came: nobody knows then whether it was done.

        With a `sink` the body of an answer 2xx goes there, of an attempt that fails perhaps a part; what the sink
        raises is raised as the cause of a `SinkError`.
        """
        if any(map(_BROKEN.search, headers.values())):
            raise ValueError("a header holds no line ends")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        through = self.origin if self.proxy and self.origin.startswith("http:") else ""
        head = f"{method} {through}{target} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode("latin-1")
        connection, reply = self._kept(), _Reply(sink, bodiless=method == "HEAD")
        reused = connection is not None
        try:
            connection = connection or self._connected()
            _exchange(connection, head, body, reply, self.patience)
        except (OSError, HTTPException, httptools.HttpParserError) as error:
            if connection is not None:
                connection.close()
            if reused and not reply.begun and not isinstance(error, TimeoutError):
                self.hang_up()  # the others are no younger
                raise StaleError(f"{self.origin}: {error!r}") from error
            raise UnavailableError(f"{self.origin}: {error!r}") from error
        except SinkError:
            if connection is not None:
                connection.close()
            raise
        if reply.keep:
            self._idle.append((time.monotonic(), connection))
        else:
            connection.close()
        return Answer(reply.status, reply.headers, bytes(reply.body))

    def hang_up(self) -> None:
        """Close the connections that nobody uses."""
        with suppress(IndexError):
            while True:
                self._idle.pop()[1].close()

    def _kept(self) -> socket.socket | None:
        """The connection used last, if the server has not closed it since."""
        with suppress(IndexError):
            while True:
                since, connection = self._idle.pop()
                if time.monotonic() - since < LONGEST_IDLE and not _readable(connection):
                    return connection
                connection.close()
        return None

    def _connected(self) -> socket.socket:
        server, to, seconds = urlsplit(self.origin), urlsplit(self.proxy or self.origin), self.patience.connecting
        host, port = to.hostname or "", to.port or (443 if to.scheme == "https" else 80)
        if server.scheme == "http":
            connection = HTTPConnection(host, port, seconds)
        else:
            connection = HTTPSConnection(host, port, timeout=seconds, context=self.context)
            if self.proxy:
                connection.set_tunnel(server.hostname or "", server.port or 443)
        connection.connect()
        return connection.sock


def proxy_for(origin: str) -> str | None:
    """The proxy that the environment names for that server, as other programs understand it."""
    parts = urlsplit(origin)
    proxy = getproxies().get(parts.scheme)
    return None if proxy is None or proxy_bypass(parts.netloc) else proxy


class _Reply:
    """An answer as it comes; whatever comes before the last one (100 Continue) is forgotten."""

    def __init__(self, sink: Sink | None = None, *, bodiless: bool = False) -> None:
        self._sink, self._bodiless = sink, bodiless
        self._take: Callable[[Buffer], object] | None = None
        self.begun = self.whole = self.keep = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take in what came; nothing is the end of the connection, and of a body that has no other."""
        self.begun = self.begun or bool(data)
        if data:
            self._parser.feed_data(data)
            self._drain()
        elif self.status and not {"content-length", "transfer-encoding"} & set(self.headers):
            self.whole = True
        else:
            raise ConnectionResetError("the connection ended before the answer")
        if len(self.body) > MOST_ANSWER:
            raise HTTPException("the answer is too long")

    def _drain(self) -> None:
        if self._sink is not None and self.status in _GOOD and self.body:
            try:
                self._take = self._take or self._sink(self.headers)
                self._take(self.body)
            except Exception as error:
                raise SinkError from error
            self.body = bytearray()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self.status = status if status >= _INTERIM else 0
        if self.status and self._bodiless:  # whatever its length would have been
            self.on_message_complete()

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        if self.status:
            self.whole, self.keep = True, self._parser.should_keep_alive()
        else:
            self.headers = {}


def _exchange(connection: socket.socket, head: bytes, body: Buffer, reply: _Reply, patience: Patience) -> None:
    try:
        _send(connection, head, body, patience.sending)
    except (BrokenPipeError, ConnectionResetError):
        # A server that does not want the body answers and closes; what it said may still be there.
        connection.settimeout(_LAST_WORDS)
        with suppress(OSError, httptools.HttpParserError):
            _receive(connection, reply)
        if not reply.whole:
            raise
        reply.keep = False
        return
    connection.settimeout(patience.answering)
    _receive(connection, reply)


def _send(connection: socket.socket, head: bytes, body: Buffer, seconds: float) -> None:
    """Send all of it within that time: a trickle must not outlast the lease that allowed it."""
    deadline = time.monotonic() + seconds
    connection.settimeout(seconds)
    if not isinstance(connection, ssl.SSLSocket):
        connection.sendall(head, _MORE if body else 0)
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        connection.sendall(body)  # whose timeout is that of the whole
        return
    connection.sendall(head)
    left = memoryview(body)
    while left:
        if (seconds := deadline - time.monotonic()) <= 0:
            raise TimeoutError("the request took too long to send")
        connection.settimeout(seconds)
        left = left[connection.send(left[:_PIECE]) :]


def _receive(connection: socket.socket, reply: _Reply) -> None:
    while not reply.whole:
        reply.feed(connection.recv(_PIECE))


def _readable(connection: socket.socket) -> bool:
    """Whether something came that nobody asked for, which an idle server's end of the connection is."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))

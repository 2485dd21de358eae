"""A TCP proxy before a real server: it makes it slow, away, or its replies late or lost."""

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

_PIECE = 64 * 1024
_SEGMENT = 1448
"""Bytes, as on an Ethernet."""


class Proxy:
    """Passes every connection on to `port` of this machine; `rate` bounds what goes there, all together, in bytes/s.

    With loopback's windows and segments a client's kernel takes megabytes that have gone nowhere yet; not if `narrow`.
    While `away`, nobody gets through. `lag` is how many seconds each piece of a reply comes late. While `deaf`, replies
    are lost: the server did what it was asked, and the connection ends without a word. `spoiled` counts the pieces of
    replies that came late or not at all, `passed` the bytes that went to the server.
    """

    def __init__(self, port: int, rate: float | None = None, *, narrow: bool = False) -> None:
        self._target = port
        self._rate = rate
        self._paid = time.monotonic()
        self._pace = threading.Lock()
        self._open: set[socket.socket] = set()
        self.away = False
        self.deaf = False
        self.lag = 0.0
        self.spoiled = 0
        self.passed = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        if narrow:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE)
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> int:
        """End every connection there is; returns how many ends they had."""
        ends = list(self._open)
        for each in ends:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        return len(ends)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.away:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:  # it is away by itself
                    client.close()
                    continue
                self._open |= {client, server}
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=(*pair, pair[0] is client), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, paced: bool) -> None:  # noqa: FBT001 - a thread's target
        with suppress(OSError):
            while data := source.recv(_PIECE):
                if paced and self._rate:
                    self._wait(len(data) / self._rate)
                if not paced and self._spoil():
                    break
                sink.sendall(data)
                if paced:
                    with self._pace:
                        self.passed += len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()
        self._open.discard(source)

    def _spoil(self) -> bool:
        """Keep a piece of a reply back for a while; whether it is lost."""
        self.spoiled += bool(self.lag or self.deaf)
        time.sleep(self.lag)
        return self.deaf

    def _wait(self, seconds: float) -> None:
        with self._pace:
            self._paid = max(self._paid, time.monotonic()) + seconds
            due = self._paid
        time.sleep(max(0.0, due - time.monotonic()))

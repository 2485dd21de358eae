"""An S3 that reads everything and keeps nothing: `python -m benchmarks.rig.sink PORT`.

It costs a server what any S3 would: requests are parsed, sizes counted, ETags and the client's own checksums answered.
Bodies are dropped inside the kernel (`MSG_TRUNC`), so that on a machine of few cores it is not what is measured.
"""

import selectors
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from benchmarks.rig.bucket import Bucket, Request

_JUNK = bytearray(4 * 1024 * 1024)
_KEPT = 64 * 1024
"""Bytes up to which a body is kept: the requests that are XML or JSON."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass
class Peer:
    """One connection: a head, a body with or without chunks, an answer, and again."""

    sock: socket.socket
    bucket: Bucket
    buffer: bytearray = field(default_factory=bytearray)
    request: Request | None = None
    dropping: int = 0
    """Bytes of the body that are still to come and to be dropped."""
    keeping: int = 0
    chunked: bool = False
    last: bool = False

    def readable(self) -> bool:
        """Take what came; False when the connection ended."""
        if self.dropping:
            count = self.sock.recv_into(_JUNK, min(self.dropping, len(_JUNK)), socket.MSG_TRUNC)
            self.dropping -= count
        else:
            data = self.sock.recv(_KEPT)
            count = len(data)
            self.buffer += data
        while self._step():
            pass
        return bool(count)

    def _step(self) -> bool:
        """Go on with what is in the buffer; False when more must come first."""
        if self.request is None:
            return self._head()
        if self.dropping:
            count = min(self.dropping, len(self.buffer))
            del self.buffer[:count]
            self.dropping -= count
            if self.dropping:
                return False
        if self.chunked:
            return self._chunk(self.request)
        if len(self.buffer) < self.keeping:
            return False
        self.request.body = bytes(self.buffer[: self.keeping])
        del self.buffer[: self.keeping]
        return self._answer(self.request)

    def _head(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
        del self.buffer[: end + 4]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, target, _ = first.split(" ", 2)
        url = urlsplit(target)
        size = int(headers.get("content-length", 0))
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        self.request = Request(method, unquote(url.path), query, headers, size)
        self.chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self.keeping, self.dropping = (size, 0) if size <= _KEPT else (0, size)
        if headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(_CONTINUE)
        return True

    def _chunk(self, request: Request) -> bool:
        end = self.buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        if self.last:  # trailers, until an empty line
            return self._answer(request) if not line else True
        size = int(line.partition(b";")[0], 16)
        request.size += size
        self.last = not size
        self.dropping = size + 2 if size else 0
        return True

    def _answer(self, request: Request) -> bool:
        request.size = int(request.headers.get("x-amz-decoded-content-length", request.size))
        status, headers, body = self.bucket.answer(request)
        length = headers.pop("content-length", str(len(body)))
        lines = [f"HTTP/1.1 {status} -", f"content-length: {length}", *(f"{k}: {v}" for k, v in headers.items())]
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if request.method == "HEAD" else body))
        self.request, self.chunked, self.last = None, False, False
        return True


def serve(port: int) -> None:
    """Serve for ever, on loopback, in one thread."""
    bucket = Bucket()
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    sock, _ = listener.accept()
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(sock, selectors.EVENT_READ, Peer(sock, bucket))
                    continue
                alive = False
                with suppress(OSError):
                    alive = key.data.readable()
                if not alive:
                    selector.unregister(key.data.sock)
                    key.data.sock.close()


if __name__ == "__main__":
    serve(int(sys.argv[1]))

"""A client that costs little: heads are bytes, files go from the page cache into the socket by sendfile."""

import http.client
import os
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_SLICE = 8 * 1024 * 1024
_TIMEOUT = 300
"""Seconds without any answer."""


@dataclass(frozen=True)
class Sample:
    """A file to upload."""

    path: Path
    size: int
    mime_type: str


@dataclass(frozen=True)
class Answer:
    """What came back, when the request's last byte had been written, and the seconds from then to the answer's end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    last_byte: float
    tail: float


class Wire:
    """One connection to a server of this machine, opened anew when the server has closed it."""

    def __init__(self, port: int) -> None:
        """Connect at the first request."""
        self._port = port
        self._sock: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._sock:
            self._sock.close()

    def send(
        self, method: str, target: str, headers: dict[str, str], body: Sample | None = None, around: bytes = b"\0"
    ) -> Answer:
        """One request; `around` is what goes before and after the file, a zero byte standing for the file itself.

        Raises OSError or `http.client.HTTPException` when the connection breaks.
        """
        before, _, after = around.partition(b"\0")
        length = len(before) + len(after) + (body.size if body else 0)
        lines = [f"{method} {target} HTTP/1.1", f"host: 127.0.0.1:{self._port}", f"content-length: {length}"]
        head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items())]).encode() + b"\r\n\r\n"
        sock = self._connected()
        with suppress(ConnectionError):  # who does not want the body may have answered already
            sock.sendall(head + before)
            if body:
                _pour(sock, body)
            if after:
                sock.sendall(after)
        return self._answer(method, sock)

    def _connected(self) -> socket.socket:
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", self._port))
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for way in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):  # Python's own timeout would make it non-blocking
                self._sock.setsockopt(socket.SOL_SOCKET, way, struct.pack("ll", _TIMEOUT, 0))
        return self._sock

    def _answer(self, method: str, sock: socket.socket) -> Answer:
        begun = time.monotonic()
        response = http.client.HTTPResponse(sock, method=method)
        response.begin()
        body = response.read()
        answer = Answer(response.status, response.headers, body, begun, time.monotonic() - begun)
        closes = response.will_close
        response.close()
        if closes:
            sock.close()
            self._sock = None
        return answer


def _pour(sock: socket.socket, body: Sample) -> None:
    with body.path.open("rb") as file:
        offset = 0
        while offset < body.size:
            offset += os.sendfile(sock.fileno(), file.fileno(), offset, min(_SLICE, body.size - offset))


def sample(path: Path, size: int) -> Sample:
    """Write a file that begins as a JPEG or an MP4 does, by its suffix, and goes on with noise that nobody decodes."""
    heads = {
        ".jpg": (bytes.fromhex("ffd8ffe000104a46494600010100000100010000"), "image/jpeg"),
        ".mp4": (bytes.fromhex("00000018667479706d703432000000006d70343269736f6d"), "video/mp4"),
    }
    head, mime_type = heads[path.suffix]
    block = os.urandom(1024 * 1024)
    with suppress(FileExistsError), path.open("xb") as file:
        file.write(head)
        for start in range(len(head), size, len(block)):
            file.write(block[: size - start])
    return Sample(path, size, mime_type)

"""Webhooks to one receiver, signed as Standard Webhooks says; the only place that speaks HTTP to strangers.

The receiver's name is resolved once a message, every answer is looked at, and the connection goes to an address that
was: a name that leads elsewhere a moment later leads nobody. Redirects are not followed, and no proxy is asked.
"""

import asyncio
import re
import socket
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from pipeline.addresses import public
from pipeline.errors import PermanentError, UndeliveredError
from pipeline.messages import Message
from pipeline.settings import Settings

TIMEOUT = 15.0
"""Seconds for one message, from the first connection to the answer (Standard Webhooks: 15 to 30)."""
_CONNECTING = 5.0
"""Seconds for one address, when there are several."""
_MOST_ADDRESSES = 4
_LONGEST_HEAD = 16 * 1024
"""Bytes of an answer that are read: its status and headers. Its body is nobody's business here."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)[ \r]")
_PRELIMINARY, _TAKEN = range(100, 200), range(200, 300)
_PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Sequence[str]]


def connect(settings: Settings) -> "Receiver | None":
    """The receiver that the settings name, if they do; nothing is contacted yet."""
    if not settings.webhook_url:
        return None
    return Receiver(settings.webhook_url, settings.webhook_secrets, private=settings.webhook_allow_private)


def resolved(host: str, port: int) -> Sequence[str]:
    """The addresses that the system's resolver has for a name, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class Receiver:
    """The `Webhooks` port. Every secret signs, so that a receiver may change from one to the next.

    `private` lets it be on this machine or network. A TLS certificate is checked against the name in the URL. Threads
    may share it.
    """

    url: str
    secrets: tuple[str, ...] = field(repr=False)
    private: bool = field(default=False, kw_only=True)
    resolve: Resolve = field(default=resolved, kw_only=True)
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context, kw_only=True, repr=False)

    def send(self, message: Message) -> None:
        """Deliver one message; any answer but 2xx is a failure."""
        target = urlsplit(self.url)
        host, port = target.hostname or "", target.port or _PORTS[target.scheme]
        try:
            addresses = self._allowed(host, port)
            status = asyncio.run(self._post(addresses, port, self._request(message)))
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:  # TimeoutError is an OSError
            raise UndeliveredError(f"{host}: {type(error).__name__}: {error}") from error
        if status == HTTPStatus.GONE:
            raise PermanentError("webhook_gone", f"{host} wants no more webhooks: it answered 410.")
        if status not in _TAKEN:
            raise UndeliveredError(f"{host} answered {status}")

    def _allowed(self, host: str, port: int) -> Sequence[str]:
        """What the name stands for; one forbidden address among them is reason enough to send nothing."""
        addresses = self.resolve(host, port)
        forbidden = () if self.private else [address for address in addresses if not public(address)]
        if forbidden or not addresses:
            raise UndeliveredError(f"{host} is at {', '.join(forbidden) or 'no address'}: not a public one")
        return addresses[:_MOST_ADDRESSES]

    def _request(self, message: Message) -> bytes:
        target, now = urlsplit(self.url), datetime.now(UTC)
        text = message.body.decode()
        headers = {
            "Host": target.netloc,
            "Content-Type": "application/json",
            "Content-Length": str(len(message.body)),
            "User-Agent": "Darkroom",
            "Connection": "close",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(Webhook(secret).sign(message.id, now, text) for secret in self.secrets),
        }
        line = f"POST {target.path or '/'}{'?' if target.query else ''}{target.query} HTTP/1.1"
        head = "\r\n".join([line, *(f"{name}: {value}" for name, value in headers.items()), "", ""])
        return head.encode("ascii") + message.body

    async def _post(self, addresses: Sequence[str], port: int, request: bytes) -> int:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await self._connected(addresses, port)
            try:
                writer.write(request)
                await writer.drain()
                return await _status(reader)
            finally:
                writer.transport.abort()

    async def _connected(self, addresses: Sequence[str], port: int) -> tuple[StreamReader, StreamWriter]:
        target = urlsplit(self.url)
        secure = target.scheme == "https"
        tls: dict[str, Any] = {"ssl": self.tls, "server_hostname": target.hostname} if secure else {}
        *others, last = addresses
        for address in others:
            try:
                async with asyncio.timeout(_CONNECTING):
                    return await asyncio.open_connection(address, port, limit=_LONGEST_HEAD, **tls)
            except OSError:
                continue
        return await asyncio.open_connection(last, port, limit=_LONGEST_HEAD, **tls)


async def _status(reader: StreamReader) -> int:
    """The status of the answer; 1xx ones come before it (RFC 9110, section 15.2)."""
    left = _LONGEST_HEAD
    while left > 0:
        head = await reader.readuntil(b"\r\n\r\n")
        left -= len(head)
        match = _STATUS.match(head)
        if match is None:
            raise ValueError("no HTTP answer")
        if int(match[1]) not in _PRELIMINARY:
            return int(match[1])
    raise ValueError("nothing but preliminary answers")

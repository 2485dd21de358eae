"""Who may talk to the server at all: it answers to its own names, and to pages of its own or of allowed origins.

A page anywhere can make a browser send requests to a server on its user's machine or network, directly or by pointing a
host name of its own there (DNS rebinding); `Origin` gives the first away and `Host` the second.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.problems import ProblemError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": ", ".join(
        (
            *("Authorization", "Content-Type", "Idempotency-Key", "X-Project-Id", "X-Request-Id", "X-Requested-With"),
            *("X-HTTP-Method-Override", "Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata"),
            *("Upload-Defer-Length", "Upload-Concat", "Upload-Checksum", "Last-Event-ID", "Content-MD5", "Digest"),
            *("Content-Digest", "Repr-Digest"),
            *(f"x-amz-checksum-{name}" for name in ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")),
        )
    ),
    "Access-Control-Max-Age": "600",
}
_EXPOSED = ", ".join(
    (
        *("Idempotent-Replayed", "Location", "Retry-After", "X-Request-Id", "Tus-Resumable", "Tus-Version"),
        *("Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm", "Upload-Offset", "Upload-Length"),
        *("Upload-Metadata", "Upload-Defer-Length", "Upload-Concat", "Upload-Expires"),
    )
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d*)?", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ForbiddenBindError(Exception):
    """The server would be open to a network without asking anybody who they are."""


@dataclass(frozen=True)
class Access:
    """Host names without port, and origins as browsers write them (`https://app.example.com`); `*` allows any."""

    hosts: frozenset[str]
    origins: frozenset[str]

    def check(self, headers: Headers) -> None:
        """Raises `ProblemError` when the request is meant for another host or sent by a foreign page."""
        if not self.hosts & {_name(headers.get("host", "")), "*"}:
            raise ProblemError("host_not_allowed")
        origin = headers.get("origin")
        if origin is not None and not _same(origin, headers) and self.guest(headers) is None:
            raise ProblemError("origin_not_allowed")

    def guest(self, headers: Headers) -> str | None:
        """The foreign origin that may read the answer, if there is one."""
        origin = headers.get("origin")
        return origin if origin and not _same(origin, headers) and self.origins & {origin, "*"} else None


def access_of(bind: str, hosts: tuple[str, ...], origins: tuple[str, ...], *, guarded: bool) -> Access:
    """The rules of a server on this address; raises `ForbiddenBindError` when others could reach it.

    Unless it is `guarded`: by API keys, or by something before it.
    """
    if not guarded and not loopback(bind):
        raise ForbiddenBindError(
            f"HOST is {bind}, and nobody on that network has an API key. Make one: darkroom keys create."
            " Or bind to 127.0.0.1, or set ALLOW_ANONYMOUS=1 if something before the server decides who gets through."
        )
    return Access(LOOPBACK | {bind.lower(), *(name.lower() for name in hosts)}, frozenset(origins))


@dataclass(frozen=True)
class Doorkeeper:
    """Refuses foreign hosts and origins, and answers the preflights of allowed ones."""

    app: ASGIApp
    access: Access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through; raises `ProblemError`."""
        inner = self.app
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            self.access.check(headers)
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                inner = Response(status_code=204, headers=_PREFLIGHT)
        await inner(scope, receive, send)


@dataclass(frozen=True)
class Cors:
    """Tells browsers that pages of an allowed origin may read the answer, also when it is an error."""

    app: ASGIApp
    access: Access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers where they are due."""
        guest = self.access.guest(Headers(scope=scope)) if scope["type"] == "http" else None
        if guest is None:
            await self.app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = guest
                headers["Access-Control-Expose-Headers"] = _EXPOSED
                headers.add_vary_header("Origin")
            await send(message)

        await self.app(scope, receive, answer)


def _same(origin: str, headers: Headers) -> bool:
    """Whether the page came from this server; behind a proxy the scheme it sees is not the browser's."""
    try:
        page, own = urlsplit(origin), urlsplit(f"//{headers.get('host', '')}")
        usual = _DEFAULT_PORTS[page.scheme]
        return bool(page.hostname) and (page.hostname, page.port or usual) == (own.hostname, own.port or usual)
    except (KeyError, ValueError):
        return False


def _name(host: str) -> str:
    match = _HOST.fullmatch(host)
    return match[1].strip("[]").lower() if match else ""


def loopback(bind: str) -> bool:
    """Whether a server on that address is reached from its own machine alone."""
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"

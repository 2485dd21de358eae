"""Who asks: what a caller may do, in which projects, and how an endpoint makes sure of it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ingest.problems import ProblemError
from pipeline.limits import Limits
from pipeline.media import Media

Endpoint = Callable[[Request], Awaitable[Response]]


class Right(StrEnum):
    """What a route asks for."""

    UPLOAD = "upload"
    FOLLOW = "follow"
    """To read one media, by its id."""
    READ = "read"
    WRITE = "write"


GRANTS: Mapping[str, frozenset[Right]] = MappingProxyType(
    {
        "read": frozenset({Right.FOLLOW, Right.READ}),
        "write": frozenset({Right.UPLOAD, Right.FOLLOW, Right.WRITE}),
        "token": frozenset({Right.UPLOAD, Right.FOLLOW}),
    }
)
"""What a key's rights, and an upload token, let their holder do."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """`id` may be logged. `projects` None means any; `bytes` of one file and MIME `types` bound an upload token.

    `rate` and `bytes_at_once` are the caller's own bounds, None for the usual ones.
    """

    id: str
    rights: frozenset[Right]
    projects: frozenset[str] | None = None
    bytes: int | None = None
    types: tuple[str, ...] = ()
    rate: str | None = None
    bytes_at_once: int | None = None

    def may(self, right: Right) -> None:
        """Return if the caller has the right at all; raises `ProblemError` (401 or 403)."""
        if right not in self.rights:
            raise ProblemError("right_missing" if self.rights else "credentials_missing")

    def enter(self, project_id: str) -> None:
        """Return if the project is one of the caller's; raises `ProblemError` (403)."""
        if self.projects is not None and project_id not in self.projects:
            raise ProblemError("project_forbidden")

    def see(self, media: Media | None) -> Media:
        """The media if it is in the caller's projects; one that is not, is not there: raises `ProblemError` (404)."""
        if media is None or (self.projects is not None and media.project_id not in self.projects):
            raise ProblemError("media_not_found")
        return media

    def narrow(self, limits: Limits) -> Limits:
        """The limits of what this caller uploads."""
        if self.bytes is None and not self.types:
            return limits
        most = limits.bytes if self.bytes is None else min(limits.bytes, self.bytes)
        if not self.types:
            return replace(limits, bytes=most)
        taken = frozenset(kind for kind in limits.accept if any(fnmatchcase(kind, each) for each in self.types))
        return replace(limits, bytes=most, accept=taken)


ANYBODY = Caller(id="anonymous", rights=frozenset(Right))
"""Who sends no credentials to a server that asks for none."""
NOBODY = Caller(id="nobody", rights=frozenset())
"""Who sends none to a server that does."""


def caller_of(request: Request) -> Caller:
    """Who sent the request, as `ingest.auth` found out."""
    caller: Caller = request.state.caller
    return caller


def door(path: str, right: Right, endpoint: Endpoint, *methods: str, name: str | None = None) -> Route:
    """A route that only callers with the right come through; the endpoint itself looks at the project.

    OPTIONS, where the route takes it, says what the server can do and is open.
    """
    route = Route(path, Door(right, endpoint), methods=list(methods), name=name)
    route.path_regex = re.compile(route.path_regex.pattern, re.DOTALL)  # a file's name may have a newline in it
    return route


@dataclass(frozen=True)
class Door:
    """The route's ASGI application; for functions Starlette has one that wraps each request in error handlers."""

    right: Right
    endpoint: Endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raises `ProblemError`."""
        request = Request(scope, receive, send)
        if request.method != "OPTIONS":
            caller_of(request).may(self.right)
        answer = await self.endpoint(request)
        await answer(scope, receive, send)

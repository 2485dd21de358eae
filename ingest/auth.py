"""`Authorization: Bearer` becomes a `Caller` in `request.state.caller`, before any endpoint runs."""

from dataclasses import dataclass

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.callers import ANYBODY, GRANTS, NOBODY, Caller
from ingest.keyring import Keyring
from ingest.problems import ProblemError
from ingest.tokens import Tokens
from pipeline.apikeys import EVERY, ApiKey

_EVENTS = "/events"
"""How paths end whose reader may be a browser's EventSource, which sends no headers."""


@dataclass(frozen=True)
class Authentication:
    """Finds out who asks. `closed`: credentials are asked for even as long as no key was ever made.

    `anonymous`: they never are, since something before the server decides; those that are sent must be right all the
    same.
    """

    app: ASGIApp
    keyring: Keyring
    tokens: Tokens
    anonymous: bool
    closed: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say who asks; raises `ProblemError` (401) for credentials that are wrong."""
        if scope["type"] == "http":
            caller = await self._caller(Headers(scope=scope), scope)
            state = scope.setdefault("state", {})
            state["caller"] = caller
            if caller is not ANYBODY:
                state["facts"]["caller"] = caller.id
        await self.app(scope, receive, send)

    async def _caller(self, headers: Headers, scope: Scope) -> Caller:
        given = headers.getlist("authorization")
        # RFC 6750, section 2.3. An API key lives long and a URL is written down everywhere: tokens alone.
        in_url = QueryParams(scope["query_string"]).get("access_token") if scope["path"].endswith(_EVENTS) else None
        if not given and in_url:
            return await self._token(in_url)
        if not given:
            return ANYBODY if await self._open() else NOBODY
        scheme, _, credentials = given[0].partition(" ")
        if len(given) > 1 or scheme.lower() != "bearer":
            raise ProblemError("credentials_invalid")
        credentials = credentials.strip()
        if credentials.count(".") == 2:  # noqa: PLR2004 - a JWT has three parts; no key has a dot
            return await self._token(credentials)
        key = await self.keyring.find(credentials)
        if key is None:
            raise ProblemError("credentials_invalid")
        return _holder(key)

    async def _open(self) -> bool:
        return self.anonymous or not (self.closed or await self.keyring.used())

    async def _token(self, text: str) -> Caller:
        """A token's holder: what the token says, as long as the key that minted it may still do that."""
        grant = self.tokens.read(text)
        if grant.key_id is None:
            if not await self._open():
                raise ProblemError("credentials_invalid")
        else:
            key = await self.keyring.named(grant.key_id)
            if key is None or not _covers(key, grant.project_id):
                raise ProblemError("credentials_invalid")
        return Caller(
            id=f"token:{grant.id}",
            rights=GRANTS["token"],
            projects=frozenset({grant.project_id}),
            bytes=grant.bytes,
            types=grant.types,
        )


def _holder(key: ApiKey) -> Caller:
    return Caller(
        id=f"key:{key.id}",
        rights=frozenset().union(*(GRANTS[right] for right in key.rights)),
        projects=None if EVERY in key.projects else key.projects,
        rate=key.rate,
        bytes_at_once=key.bytes,
    )


def _covers(key: ApiKey, project_id: str) -> bool:
    return "write" in key.rights and bool({EVERY, project_id} & key.projects)

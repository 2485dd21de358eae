"""Upload tokens: what a key's holder gives a browser, so that it may upload to one project for a while.

A JWT, signed with HMAC-SHA256 by the first of `TOKEN_SECRETS`; the others are still believed, so that they can be
rotated without a token failing.
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest.bodies import small
from ingest.callers import caller_of
from ingest.problems import ProblemError
from ingest.submissions import project_of
from pipeline.limits import Limits

AUDIENCE = "darkroom-upload"
USUAL, LONGEST = 15 * 60, 24 * 3600
"""Seconds that a token is good for: when the request does not say, and at most."""
MOST_TYPES = 32
_MOST_BYTES = 4096
_ALGORITHM = "HS256"
_CLAIMS = ("aud", "exp", "jti", "project")


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a token says. `key_id` is the key that minted it, None when nobody had to show one."""

    id: str
    project_id: str
    key_id: str | None
    bytes: int | None
    types: tuple[str, ...]


@dataclass(frozen=True)
class Tokens:
    """Signs and reads tokens, and the endpoint that gives them out."""

    secrets: tuple[str, ...] = field(repr=False)
    limits: Limits

    def read(self, text: str) -> Grant:
        """What the token says; raises `ProblemError` unless one of our secrets signed it and it still holds."""
        for secret in self.secrets:
            try:
                claims = jwt.decode(text, secret, [_ALGORITHM], {"require": list(_CLAIMS)}, audience=AUDIENCE, leeway=0)
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise ProblemError("token_expired") from None
            except jwt.InvalidTokenError:
                break
            return _grant(claims)
        raise ProblemError("credentials_invalid")

    async def post(self, request: Request) -> Response:
        """Give out a token for one project, at most as good as its minter."""
        if not self.secrets:
            raise ProblemError("tokens_off")
        wanted = _wanted(await small(request.receive, _MOST_BYTES))
        project_id = project_of([wanted["projectId"]]) or ""
        caller = caller_of(request)
        caller.enter(project_id)
        key_id = caller.id.removeprefix("key:") if caller.id.startswith("key:") else None
        bounds = {"key": key_id, "bytes": wanted.get("maxBytes"), "types": wanted.get("types")}
        expires, token_id = int(time.time()) + wanted.get("expiresIn", USUAL), secrets.token_hex(8)
        said = {"aud": AUDIENCE, "jti": token_id, "project": project_id, "iat": int(time.time()), "exp": expires}
        given = {name: bound for name, bound in bounds.items() if bound is not None}
        request.state.facts.update(project_id=project_id, token=token_id)
        token = jwt.encode(said | given, self.secrets[0], _ALGORITHM)
        body = {"success": True, "token": token, "projectId": project_id, "expiresAt": expires}
        return JSONResponse(body, 201, {"Cache-Control": "no-store"})


def _wanted(body: bytes) -> dict[str, Any]:
    try:
        wanted = json.loads(body)
    except (ValueError, RecursionError):
        raise ProblemError("malformed_json") from None
    if not isinstance(wanted, dict) or not _well_formed(wanted):
        raise ProblemError("malformed_json")
    if not isinstance(wanted.get("projectId"), str):
        raise ProblemError("project_id_missing")
    return wanted


def _well_formed(wanted: Mapping[str, Any]) -> bool:
    most, types, lasting = wanted.get("maxBytes"), wanted.get("types"), wanted.get("expiresIn", USUAL)
    return (
        (most is None or _whole(most, 2**53))
        and _whole(lasting, LONGEST)
        and (
            types is None
            or (
                isinstance(types, list)
                and 0 < len(types) <= MOST_TYPES
                and all(isinstance(each, str) and len(each) <= 100 for each in types)  # noqa: PLR2004 - of no MIME type
            )
        )
    )


def _whole(value: object, most: int) -> bool:
    return type(value) is int and 0 < value <= most


def _grant(claims: Mapping[str, Any]) -> Grant:
    return Grant(
        id=claims["jti"],
        project_id=claims["project"],
        key_id=claims.get("key"),
        bytes=claims.get("bytes"),
        types=tuple(claims.get("types", ())),
    )

"""API keys: 256 random bits that their holder keeps, and a row with their hash that says what they are for."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import keys
from pipeline.changes import Absent, Compare, Every, Key, Put, RefusedError, Update
from pipeline.ports import Records

SHELF = "apikeys"
"""The hash key of all their rows: there are few, and one query reads them."""
RIGHTS = ("read", "write")
EVERY = "*"
"""Stands for all projects."""
WHOLE = re.compile(r"dk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
"""What a key looks like: its id, and what only its holder knows."""

_NONE = "0" * 64


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key's row. `digest` is the SHA-256 of the whole key in hex; times are milliseconds since the epoch.

    `rate` (such as `20/s`) and `bytes` at once are bounds of this key alone, None for those of pipeline.toml.
    """

    id: str
    name: str
    digest: str
    projects: frozenset[str]
    rights: frozenset[str]
    created_at: int
    revoked_at: int | None = None
    rate: str | None = None
    bytes: int | None = None


def create(records: Records, name: str, projects: Iterable[str], rights: Iterable[str], **bounds: Any) -> str:  # noqa: ANN401 - ApiKey's fields
    """Make a key and return it; nobody can read it again. Raises ValueError for what no key can be for."""
    named, granted = sorted(set(projects)), sorted(set(rights))
    if not named or not all(name == EVERY or keys.PROJECT_ID.fullmatch(name) for name in named):
        raise ValueError("a key is for projects by their ids, or for * alone: all of them")
    if not granted or not set(granted) <= set(RIGHTS):
        raise ValueError(f"a key may {' or '.join(RIGHTS)}, or both")
    key_id = secrets.token_hex(6)
    key = f"dk_{key_id}_{secrets.token_urlsafe(32)}"
    row = {"name": name, "digest": _digest(key), "projects": named, "rights": granted, "createdAt": records.now()}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    records.write([Put(_place(key_id), row | given, Absent("task"))])
    return key


def revoke(records: Records, key_id: str) -> bool:
    """End a key for good; False when there is none of that id, or it has ended before. Its row stays, to be listed."""
    good = Every((Compare("createdAt", ">=", 0), Absent("revokedAt")))
    try:
        records.update(Update(_place(key_id), good, set={"revokedAt": records.now()}))
    except RefusedError:
        return False
    return True


def listed(records: Records) -> list[ApiKey]:
    """Every key that was ever made, oldest first."""
    found = [_of(row) for row in records.tasks(SHELF)]
    return sorted(found, key=lambda each: (each.created_at, each.id))


def recognised(known: Mapping[str, ApiKey], given: str) -> ApiKey | None:
    """The key, if it is one of the known and has not been revoked; how long that takes tells nothing about it."""
    match = WHOLE.fullmatch(given)
    found = known.get(match[1]) if match else None
    same = hmac.compare_digest(_digest(given), found.digest if found else _NONE)
    return found if found is not None and same and found.revoked_at is None else None


def _digest(key: str) -> str:
    # A plain hash is enough: nobody guesses 256 random bits, however fast the hash is.
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _place(key_id: str) -> Key:
    return Key("tasks", SHELF, key_id)


def _of(row: Mapping[str, Any]) -> ApiKey:
    return ApiKey(
        id=row["task"],
        name=row["name"],
        digest=row["digest"],
        projects=frozenset(row["projects"]),
        rights=frozenset(row["rights"]),
        created_at=row["createdAt"],
        revoked_at=row.get("revokedAt"),
        rate=row.get("rate"),
        bytes=row.get("bytes"),
    )

"""AWS Signature Version 4: a path encoded once, as S3 has it, the payload's hash in a header of its own.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

UNSIGNED = "UNSIGNED-PAYLOAD"
"""Instead of the payload's SHA-256, where something else protects it."""

EMPTY = hashlib.sha256(b"").hexdigest()

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"


@dataclass(frozen=True)
class Credentials:
    """What signs; `token` goes along with temporary ones."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def path_of(path: str) -> str:
    """The path as it goes over the wire and is signed."""
    return quote(path, safe=_UNRESERVED + "/")


def query_of(query: Mapping[str, str]) -> str:
    """The query, likewise: sorted by name; a name without a value keeps its `=`."""
    return "&".join(
        sorted(f"{quote(name, safe=_UNRESERVED)}={quote(value, safe=_UNRESERVED)}" for name, value in query.items())
    )


def signed(  # noqa: PLR0913 - what a signature is of
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    payload: str,
    *,
    credentials: Credentials,
    region: str,
    at: float,
    service: str = "s3",
) -> dict[str, str]:
    """The headers with those that authenticate the request.

    `headers` have lower-case names, `host` among them, and all are signed; `path` and `query` are as `path_of` and
    `query_of` write them. `payload` is the body's SHA-256 in hex, or `UNSIGNED`; `at` seconds since the epoch.
    """
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    whole = {**headers, "x-amz-content-sha256": payload, "x-amz-date": stamp}
    if credentials.token:
        whole["x-amz-security-token"] = credentials.token
    names = sorted(whole)
    listed = ";".join(names)
    lines = "".join(f"{name}:{' '.join(whole[name].split())}\n" for name in names)
    request = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{payload}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(
        _key(credentials.secret_key, stamp[:8], region, service), text.encode(), hashlib.sha256
    ).hexdigest()
    whole["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={listed}, Signature={signature}"
    )
    return whole


@lru_cache(maxsize=8)
def _key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for word in (day, region, service, "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    return key

"""Who we are at AWS, or at what speaks its language, and where its services are.

Where the environment says all of it by itself, as containers' does and `make run`'s, the SDK is not asked: it is
30 MB in every process. Otherwise it finds credentials and endpoints where it always does.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.adapters.sigv4 import Credentials

if TYPE_CHECKING:
    from pipeline.adapters.aws_sdk import Sdk


@dataclass(frozen=True)
class Place:
    """`origin` is `http(s)://host[:port]`, `base` what stands before a key in a path: `/`, or `/bucket/`."""

    origin: str
    base: str
    region: str

    @property
    def host(self) -> str:
        """The Host header."""
        return urlsplit(self.origin).netloc


@dataclass(frozen=True)
class Account:
    """What the environment said when the account was asked for; `sdk` is loaded when it is first needed."""

    region: str | None
    pair: Credentials | None = field(repr=False)
    endpoints: Mapping[str, str]

    @cached_property
    def sdk(self) -> "Sdk":
        """The SDK with all this."""
        from pipeline.adapters.aws_sdk import Sdk  # noqa: PLC0415 - 30 MB that most processes never need

        return Sdk(self)

    def credentials(self) -> Credentials:
        """Those of now; raises `UnavailableError` when there are none."""
        return self.pair or self.sdk.credentials()

    def bucket(self, name: str, region: str | None = None) -> Place:
        """Where requests for the bucket go, in its own or another region; nothing is sent."""
        return self._named("s3", f"{name}/", region) or self.sdk.bucket(name, region)

    def records(self) -> Place:
        """Where DynamoDB is."""
        return self._named("dynamodb", "", None) or self.sdk.records()

    def certificates(self, origin: str) -> ssl.SSLContext | None:
        """The authorities to trust there; None where nothing is encrypted."""
        return self.sdk.certificates() if origin.startswith("https:") else None

    def _named(self, service: str, base: str, region: str | None) -> Place | None:
        """At an endpoint that is named, a bucket is no sub-domain: few servers that are no Amazon could tell."""
        endpoint, region = self.endpoints.get(service), region or self.region
        if endpoint is None or region is None:
            return None
        parts = urlsplit(endpoint)
        return Place(f"{parts.scheme}://{parts.netloc}", f"{parts.path.rstrip('/')}/{base}", region)


def account(environ: Mapping[str, str] = os.environ) -> Account:
    """The account that the environment names, or that the SDK finds."""
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        endpoints = {}
    else:
        names = {each: f"AWS_ENDPOINT_URL_{each.upper()}" for each in ("s3", "dynamodb")}
        named = {each: environ.get(name) or environ.get("AWS_ENDPOINT_URL") for each, name in names.items()}
        endpoints = {each: url for each, url in named.items() if url}
    return Account(region(environ) or environ.get("AWS_DEFAULT_REGION"), _pair(environ), endpoints)


def region(environ: Mapping[str, str] = os.environ) -> str | None:
    """What `AWS_REGION` says, as containers and Lambda do; None leaves it to the SDK, which reads another variable."""
    return environ.get("AWS_REGION") or None


def _pair(environ: Mapping[str, str]) -> Credentials | None:
    """The environment's own credentials, which come before all others; those that expire are the SDK's to renew."""
    access, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if not access or not secret or environ.get("AWS_CREDENTIAL_EXPIRATION"):
        return None
    token = environ.get("AWS_SESSION_TOKEN") or environ.get("AWS_SECURITY_TOKEN")
    return Credentials(access, secret, token or None)

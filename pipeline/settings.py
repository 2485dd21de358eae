"""The environment as `Settings`: read once by a composition root, all mistakes told at once."""

import os
import tempfile
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pipeline.addresses import public

SHORTEST_SECRET = 32
"""Bytes of a secret that signs with HMAC-SHA256 (RFC 7518, section 3.2)."""


class SettingsError(Exception):
    """The environment cannot be used; the text lists every mistake."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What differs between installations; endpoints and credentials of AWS are boto3's own `AWS_*` variables."""

    s3_bucket: str
    s3_public_endpoint: str
    redis_url: str
    records: str
    media_table: str
    tasks_table: str
    sqlite_path: Path
    public_base_url: str
    production: bool
    pipeline: Path
    ffmpeg: str | None
    scratch: Path
    host: str
    port: int
    allow_anonymous: bool
    token_secrets: tuple[str, ...] = field(repr=False)
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    json_logs: bool
    events_queue_url: str
    webhook_url: str
    webhook_secrets: tuple[str, ...] = field(repr=False)
    webhook_allow_private: bool

    def url(self, key: str) -> str:
        """The public URL of a key, percent-encoded."""
        return f"{self.public_base_url}/{quote(key)}"


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings of the environment; raises `SettingsError` listing all that is missing or wrong."""
    reader = _Reader(environ)
    records = reader.one_of("RECORDS", ("dynamodb", "sqlite"), "dynamodb")
    settings: dict[str, Any] = {
        "s3_bucket": reader.text("S3_BUCKET"),
        "s3_public_endpoint": reader.url("S3_PUBLIC_ENDPOINT", ("https", "http"), ""),
        "redis_url": reader.url("REDIS_URL", ("redis", "rediss", "unix")),
        "records": records,
        "media_table": reader.text("MEDIA_TABLE", None if records == "dynamodb" else "media"),
        "tasks_table": reader.text("TASKS_TABLE", None if records == "dynamodb" else "tasks"),
        "sqlite_path": Path(reader.text("SQLITE_PATH", None if records == "sqlite" else ":memory:")),
        "public_base_url": reader.url("PUBLIC_BASE_URL", ("http", "https"), _bucket_url(environ)).rstrip("/"),
        "production": reader.one_of("ENVIRONMENT", ("development", "production"), "development") == "production",
        "pipeline": Path(reader.text("PIPELINE", "pipeline.toml")),
        "ffmpeg": environ.get("FFMPEG") or None,
        "scratch": Path(reader.text("SCRATCH_DIR", tempfile.gettempdir())),
        "host": reader.text("HOST", "127.0.0.1"),
        "port": reader.number("PORT", 8000, 0, 65535),
        "allow_anonymous": reader.one_of("ALLOW_ANONYMOUS", ("0", "1"), "0") == "1",
        "events_queue_url": reader.url("EVENTS_QUEUE_URL", ("https", "http"), ""),
        "token_secrets": _token_secrets(reader),
        "allowed_hosts": reader.words("ALLOWED_HOSTS"),
        "allowed_origins": reader.words("ALLOWED_ORIGINS"),
        "json_logs": reader.one_of("LOG_FORMAT", ("console", "json"), "console") == "json",
    }
    settings |= _webhooks(reader)
    if reader.mistakes:
        raise SettingsError("Set the environment right:\n" + "\n".join(f"  - {mistake}" for mistake in reader.mistakes))
    return Settings(**settings)


def _webhooks(reader: "_Reader") -> dict[str, Any]:
    private = reader.one_of("WEBHOOK_ALLOW_PRIVATE", ("0", "1"), "0") == "1"
    url = reader.url("WEBHOOK_URL", ("https", "http") if private else ("https",), "")
    secrets = reader.words("WEBHOOK_SECRETS")
    if url and not secrets:
        reader.mistakes.append("WEBHOOK_SECRETS is not set: webhooks are signed")
    for number, secret in enumerate(secrets, 1):
        if not _strong(secret):  # which is not shown: it may be one all the same
            reader.mistakes.append(f"WEBHOOK_SECRETS, number {number}: give whsec_ and 24 to 64 bytes in base64")
    if url and not _deliverable(url):
        reader.mistakes.append("WEBHOOK_URL: give ASCII, a host, and no user name; secrets sign, they do not go along")
    elif url and not private and _forbidden(urlsplit(url).hostname or ""):
        reader.mistakes.append("WEBHOOK_URL is no public address: set WEBHOOK_ALLOW_PRIVATE=1 to mean it")
    return {"webhook_url": url, "webhook_secrets": secrets, "webhook_allow_private": private}


def _token_secrets(reader: "_Reader") -> tuple[str, ...]:
    secrets = reader.words("TOKEN_SECRETS")
    for number, secret in enumerate(secrets, 1):
        if len(secret.encode()) < SHORTEST_SECRET:  # which is not shown
            reader.mistakes.append(f"TOKEN_SECRETS, number {number}: give at least {SHORTEST_SECRET} characters")
    return secrets


def _deliverable(url: str) -> bool:
    with suppress(ValueError):
        target = urlsplit(url)
        return url.isascii() and bool(target.hostname) and target.username is None and target.port != 0
    return False


def _forbidden(host: str) -> bool:
    """Whether it is an address, and not in public; those of a name are looked at whenever it is used."""
    with suppress(ValueError):
        return not public(host)
    return False


def _strong(secret: str) -> bool:
    """Whether it is a signing secret of Standard Webhooks."""
    with suppress(ValueError):
        prefix, _, encoded = secret.partition("_")
        return prefix == "whsec" and len(b64decode(encoded, validate=True)) in range(24, 65)
    return False


@dataclass(frozen=True)
class _Reader:
    environ: Mapping[str, str]
    mistakes: list[str]

    def __init__(self, environ: Mapping[str, str]) -> None:
        object.__setattr__(self, "environ", environ)
        object.__setattr__(self, "mistakes", [])

    def text(self, name: str, default: str | None = None) -> str:
        value = self.environ.get(name) or default
        if value is None:
            self.mistakes.append(f"{name} is not set")
        return value or ""

    def one_of(self, name: str, values: tuple[str, ...], default: str) -> str:
        return self._checked(name, default, lambda value: value in values, f"one of {', '.join(values)}")

    def url(self, name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
        return self._checked(
            name, default, lambda value: urlsplit(value).scheme in schemes, f"a URL starting with {schemes[0]}://"
        )

    def number(self, name: str, default: int, low: int, high: int) -> int:
        text = self._checked(
            name,
            str(default),
            lambda value: value.isdecimal() and low <= int(value) <= high,
            f"a number from {low} to {high}",
        )
        return int(text) if text.isdecimal() else default

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word for part in self.environ.get(name, "").split(",") if (word := part.strip()))

    def _checked(self, name: str, default: str | None, good: Callable[[str], Any], wanted: str) -> str:
        value = self.text(name, default)
        if value and not good(value):
            self.mistakes.append(f"{name} is {value!r}: give {wanted}")
        return value


def _bucket_url(environ: Mapping[str, str]) -> str:
    """Where the bucket's objects are without a CDN: the endpoint's path style, else Amazon's host style."""
    bucket = environ.get("S3_BUCKET", "")
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return f"{endpoint.rstrip('/')}/{bucket}" if endpoint else f"https://{bucket}.s3.{region}.amazonaws.com"

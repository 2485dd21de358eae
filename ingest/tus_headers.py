"""The headers of tus 1.0.0, read: https://tus.io/protocols/resumable-upload."""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from email.utils import formatdate
from types import MappingProxyType
from typing import NamedTuple, Protocol

from starlette.datastructures import Headers

from ingest.problems import ProblemError

VERSION = "1.0.0"
EXTENSIONS = (
    *("creation", "creation-with-upload", "creation-defer-length", "expiration", "termination", "checksum"),
    "concatenation",
)
CONTENT_TYPE = "application/offset+octet-stream"
LONGEST_METADATA = 16 * 1024
"""Bytes of Upload-Metadata that are kept."""
MOST_PIECES = 100
"""Partial uploads that one final upload may be made of."""
_LONGEST_NUMBER = 18  # digits: less than 2**63
_KEY = re.compile(r"[!-+\--~]+")  # ASCII without space and comma


class Hash(Protocol):
    """A digest being made."""

    def update(self, data: memoryview, /) -> object:
        """Take more bytes."""

    def digest(self) -> bytes:
        """The digest of all that was taken."""


class Crc32:
    """CRC-32 (ISO 3309), big-endian, as a hash."""

    def __init__(self) -> None:
        """Of nothing."""
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        """Take more bytes."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Four bytes."""
        return self._value.to_bytes(4, "big")


# MD5 and SHA-1 are offered to find damage on the way; nothing is trusted for them.
ALGORITHMS: Mapping[str, Callable[[], Hash]] = MappingProxyType(
    {
        "sha1": lambda: hashlib.sha1(usedforsecurity=False),
        "md5": lambda: hashlib.md5(usedforsecurity=False),
        "sha256": hashlib.sha256,
        "crc32": Crc32,
    }
)


def number_of(headers: Headers, name: str, problem: str) -> int | None:
    """A number of bytes that a header says, None without the header; raises `ProblemError`."""
    text = headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER):
        raise ProblemError(problem)
    return int(text)


def length_of(headers: Headers) -> int | None:
    """What a creation says of the length, None when it defers it; raises `ProblemError`."""
    length = number_of(headers, "upload-length", "upload_length_invalid")
    deferred = headers.get("upload-defer-length")
    if (length is None) == (deferred is None) or deferred not in {None, "1"}:
        raise ProblemError("upload_length_invalid")
    return length


def metadata_of(headers: Headers) -> dict[str, str]:
    """Upload-Metadata, its values decoded; a name may stand alone. Raises `ProblemError`."""
    text = headers.get("upload-metadata", "")
    if len(text) > LONGEST_METADATA:
        raise ProblemError("upload_metadata_invalid")
    metadata: dict[str, str] = {}
    for pair in filter(None, (each.strip() for each in text.split(","))):
        name, _, encoded = pair.partition(" ")
        value = _decoded(encoded.strip(), "upload_metadata_invalid")
        if name in metadata or not _KEY.fullmatch(name):
            raise ProblemError("upload_metadata_invalid")
        metadata[name] = value.decode(errors="replace")
    return metadata


class Check(NamedTuple):
    """The digest that some bytes must have, and the hash that is told them."""

    name: str
    running: Hash
    digest: bytes


def checksum_of(headers: Headers) -> Check | None:
    """The hash to make of the request's bytes, and what it must be; raises `ProblemError`."""
    text = headers.get("upload-checksum")
    if text is None:
        return None
    name, _, encoded = text.partition(" ")
    if name not in ALGORITHMS or not encoded:
        raise ProblemError("upload_checksum_invalid")
    return Check(name, ALGORITHMS[name](), _decoded(encoded, "upload_checksum_invalid"))


def concat_of(headers: Headers) -> tuple[str, tuple[str, ...]]:
    """`partial`, `final` or nothing, and the ids of the uploads that a final one is made of; raises `ProblemError`."""
    text = headers.get("upload-concat", "")
    if text in {"", "partial"}:
        return text, ()
    kind, _, listed = text.partition(";")
    ids = tuple(url.partition("?")[0].rstrip("/").rpartition("/")[2] for url in listed.split())
    if kind != "final" or not 1 <= len(ids) <= MOST_PIECES or len(set(ids)) < len(ids):
        raise ProblemError("upload_concat_invalid")
    return kind, ids


def http_date(ms: int) -> str:
    """A time in ms since the epoch as Upload-Expires has it (RFC 9110, section 5.6.7)."""
    return formatdate(ms / 1000, usegmt=True)


def _decoded(text: str, problem: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProblemError(problem) from None

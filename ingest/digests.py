"""Digests that a client sends along, and that what came is compared with before anything is stored for good.

`Content-MD5` (RFC 1864), `Content-Digest` and `Repr-Digest` (RFC 9530), `Digest` (RFC 3230) are of the body as it was
sent; `x-amz-checksum-*` is of the file, as everywhere in S3. In a form the file's own part may have any of them.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Protocol

from ingest.problems import ProblemError
from pipeline.adapters.checksums import DIGESTS


class Running(Protocol):
    """A digest that is told the bytes as they come."""

    def update(self, data: bytes | memoryview, /) -> None: ...  # noqa: D102
    def digest(self) -> bytes: ...  # noqa: D102


_NAMES = {"sha": "sha1", "sha-1": "sha1", "sha-256": "sha256", "sha-512": "sha512"}
_LISTS = ("content-digest", "repr-digest", "digest")
_S3 = "x-amz-checksum-"
_S3_KNOWN = frozenset({"sha1", "sha256", "crc32", "crc32c", "crc64nvme"})
_S3_OTHER = frozenset({"algorithm", "type", "mode"})  # which say something about a checksum
# RFC 9530: sha-256=:base64:, and its forerunner: SHA-256=base64
_ITEM = re.compile(r"\s*([A-Za-z0-9-]+)\s*=\s*:?([A-Za-z0-9+/]+={0,2}):?\s*")


class Digests:
    """What was announced by algorithm, and what came; raises `ProblemError` when it is made no sense of."""

    def __init__(self, announced: Iterable[tuple[str, str]]) -> None:
        """Pairs of header names, in lower case, and values; those that announce no digest are skipped."""
        self.expected: dict[str, bytes] = {}
        for name, value in announced:
            for algorithm, text in _items(name, value):
                self._expect(algorithm, text)
        self._running: dict[str, Running] = {name: DIGESTS[name]() for name in self.expected}

    def update(self, data: bytes | memoryview) -> None:
        """The next bytes."""
        for running in self._running.values():
            running.update(data)

    def check(self) -> dict[str, str]:
        """What was compared, by algorithm, in base64; raises `ProblemError` when other bytes came than were meant."""
        for name, running in self._running.items():
            if running.digest() != self.expected[name]:
                raise ProblemError("digest_mismatch")
        return {name: b64encode(value).decode() for name, value in self.expected.items()}

    def watch(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The body as it comes; it ends only if it is what was announced."""
        return self._watched(body) if self._running else body

    async def _watched(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in body:
            self.update(chunk)
            yield chunk
        self.check()

    def _expect(self, algorithm: str, text: str) -> None:
        if algorithm not in DIGESTS:  # others may know it
            return
        with suppress(Error, ValueError):
            value = b64decode(text, validate=True)
            if len(value) == len(DIGESTS[algorithm]().digest()):
                if self.expected.setdefault(algorithm, value) != value:
                    raise ProblemError("digest_conflict")
                return
        raise ProblemError("digest_invalid")


def of_body(headers: Iterable[tuple[str, str]]) -> Digests:
    """The digests of a request's body."""
    return Digests((name, value) for name, value in headers if not name.startswith(_S3))


def s3(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that are of the file, also in a body that holds more than it."""
    return [(name, value) for name, value in headers if name.startswith(_S3)]


def of_file(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What S3's own headers say of a file that comes past us: base64, by algorithm; raises `ProblemError`."""
    named = Digests((name, value) for name, value in s3(headers) if name.removeprefix(_S3) in _S3_KNOWN).expected
    return {algorithm: b64encode(value).decode() for algorithm, value in named.items()}


def for_s3(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The one that S3 is to compare a form's file with, which takes no two; raises `ProblemError`."""
    named = of_file(headers)
    if len(named) > 1:
        raise ProblemError("digests_exceeded")
    return named


def _items(name: str, value: str) -> Iterable[tuple[str, str]]:
    if name == "content-md5":
        yield "md5", value.strip()
    elif name.startswith(_S3) and name.removeprefix(_S3) not in _S3_OTHER:
        yield name.removeprefix(_S3), value.strip()
    elif name in _LISTS:
        for item in value.split(","):
            found = _ITEM.fullmatch(item)
            if found is None:
                raise ProblemError("digest_invalid")
            algorithm = found[1].lower()
            yield _NAMES.get(algorithm, algorithm), found[2]

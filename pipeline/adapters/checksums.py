"""Checksums that S3 knows and clients announce, as S3 writes them: big-endian, base64.

CRC-64/NVME is the one that S3 itself uses where nobody asks for another.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from awscrt import checksums

from pipeline.ports import Part

NAME = "crc64nvme"
Buffer = bytes | bytearray | memoryview


def crc64(buffer: Buffer) -> str:
    """The checksum of the bytes."""
    return _text(checksums.crc64nvme(buffer))


def crc64_of_parts(parts: Iterable[Part]) -> str | None:
    """That of an object made of parts, S3's type FULL_OBJECT; None when a part has none."""
    whole = 0
    for part in parts:
        if part.crc is None:
            return None
        whole = checksums.combine_crc64nvme(whole, int.from_bytes(base64.b64decode(part.crc), "big"), part.size)
    return _text(whole)


def _text(value: int) -> str:
    return base64.b64encode(value.to_bytes(8, "big")).decode()


class _Crc:
    """A CRC that is told the bytes as they come, in the way of hashlib."""

    def __init__(self, step: Callable[[Buffer, int], int], size: int) -> None:
        self._step, self._size, self._value = step, size, 0

    def update(self, data: Buffer) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


RUNNING: Mapping[str, Callable[[], _Crc]] = MappingProxyType(
    {
        "crc32": lambda: _Crc(checksums.crc32, 4),
        "crc32c": lambda: _Crc(checksums.crc32c, 4),
        "crc64nvme": lambda: _Crc(checksums.crc64nvme, 8),
    }
)
"""The CRCs that S3 knows, by its names for them."""

DIGESTS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512, **RUNNING}
)
"""All that clients may announce; each is told the bytes by `update` and says what they make by `digest`."""
_PIECE = 1024 * 1024


def of_file(path: Path, names: Iterable[str], going_on: Callable[[], None]) -> dict[str, str]:
    """Those digests of a file, base64 by algorithm; `going_on` is called before each piece and raises to stop."""
    running = {name: DIGESTS[name]() for name in names}
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(_PIECE), b""):
            going_on()
            for each in running.values():
                each.update(piece)
    return {name: base64.b64encode(each.digest()).decode() for name, each in running.items()}

"""CRC-64/NVME, the checksum that S3 itself uses where nobody asks for another, as S3 writes it: big-endian, base64."""

import base64
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

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

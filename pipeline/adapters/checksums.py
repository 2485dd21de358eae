"""CRC-64/NVME, the checksum that S3 itself uses where nobody asks for another, as S3 writes it: big-endian, base64."""

import base64
from collections.abc import Iterable

from awscrt import checksums

from pipeline.ports import Part

NAME = "crc64nvme"


def crc64(buffer: bytes | bytearray | memoryview) -> str:
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

"""Bytes on their way to S3: sent piece by piece within a deadline, checked there by their CRC-32."""

import base64
import time
import zlib
from collections.abc import Iterable

from pipeline.ports import Part

Buffer = bytes | bytearray | memoryview

_PIECE = 256 * 1024


class Body:
    """Memory as the file that an HTTP client reads a request's body from, without copying it.

    Reading raises `TimeoutError` once `seconds` have passed: a socket's timeout alone would let a trickle go on for
    ever, and after a lease and one PUT's time nobody may write any more.
    """

    def __init__(self, buffer: Buffer, seconds: float) -> None:
        self._view = memoryview(buffer)
        self._position = 0
        self._deadline = time.monotonic() + seconds

    def __len__(self) -> int:
        return len(self._view)

    def read(self, _size: int = -1) -> memoryview:
        """The next piece, larger than the 16 kB clients ask for; empty at the end."""
        if time.monotonic() > self._deadline:
            raise TimeoutError("the request took too long to send")
        piece = self._view[self._position : self._position + _PIECE]
        self._position += len(piece)
        return piece

    def seek(self, position: int, whence: int = 0) -> int:
        """Go to a position, as a signer or a redirect may ask."""
        self._position = position + (0, self._position, len(self._view))[whence]
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position


def crc32(buffer: Buffer) -> str:
    """CRC-32 (ISO 3309) as S3 writes it: big-endian, base64."""
    return _text(zlib.crc32(buffer))


def crc32_of_parts(parts: Iterable[Part]) -> str | None:
    """The checksum of an object made of parts, S3's type COMPOSITE: the CRC of the parts' CRCs, and their number.

    None when a part has none.
    """
    crcs = [part.crc for part in parts]
    known = [base64.b64decode(crc) for crc in crcs if crc]
    return f"{_text(zlib.crc32(b''.join(known)))}-{len(known)}" if len(known) == len(crcs) else None


def _text(value: int) -> str:
    return base64.b64encode(value.to_bytes(4, "big")).decode()

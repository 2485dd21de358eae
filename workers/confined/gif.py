"""Counting the frames of a GIF by walking its blocks: Pillow would decode each."""

from pathlib import Path
from typing import BinaryIO

# GIF89a specification, sections 17 to 26
_HEADER = 6
_SCREEN = 7
_DESCRIPTOR = 9
_PACKED = 4  # where the flags stand in a screen's descriptor
_COLOUR_TABLE = 0x80
_TABLE_SIZE = 0x07
_IMAGE = b","
_EXTENSION = b"!"


def frames(path: Path, most: int) -> int:
    """The number of images in a GIF; counting ends at `most` + 1. A file that breaks off counts as far as it goes."""
    count = 0
    with path.open("rb") as file:
        file.seek(_HEADER)
        _skip_table(file, file.read(_SCREEN)[_PACKED:][:1])
        while count <= most:
            block = file.read(1)
            if block == _EXTENSION:
                file.seek(1, 1)
            elif block == _IMAGE:
                count += 1
                _skip_table(file, file.read(_DESCRIPTOR)[-1:])
                file.seek(1, 1)  # the code size of the compressed data
            else:
                break
            while length := int.from_bytes(file.read(1)):
                file.seek(length, 1)
    return max(count, 1)


def _skip_table(file: BinaryIO, flags: bytes) -> None:
    packed = int.from_bytes(flags)
    if packed & _COLOUR_TABLE:
        file.seek(3 << ((packed & _TABLE_SIZE) + 1), 1)

"""Whether the end of a video is missing, by the sizes that its container announces for itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"styp", b"sidx", b"moof", b"mfra"})
_HEAD = 16  # bytes: the longest header of a box, a chunk or an element that is read here
_SHORT = 8  # bytes: the shortest one


def lacks_end(path: Path) -> bool:
    """Whether a part of the file is announced to be longer than the file goes on. MPEG-TS and PS announce nothing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        return any(end > size for end in _ends(file, size))


def _ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Where the parts of a file end, one behind the other, as far as each says so."""
    at = 0
    while at + _SHORT <= size:
        file.seek(at)
        length = _length(file.read(_HEAD))
        if length is None:
            return
        at += length
        yield at


def _length(head: bytes) -> int | None:
    """Bytes of the part that begins so; None if it does not say."""
    if head.startswith(b"RIFF"):
        length = int.from_bytes(head[4:8], "little")
        return _SHORT + length if length else None  # 0: whoever wrote it never came back
    if head.startswith((_EBML, _SEGMENT)):
        return _element(head)
    if head[4:8] in _BOXES:
        length = int.from_bytes(head[:4])
        length = int.from_bytes(head[8:16]) if length == 1 else length
        return length if length >= _SHORT else None
    return None


def _element(head: bytes) -> int | None:
    """RFC 8794, section 4: the length of a size is told by its leading zeros; all ones are a size that is not known."""
    width = 9 - head[4].bit_length()
    size = int.from_bytes(head[4 : 4 + width]) & (1 << 7 * width) - 1
    return None if size == (1 << 7 * width) - 1 or width > _SHORT else 4 + width + size

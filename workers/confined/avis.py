"""How often an animated AVIF is shown: the edit list of its track, which Pillow does not tell.

ISO/IEC 14496-12, 8.3.2 and 8.6.6: a list that is to be repeated is, for as long as the track lasts.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_HEAD = 8  # bytes of a box before what is in it: its size, its type
_BOXES = 100  # at most, in a file; there are a handful
_MOST = 2**22  # bytes of an index that are looked at; it has some for each frame
_REPEATED = 1
_EVER = 2**31 - 1  # times; libavif takes more for no end, and ffmpeg means none by them


def plays(path: Path) -> int | None:
    """How often it is shown in all, 0: without end; None if it does not say."""
    with path.open("rb") as file:
        told = (
            _shown(header, listed)
            for track in _inside(_index(file), b"trak")
            for header in _inside(track, b"tkhd")
            for edits in _inside(track, b"edts")
            for listed in _inside(edits, b"elst")
        )
        return next(told, None)


def _shown(header: bytes, listed: bytes) -> int | None:
    if not listed[3] & _REPEATED:
        return 1
    at, wide = (28, 8) if header[0] else (20, 4)
    whole, once = int.from_bytes(header[at : at + wide]), int.from_bytes(listed[8 : 16 if listed[0] else 12])
    if whole == 256**wide - 1:
        return 0
    times = -(-whole // once) if once else None
    return 0 if times is not None and times > _EVER else times


def _index(file: BinaryIO) -> bytes:
    """What is in the box `moov`; nothing where there is none."""
    for _ in range(_BOXES):
        head = file.read(_HEAD)
        size = int.from_bytes(head[:4]) - _HEAD
        if head[4:] == b"moov":
            return file.read(min(max(size, 0), _MOST))
        if size < 0:  # of 64 bits, or up to the end: pictures, behind which an index may be, but nobody puts it there
            break
        file.seek(size, 1)
    return b""


def _inside(box: bytes, kind: bytes) -> Iterator[bytes]:
    """What is in the boxes of a kind directly in another."""
    at = 0
    while at + _HEAD <= len(box):
        size = max(int.from_bytes(box[at : at + 4]), _HEAD)
        if box[at + 4 : at + _HEAD] == kind:
            yield box[at + _HEAD : at + size]
        at += size

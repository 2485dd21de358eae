"""What kinds of metadata a JPEG, a WebP or an AVIF carries, read off its structure: no image library is asked."""

import struct
from collections.abc import Iterator
from pathlib import Path

_NAMES = {
    b"Exif": "Exif",
    b"http://ns.adobe.com/": "XMP",
    b"ICC_PROFILE": "ICC",
    b"Photoshop": "IPTC",
    b"MPF": "MPF",
    b"JFIF": None,
    b"Adobe": None,
}
_CHUNKS = {b"EXIF": "Exif", b"XMP ": "XMP", b"ICCP": "ICC"}
_ITEMS = {b"Exif": "Exif", b"mime": "XMP", b"colrprof": "ICC", b"colrrICC": "ICC"}
_SCAN, _APP0, _COMMENT = 0xDA, 0xE0, 0xFE


def carried(path: Path) -> set[str]:
    """`Exif`, `XMP`, `ICC`, `IPTC`, `comment`, or the name of an unknown segment, as far as they are there."""
    data = path.read_bytes()
    if data[:2] == b"\xff\xd8":
        return set(_segments(data))
    if data[:4] == b"RIFF":
        return {_CHUNKS[kind] for kind, _ in _chunks(data) if kind in _CHUNKS}
    assert data[4:8] == b"ftyp"
    meta = next(body for kind, body in _boxes(data) if kind == b"meta")
    return {name for token, name in _ITEMS.items() if token in meta}


def _segments(data: bytes) -> Iterator[str]:
    at = 2
    while data[at + 1] != _SCAN:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        body = data[at + 4 : at + 2 + size]
        if marker == _COMMENT:
            yield "comment"
        elif _APP0 <= marker < _APP0 + 16:
            name = next((name for start, name in _NAMES.items() if body.startswith(start)), repr(body[:12]))
            if name:
                yield name
        at += 2 + size


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at < len(data):
        kind, size = struct.unpack("<4sI", data[at : at + 8])
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        yield kind, data[at + 8 : at + size]
        at += size or len(data)

"""What fragmented MP4 (ISO/IEC 14496-12) says of itself: read to check what an encoder wrote before it is promised."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_BOX = 8  # bytes: size and kind
# How many bytes of fields stand before the boxes inside these boxes (8.5.2, 12.1.3 and 12.2.3 of the standard).
_FIELDS = {b"stsd": 8, b"avc1": 78, b"mp4a": 28}
_SAMPLES = b"moof", b"traf"


class FragmentError(ValueError):
    """The bytes are no such file."""


@dataclass(frozen=True)
class Header:
    """An initialisation segment: ticks per second, name of the codec (RFC 6381), and in hex all that a decoder goes by.

    That is the decoder configuration and the edit list, which takes back the delay of frames stored out of order.
    """

    timescale: int
    codec: str
    config: str


@dataclass(frozen=True)
class Samples:
    """A media segment: decode time of its first sample and duration of all, in ticks; number of samples."""

    start: int
    duration: int
    count: int


def header(data: bytes) -> Header:
    """Read an initialisation segment of one track; raises FragmentError."""
    try:
        mdhd = _one(data, b"moov", b"trak", b"mdia", b"mdhd")
        timescale = int.from_bytes(mdhd[20:24] if mdhd[0] else mdhd[12:16])
        edits = next(_find(data, b"moov", b"trak", b"edts", b"elst"), b"")
        table = b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"
        if avcc := next(_find(data, *table, b"avc1", b"avcC"), None):
            return Header(timescale, f"avc1.{avcc[1:4].hex()}", (avcc + edits).hex())
        esds = _one(data, *table, b"mp4a", b"esds")
        return Header(timescale, "mp4a.40.2", (esds + edits).hex())  # AAC-LC is all we encode
    except IndexError as error:
        raise FragmentError("a header ends early") from error


def samples(data: bytes) -> Samples:
    """Read a media segment of one track; one without any fragment is empty.

    Raises FragmentError, also when its fragments do not follow one another.
    """
    try:
        fragments = [_fragment(traf) for traf in _find(data, *_SAMPLES)]
    except IndexError as error:
        raise FragmentError("a fragment ends early") from error
    if not fragments:
        return Samples(0, 0, 0)
    if any(earlier.start + earlier.duration != later.start for earlier, later in pairwise(fragments)):
        raise FragmentError("fragments overlap or leave a gap")
    return Samples(fragments[0].start, sum(each.duration for each in fragments), sum(each.count for each in fragments))


def _fragment(traf: bytes) -> Samples:
    tfdt = _one(traf, b"tfdt")
    start = int.from_bytes(tfdt[4:12] if tfdt[0] else tfdt[4:8])
    usual = _usual_duration(_one(traf, b"tfhd"))
    runs = [_run(trun, usual) for trun in _find(traf, b"trun")]
    return Samples(start, sum(duration for duration, _ in runs), sum(count for _, count in runs))


def _usual_duration(tfhd: bytes) -> int:
    """Default sample duration of a track fragment header (8.8.7): after the optional offset and description index."""
    flags = int.from_bytes(tfhd[1:4])
    at = 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0)
    return int.from_bytes(tfhd[at : at + 4]) if flags & 0x8 else 0


def _run(trun: bytes, usual: int) -> tuple[int, int]:
    """Duration and number of samples of a track run (8.8.8)."""
    flags, count = int.from_bytes(trun[1:4]), int.from_bytes(trun[4:8])
    if not flags & 0x100:
        return usual * count, count
    at = 8 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0)
    stride = 4 * sum(1 for field in (0x100, 0x200, 0x400, 0x800) if flags & field)
    if at + stride * count > len(trun):
        raise FragmentError("a run ends early")
    return sum(int.from_bytes(trun[at + stride * i :][:4]) for i in range(count)), count


def _one(data: bytes, *path: bytes) -> bytes:
    for payload in _find(data, *path):
        return payload
    raise FragmentError(f"no {path[-1].decode()} box")


def _find(data: bytes, *path: bytes) -> Iterator[bytes]:
    """The contents of all boxes at a path."""
    at = 0
    while at + _BOX <= len(data):
        size, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if size < _BOX or at + size > len(data):
            raise FragmentError("a box has an impossible size")
        if kind == path[0]:
            payload = data[at + _BOX : at + size]
            if len(path) == 1:
                yield payload
            else:
                yield from _find(payload[_FIELDS.get(kind, 0) :], *path[1:])
        at += size

"""The parameter sets of an H.264 track in MP4 (ISO/IEC 14496-15), and whether its packets keep to them."""

from dataclasses import dataclass

_SLICE, _INSTANT, _SPS, _PPS = 1, 5, 7, 8
# Kinds of NAL units (ISO/IEC 14496-10, table 7-1) of a plain stream; with them: messages, delimiter, ends, filler.
_PLAIN = frozenset({_SLICE, _INSTANT, 6, _SPS, _PPS, 9, 10, 11, 12})
_KIND = 0x1F
_VERSION = 1
_FIXED = 6  # bytes before the first parameter set


class UnfitError(Exception):
    """The track cannot be copied."""


@dataclass(frozen=True)
class Parameters:
    """Of the decoder configuration record: profile and level, bytes of a NAL unit's length, and the sets themselves."""

    profile: int
    level: int
    width: int
    sets: frozenset[bytes]

    def begins(self, packet: memoryview) -> bool:
        """Whether decoding can begin with this packet: all its slices are of an instantaneous refresh.

        Raises UnfitError for what is no plain picture, or brings other parameters with it.
        """
        kinds, at = set(), 0
        while at < len(packet):
            start = at + self.width
            at = start + int.from_bytes(packet[at:start])
            if at == start or at > len(packet):
                raise UnfitError
            kind = packet[start] & _KIND
            if kind in (_SPS, _PPS) and bytes(packet[start:at]) not in self.sets:
                raise UnfitError
            kinds.add(kind)
        slices = kinds & {_SLICE, _INSTANT}
        if not slices or not kinds <= _PLAIN:
            raise UnfitError
        return slices == {_INSTANT}


def parameters(record: bytes) -> Parameters:
    """Read an AVCDecoderConfigurationRecord; raises UnfitError for anything else, and for several picture sizes."""
    try:
        if record[0] != _VERSION or record[5] & _KIND != 1:
            raise UnfitError
        sizes, at = _sets(record, _FIXED, 1)
        pictures, at = _sets(record, at + 1, record[at])
    except IndexError:
        raise UnfitError from None
    if at > len(record):
        raise UnfitError
    return Parameters(record[1], record[3], 1 + (record[4] & 3), frozenset(sizes + pictures))


def _sets(record: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """So many parameter sets from there on, each behind its length, and where they end."""
    found = []
    for _ in range(count):
        start = at + 2
        at = start + int.from_bytes(record[at:start])
        found.append(record[start:at])
    return found, at

"""ICC profiles of colours that a file names by code point only, and of sRGB.

ICC.1:2022, matrix and curve profiles (section 8.3.3); code points after ITU-T H.273.
"""

import struct
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

from workers.confined import hdr

_D50 = (0.9642, 1.0, 0.8249)  # the profile connection space, ICC.1:2022 section 7.2.16
_D65 = (0.3127, 0.3290)
# CIE 1931 chromaticities x, y of red, green and blue: H.273 table 2.
_PRIMARIES: Mapping[int, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),  # BT.709 and sRGB
        9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
        12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
    }
)
# Parametric curves: y = x^g, or (ax+b)^g above d and cx below. The camera curves of BT.601, 709 and 2020 are read with
# the display curve of sRGB, as browsers do: pictures that carry those numbers were made to be looked at that way.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_CURVES: Mapping[int, Sequence[float]] = MappingProxyType(
    {1: _SRGB_CURVE, 4: (2.2,), 5: (2.8,), 6: _SRGB_CURVE, 8: (1.0,), 13: _SRGB_CURVE, 14: _SRGB_CURVE, 15: _SRGB_CURVE}
)
# Bradford, ICC.1:2022 annex E.
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_HEADER = 128

Matrix = tuple[tuple[float, ...], ...]


@cache
def srgb() -> bytes:
    """The profile of sRGB (IEC 61966-2-1)."""
    return _profile("sRGB", 1, _formula(_SRGB_CURVE))


@cache
def coded(primaries: int, transfer: int) -> bytes | None:
    """The profile of colours that H.273 numbers; None for sRGB itself, and for numbers that are not known.

    That of a high dynamic range rolls off what is brighter than white.
    """
    if primaries not in _PRIMARIES or (primaries == 1 and _CURVES.get(transfer) is _SRGB_CURVE):
        return None
    name = f"H.273 {primaries}/{transfer}"
    if transfer in _CURVES:
        return _profile(name, primaries, _formula(_CURVES[transfer]))
    samples = hdr.curve(transfer)
    return _profile(name, primaries, _table(samples)) if samples else None


def _profile(name: str, primaries: int, curve: bytes) -> bytes:
    red, green, blue = zip(*_to_d50(_PRIMARIES[primaries]), strict=True)
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright"),
        b"wtpt": _xyz(_D50),
        b"chad": b"sf32" + bytes(4) + b"".join(_fixed(value) for row in _adaptation() for value in row),
        b"rXYZ": _xyz(red),
        b"gXYZ": _xyz(green),
        b"bXYZ": _xyz(blue),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    at = _HEADER + 4 + 12 * len(tags)
    table, data, places = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    for tag, element in tags.items():
        if element not in places:
            places[element] = at + len(data)
            data += element + bytes(-len(element) % 4)
        table += tag + struct.pack(">II", places[element], len(element))
    header = struct.pack(
        ">I4sI4s4s4s12s4s4sIIIQI12s4s44x",
        *(at + len(data), b"", 0x04400000, b"mntr", b"RGB ", b"XYZ "),
        *(struct.pack(">6H", 2022, 1, 1, 0, 0, 0), b"acsp", b"", 0, 0, 0, 0, 0, b"".join(map(_fixed, _D50)), b""),
    )
    return header + table + data


def _to_d50(primaries: Sequence[tuple[float, float]]) -> Matrix:
    """The matrix from linear RGB to XYZ as seen under D50, its columns the three colours."""
    columns = tuple(zip(*map(_white, primaries), strict=True))
    share = _times(_inverse(columns), tuple((value,) for value in _white(_D65)))
    scaled = tuple(tuple(value * share[at][0] for at, value in enumerate(row)) for row in columns)
    return _times(_adaptation(), scaled)


def _adaptation() -> Matrix:
    """From colours under D65 to the same under D50."""
    source, target = (_times(_BRADFORD, tuple((value,) for value in white)) for white in (_white(_D65), _D50))
    gain = tuple(tuple(target[i][0] / source[i][0] * (i == j) for j in range(3)) for i in range(3))
    return _times(_inverse(_BRADFORD), _times(gain, _BRADFORD))


def _white(xy: tuple[float, float]) -> tuple[float, float, float]:
    x, y = xy
    return x / y, 1.0, (1 - x - y) / y


def _times(one: Matrix, two: Matrix) -> Matrix:
    return tuple(
        tuple(sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*two, strict=True)) for row in one
    )


def _inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    adjugate = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * adjugate[0][0] + b * adjugate[1][0] + c * adjugate[2][0]
    return tuple(tuple(value / determinant for value in row) for row in adjugate)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values))


def _formula(parameters: Sequence[float]) -> bytes:
    kind = 3 if len(parameters) > 1 else 0
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + b"".join(map(_fixed, parameters))


def _table(samples: Sequence[float]) -> bytes:
    values = (round(65535 * min(1.0, sample)) for sample in samples)
    return b"curv" + bytes(4) + struct.pack(f">I{len(samples)}H", len(samples), *values)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(data), 28) + data

"""Names of colour, as ffmpeg spells them, for the code points of ITU-T H.273 (2, `unspecified`, is no name)."""

from collections.abc import Mapping
from types import MappingProxyType

PRIMARIES: Mapping[int, str] = MappingProxyType(
    {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 11: "smpte431", 12: "smpte432"}
)
TRANSFER: Mapping[int, str] = MappingProxyType(
    {
        1: "bt709",
        4: "gamma22",
        5: "gamma28",
        6: "smpte170m",
        7: "smpte240m",
        8: "linear",
        11: "iec61966-2-4",
        13: "iec61966-2-1",
        14: "bt2020-10",
        15: "bt2020-12",
        16: "smpte2084",
        18: "arib-std-b67",
    }
)
MATRIX: Mapping[int, str] = MappingProxyType(
    {
        0: "gbr",
        1: "bt709",
        4: "fcc",
        5: "bt470bg",
        6: "smpte170m",
        7: "smpte240m",
        8: "ycgco",
        9: "bt2020nc",
        10: "bt2020c",
        14: "ictcp",
    }
)
RANGE: Mapping[int, str] = MappingProxyType({1: "tv", 2: "pc"})  # libavutil's own numbers

"""Kinds of pixels, and how the unusual ones become usual."""

from collections.abc import Mapping
from types import MappingProxyType

from PIL import Image

PLAIN = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "LAB"})
"""Modes of eight bits a channel that can be resampled as they are."""

DEEP = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
"""Greys of more than eight bits."""

MULTIPLIED: Mapping[str, str] = MappingProxyType({"LA": "La", "RGBA": "RGBa"})
"""Modes with alpha, and the same with alpha multiplied in."""

_SIXTEEN = 65535
_EIGHT = 255


def eight_bits(image: Image.Image) -> Image.Image:
    """A deep grey in mode L. Values over 65535, and fractions, have no known white: their own extremes are taken."""
    low, high = image.getextrema()
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        raise TypeError(f"mode {image.mode} has more than one channel")
    if image.mode != "F" and low >= 0 and high <= _SIXTEEN:
        low, high = 0, _SIXTEEN
    scale = _EIGHT / (high - low) if high > low else 0.0
    shallow = image.convert("F").point(lambda value: value * scale - low * scale).convert("L")
    shallow.info.pop("transparency", None)  # it named a deep value
    return shallow


def expand(image: Image.Image) -> Image.Image:
    """The image in one of the plain modes."""
    if image.has_transparency_data:
        return image.convert("LA" if image.mode in {"1", "L", "LA", "La"} else "RGBA")
    return image.convert("L" if image.mode in {"1", "L"} else "RGB")

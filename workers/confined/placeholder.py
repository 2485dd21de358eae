"""What a page shows before the still has arrived."""

import base64
from typing import Any

from PIL import Image

from workers.confined.thumbhash import thumbhash

_SIDE = 32  # pixels; more cost time and change neither hash nor colour visibly
_COLOURS = 8
_VISIBLE = 128


def placeholder(picture: Image.Image) -> dict[str, Any]:
    """`{"thumbHash": base64, "color": "#rrggbb"}` of a picture in mode L, RGB or RGBA."""
    small = picture.convert("RGBA")
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    hashed = thumbhash(small.width, small.height, small.tobytes())
    return {"thumbHash": base64.b64encode(hashed).decode(), "color": _dominant(small)}


def _dominant(small: Image.Image) -> str:
    """The most frequent of a few colours that the visible pixels are sorted into; white if none is visible."""
    pixels = small.tobytes()
    visible = b"".join(pixels[at : at + 3] for at in range(0, len(pixels), 4) if pixels[at + 3] >= _VISIBLE)
    if not visible:
        return "#ffffff"
    sorted_in = Image.frombytes("RGB", (len(visible) // 3, 1), visible).quantize(_COLOURS)
    counts = sorted_in.histogram()
    first = 3 * counts.index(max(counts))
    return "#" + bytes((sorted_in.getpalette() or [])[first : first + 3]).hex()

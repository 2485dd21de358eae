"""What a page shows before the still has arrived."""

import base64
import io
from typing import Any

from PIL import Image, ImageFilter

from workers.confined.thumbhash import thumbhash

_SIDE = 32  # pixels; more cost time and change neither hash nor colour visibly
_COLOURS = 8
_VISIBLE = 128

_URI = "data:image/webp;base64,"
_MOST = 400  # bytes of the data URI
# From fine to coarse: pixels of the longer side and quality of WebP. The last fits whatever the picture is.
_TRIES = ((24, 40), (20, 30), (16, 20), (12, 10), (8, 1))


def placeholder(picture: Image.Image) -> dict[str, Any]:
    """`{"thumbHash": base64, "color": "#rrggbb", "dataUri": "data:..."}` of a picture in mode L, RGB or RGBA.

    The data URI is a tiny blurred WebP to stretch over the picture's place, under 400 bytes.
    """
    small = picture.copy()
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    small = small.convert("RGBA")
    hashed = thumbhash(small.width, small.height, small.tobytes())
    return {"thumbHash": base64.b64encode(hashed).decode(), "color": _dominant(small), "dataUri": _blurred(small)}


def _blurred(small: Image.Image) -> str:
    soft = small.filter(ImageFilter.GaussianBlur(1))
    for side, quality in _TRIES:
        tiny = soft.copy()
        tiny.thumbnail((side, side), Image.Resampling.BOX)
        file = io.BytesIO()
        tiny.save(file, "WEBP", quality=quality, alpha_quality=quality, method=4)
        uri = _URI + base64.b64encode(file.getvalue()).decode()
        if len(uri) < _MOST:
            return uri
    raise ValueError(f"the coarsest preview of {small.size} takes more than {_MOST} bytes")


def _dominant(small: Image.Image) -> str:
    """The most frequent of a few colours that the visible pixels are sorted into; white if none is visible."""
    hidden = sum(small.getchannel("A").histogram()[:_VISIBLE])
    if hidden == small.width * small.height:
        return "#ffffff"
    seen = _visible(small.tobytes()) if hidden else small.convert("RGB")
    sorted_in = seen.quantize(_COLOURS)
    counts = sorted_in.histogram()
    first = 3 * counts.index(max(counts))
    return "#" + bytes((sorted_in.getpalette() or [])[first : first + 3]).hex()


def _visible(pixels: bytes) -> Image.Image:
    colours = b"".join(pixels[at : at + 3] for at in range(0, len(pixels), 4) if pixels[at + 3] >= _VISIBLE)
    return Image.frombytes("RGB", (len(colours) // 3, 1), colours)

"""What lies under a still: the canvas of `contain`, and the background where a format knows no transparency."""

from PIL import Image, ImageColor

from pipeline.framing import Framing
from pipeline.renditions import Still

OPAQUE = frozenset({"jpeg"})
"""Formats without alpha."""

_FULL = 255


def lay(picture: Image.Image, frame: Framing, still: Still) -> Image.Image:
    """The picture in its place on the canvas; what is transparent in it stays so."""
    if frame.canvas == picture.size:
        return picture
    colour = _rgba(still)
    clear = picture.mode == "RGBA" or (colour[3] < _FULL and still.format not in OPAQUE)
    grey = picture.mode == "L" and len({*colour[:3]}) == 1 and not clear
    mode, ink = ("L", colour[0]) if grey else ("RGBA", colour) if clear else ("RGB", colour[:3])
    canvas = Image.new(mode, frame.canvas, ink)
    canvas.paste(picture.convert(mode), frame.corner)
    canvas.info = dict(picture.info)
    return canvas


def flatten(picture: Image.Image, still: Still) -> Image.Image:
    """The picture as the still's format can hold it: laid on the background, or without an alpha that hides nothing."""
    if picture.mode != "RGBA":
        return picture
    alpha = picture.getchannel("A")
    if alpha.getextrema() == (_FULL, _FULL):
        return picture.convert("RGB")
    if still.format not in OPAQUE:
        return picture
    flat = Image.new("RGB", picture.size, _rgba(still)[:3])
    flat.paste(picture, mask=alpha)
    flat.info = dict(picture.info)
    return flat


def _rgba(still: Still) -> tuple[int, int, int, int]:
    red, green, blue, *alpha = ImageColor.getrgb(still.background)
    return red, green, blue, alpha[0] if alpha else _FULL

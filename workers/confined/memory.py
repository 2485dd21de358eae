"""How much memory decoding a picture takes, and whether this child was given as much.

A child that was not says so before it decodes, and another is asked that was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

from PIL import Image

# Bytes for each pixel of the file, at the peak of decoding the first frame: Pillow's own four (or one, or two), and
# what the format's library holds beside them. Measured with Pillow 13 and pillow-heif 1.8 as growth of the address
# space, 24 MP; libwebp and libavif keep the whole picture two and three times over.
_DECODING: Mapping[str, float] = MappingProxyType({"WEBP": 17.1, "AVIF": 12.0, "HEIF": 10.5, "TIFF": 8.0})
_PLAIN = 4.1

# The same for each decoded pixel while it is converted and first resampled, by its mode; others keep two more copies.
_WORKING: Mapping[str, float] = MappingProxyType({"L": 2.4, "RGB": 6.4, "CMYK": 6.4})
_COPIES = 10.1

# The same for each pixel of an animation while it is played: the frame before stays, or the one that it is put back to.
_PLAYING: Mapping[str, float] = MappingProxyType({"GIF": 16.5, "PNG": 16.5, "WEBP": 25.0, "AVIF": 25.5})
_FILM = 32  # for each pixel of its film: what is handed to the encoder, and the copies on the way there

_SPARE = 64 * 2**20
"""Bytes for all else: encoders of stills that are 2048 pixels wide, the file itself."""

_COEFFICIENT = 2  # bytes; a progressive JPEG's are all kept until the last scan


class NeedsMoreError(Exception):
    """The question needs so many bytes of memory, which this child was not given."""

    def __init__(self, needed: int) -> None:
        """Keep how many."""
        super().__init__(needed)
        self.needed = needed


@dataclass
class Share:
    """What this process was given, in bytes; None: no limit."""

    most: int | None = None

    def afford(self, needed: int) -> None:
        """Return if that is within the share; raises NeedsMoreError."""
        if self.most is not None and needed > self.most:
            raise NeedsMoreError(needed)


SHARE = Share()
"""This process's own, set when it is confined."""


def needed(image: Image.Image, *, to_look: bool) -> int:
    """Bytes that decoding the current frame takes, after `draft`; and making stills of it, unless that is `to_look`."""
    working = 0.0 if to_look else _WORKING.get(image.mode, _COPIES)
    decoding = image.width * image.height * max(_DECODING.get(str(image.format), _PLAIN), working)
    return ceil(decoding) + _coefficients(image) + _SPARE


def needed_to_play(image: Image.Image, film: tuple[int, int]) -> int:
    """Bytes that it takes to make a film of that size of every frame, one after the other."""
    frame = image.width * image.height * _PLAYING.get(str(image.format), max(_PLAYING.values()))
    return ceil(frame) + film[0] * film[1] * _FILM + _SPARE


def _coefficients(image: Image.Image) -> int:
    """Bytes that a progressive JPEG's coefficients take: of the whole picture, at whatever scale it is decoded."""
    if not image.info.get("progressive"):
        return 0
    scale: int = (getattr(image, "decoderconfig", None) or (1,))[0]
    layers: list[tuple[int, int]] = [(across, down) for _, across, down, _ in getattr(image, "layer", ())]
    whole = image.width * image.height * scale**2 * _COEFFICIENT
    most = max((across * down for across, down in layers), default=1)
    return ceil(whole * sum(across * down for across, down in layers) / most)

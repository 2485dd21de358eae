"""Writing a still, and reading it back before anybody is told that it exists."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from PIL import Image

from pipeline.renditions import EFFORTS, Format, Still
from workers.confined import icc
from workers.confined.canvas import flatten
from workers.confined.colour import PROFILE

_FINE = 90  # from this quality on colours are kept at full resolution

_OPTIONS: Mapping[Format, Callable[[Still], Mapping[str, Any]]] = MappingProxyType(
    {
        "jpeg": lambda still: {
            "optimize": True,
            "progressive": still.progressive,
            "subsampling": "4:2:0" if still.quality < _FINE else "4:4:4",
        },
        "webp": lambda still: {"method": _effort(still)},
        "avif": lambda still: {"speed": _effort(still), "max_threads": 1, "autotiling": False},
    }
)
# libaom looks for blocks of few colours, as drawings have them and a camera's pictures do not: for a fifth of its time
# at speed 8, at 9 and above for nothing.
_OF_PHOTOS: Mapping[Format, Mapping[str, Any]] = MappingProxyType({"avif": {"advanced": {"enable-palette": "0"}}})
# Modes as they come back: WebP knows no grey.
_READ_AS: Mapping[tuple[str, str], str] = MappingProxyType({("webp", "L"): "RGB"})

# ITU-T T.81: the marker EOI. RIFF: the size of all that follows the first eight bytes. ISO/IEC 14496-12: boxes.
_WHOLE: Mapping[Format, Callable[[bytes], bool]] = MappingProxyType(
    {
        "jpeg": lambda data: data.endswith(b"\xff\xd9"),
        "webp": lambda data: int.from_bytes(data[4:8], "little") + 8 == len(data),
        "avif": lambda data: _after_boxes(data) == len(data),
    }
)


class BadStillError(Exception):
    """A still does not read back as what was written; a fault of this machine or this code, not of the original."""


def encode(picture: Image.Image, still: Still, path: Path, exif: bytes = b"", *, photo: bool = False) -> None:
    """Write the picture in the still's format, check it, and let nothing into it but its profile and `exif`.

    `photo`: a camera's rather than drawn. Raises BadStillError.
    """
    flat = flatten(picture, still)
    profile = flat.info.get(PROFILE) or (icc.srgb() if "icc" in still.keep and flat.mode != "L" else None)
    given = {name: value for name, value in ((PROFILE, profile), ("exif", exif)) if value}
    flat.save(path, **options(still, photo=photo) | given)
    verify(path, still, flat, given)


def options(still: Still, *, photo: bool) -> dict[str, Any]:
    """What the encoder of the still's format is told."""
    of_photos = _OF_PHOTOS.get(still.format, {}) if photo else {}
    return {"format": still.format.upper(), "quality": still.quality, **_OPTIONS[still.format](still), **of_photos}


def verify(path: Path, still: Still, written: Image.Image, given: Mapping[str, bytes]) -> None:
    """Open the file again; raises BadStillError unless it is whole, as it was written, and free of anything else.

    Its pixels are not decoded: that would cost an eighth of the stage, and find what no encoder does.
    """
    if not _WHOLE[still.format](path.read_bytes()):
        raise BadStillError(f"{still.name} lacks its end")
    try:
        with _bounded(math.prod(written.size)), Image.open(path, formats=[still.format.upper()]) as stored:
            size, mode, info = stored.size, stored.mode, stored.info
    except (OSError, SyntaxError, ValueError) as error:
        raise BadStillError(f"{still.name} cannot be opened") from error
    if size != written.size:
        raise BadStillError(f"{still.name} is {size}, not {written.size}")
    if mode != (meant := _READ_AS.get((still.format, written.mode), written.mode)):
        raise BadStillError(f"{still.name} is in mode {mode}, not {meant}")
    carried = {name for name in ("exif", PROFILE, "xmp", "comment") if info.get(name)}
    if carried != set(given):
        raise BadStillError(f"{still.name} carries {sorted(carried)}, not {sorted(given)}")


@contextmanager
def _bounded(pixels: int) -> Iterator[None]:
    """Take no picture larger than that; a still may be larger than its original, whose bound is restored."""
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, pixels
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = most


def _after_boxes(data: bytes) -> int:
    at = 0
    while at < len(data):
        at += int.from_bytes(data[at : at + 4]) or len(data)
    return at


def _effort(still: Still) -> int:
    return EFFORTS[still.format] if still.effort is None else still.effort

"""Inspecting an image: facts from its header first, then proof that it can be decoded."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from PIL import Image, ImageFile

from pipeline.limits import Limits, Rejected, judge
from pipeline.probes import Probe
from workers.confined import gif
from workers.confined.admission import SIDEWAYS, decode, format_of, open_image, orientation
from workers.confined.refusal import RefusedError

# TIFF, HEIC and MPO hold pages or other pictures, of which the first counts, rather than frames.
_FRAMES: Mapping[str, Callable[[Image.Image, Path, Limits], int]] = MappingProxyType(
    {
        "gif": lambda _, path, limits: gif.frames(path, limits.frames),
        "png": lambda image, *_: getattr(image, "n_frames", 1),
        "webp": lambda image, *_: getattr(image, "n_frames", 1),
        "avif": lambda image, *_: getattr(image, "n_frames", 1),
    }
)


def inspect_photo(path: Path, limits: Limits) -> Probe | None:
    """The probe of an image that was decoded to its end; None if the file is no image.

    A JPEG is decoded at an eighth of its size, which reads every bit of it and costs a third; others are decoded in
    full. Raises RefusedError.
    """
    image = open_image(path, limits.pixels)
    if image is None:
        return None
    probe = _describe(image, path, limits)
    verdict = judge(probe, limits)
    if isinstance(verdict, Rejected):
        raise RefusedError(verdict.reason)
    image.draft(None, (1, 1))
    decode(image)
    return probe


def _describe(image: ImageFile.ImageFile, path: Path, limits: Limits) -> Probe:
    kind = format_of(image)
    turn = orientation(image)
    width, height = image.size[::-1] if turn in SIDEWAYS else image.size
    return Probe(
        kind="image",
        format=kind,
        mime_type=_mime_type(image, kind),
        codec=kind,
        bytes=path.stat().st_size,
        width=width,
        height=height,
        coded_width=image.width,
        coded_height=image.height,
        orientation=turn,
        frames=_FRAMES[kind](image, path, limits) if kind in _FRAMES else 1,
        has_alpha="A" in image.getbands() or "transparency" in image.info,
    )


def _mime_type(image: ImageFile.ImageFile, kind: str) -> str:
    if kind == "heif":  # the brand in the file decides: image/heic, image/heif, or a sequence of either
        return str(image.custom_mimetype).removesuffix("-sequence")
    return f"image/{kind}"

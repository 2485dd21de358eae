"""Inspecting an image: facts from its header first, then proof that it can be decoded."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from PIL import Image, ImageFile

from pipeline.limits import Limits, Rejected, judge
from pipeline.probes import TRUNCATED, Probe
from pipeline.renditions import Fact
from workers.confined import avis, gif, metadata
from workers.confined.admission import FILL, SIDEWAYS, decode, format_of, open_image, orientation
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

_ENOUGH = 0.1  # of a picture's rows


def inspect_photo(path: Path, limits: Limits, wanted: Collection[Fact] = ()) -> Probe | None:
    """The probe of an image that was decoded to its end, with the wanted facts; None if the file is no image.

    A JPEG is decoded at an eighth of its size, which reads every bit of it and costs a third; others are decoded in
    full. Raises RefusedError.
    """
    found = welcome(path, limits, wanted)
    if found is None:
        return None
    image, probe = found
    image.draft(None, (1, 1))
    try:
        decode(image, to_look=True)
    except RefusedError:
        if probe.format != "jpeg" or limits.truncated == "reject":
            raise
        _decode_beginning(path, limits)
        return replace(probe, warnings=(TRUNCATED,))
    return probe


def welcome(path: Path, limits: Limits, wanted: Collection[Fact]) -> tuple[ImageFile.ImageFile, Probe] | None:
    """An image that its header makes welcome, not decoded yet, and its probe; as `inspect_photo` otherwise."""
    image = open_image(path, limits.pixels)
    if image is None:
        return None
    probe = _describe(image, path, limits)
    verdict = judge(probe, limits)
    if isinstance(verdict, Rejected):
        raise RefusedError(verdict.reason)
    return image, replace(probe, metadata=metadata.facts(image, wanted) or None)


def _decode_beginning(path: Path, limits: Limits) -> None:
    """Decode what there is of a JPEG; raises RefusedError if that is next to nothing: the rest is filled with grey."""
    image = open_image(path, limits.pixels)
    if image is None:
        raise RefusedError("image_undecodable")
    image.draft(None, (1, 1))
    decode(image, truncated=True, to_look=True)
    shown = image.convert("L").point(lambda value: abs(value - FILL) > 1 and FILL).getbbox()
    if shown is None or shown[3] < _ENOUGH * image.height:
        raise RefusedError("image_undecodable")


def _describe(image: ImageFile.ImageFile, path: Path, limits: Limits) -> Probe:
    kind = format_of(image)
    turn = orientation(image)
    width, height = image.size[::-1] if turn in SIDEWAYS else image.size
    frames = _FRAMES[kind](image, path, limits) if kind in _FRAMES else 1
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
        frames=frames,
        plays=_plays(image, kind, path) if frames > 1 else None,
        has_alpha="A" in image.getbands() or "transparency" in image.info,
    )


def _plays(image: ImageFile.ImageFile, kind: str, path: Path) -> int | None:
    """How often it is shown in all. What a GIF says is how often it is shown again, and without a word it is not."""
    said = image.info.get("loop")
    if kind == "avif":
        with suppress(IndexError):  # boxes shorter than they have to be
            return avis.plays(path)
    if kind == "gif":
        return 1 if said is None else said and said + 1
    return said


def _mime_type(image: ImageFile.ImageFile, kind: str) -> str:
    if kind == "heif":  # the brand in the file decides: image/heic, image/heif, or a sequence of either
        return str(image.custom_mimetype).removesuffix("-sequence")
    return f"image/{kind}"

"""Every still of one picture, from one decode."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile

from pipeline.framing import Framing
from pipeline.renditions import Still
from workers.confined import admission, metadata, pixels
from workers.confined.canvas import lay
from workers.confined.colour import PROFILE, profile_of, render
from workers.confined.encoding import encode
from workers.confined.placeholder import placeholder
from workers.confined.refusal import RefusedError
from workers.confined.streaming import shrunk

_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# A JPEG is decoded at a scale that leaves this many times the pixels needed on a side, so that resampling stays sharp.
_HEADROOM = 1.125
_MANY = 2_000_000  # pixels, below which there is little to be won


@dataclass(frozen=True)
class Order:
    """What the steps need to know beside the pixels: the size of the largest still, and the file and its facts.

    Both sizes are those of the picture as it lies in the file. Without a `source` there is nothing but the pixels.
    """

    size: tuple[int, int]
    orientation: int = 1
    profile: bytes | None = None
    keep_profile: bool = False
    truncated: bool = False
    whole: tuple[int, int] = (0, 0)
    source: Path | None = None


Step = Callable[[Image.Image, Order], Image.Image]


def draft(image: Image.Image, order: Order) -> Image.Image:
    """Let the JPEG decoder itself scale down by 2, 4 or 8."""
    if image.format not in admission.JPEG:
        return image
    width, height = order.size
    image.draft(None, (round(width * _HEADROOM), round(height * _HEADROOM)))
    return image


def stream(image: Image.Image, order: Order) -> Image.Image:
    """Where much is left to resample, do so while the JPEG is decoded."""
    if image.format not in admission.JPEG or image.mode != "RGB" or order.truncated or order.source is None:
        return image
    if image.size == order.size or math.prod(image.size) < _MANY:
        return image
    return shrunk(order.source, order.size, round(order.whole[0] / image.width)) or image


def decode(image: Image.Image, order: Order) -> Image.Image:
    """Turn bytes into pixels, once."""
    admission.decode(image, truncated=order.truncated)
    return image


def eight_bits(image: Image.Image, _: Order) -> Image.Image:
    """Bring deep greys down to eight bits, which naive conversion would clip to white."""
    return pixels.eight_bits(image) if image.mode in pixels.DEEP else image


def expand(image: Image.Image, _: Order) -> Image.Image:
    """Write out palettes, bit masks and colours named transparent as plain channels."""
    if image.mode in pixels.PLAIN and "transparency" not in image.info:
        return image
    return pixels.expand(image)


def shrink(image: Image.Image, order: Order) -> Image.Image:
    """Resample to the largest still."""
    return pixels.resample(image, order.size)


def colour(image: Image.Image, order: Order) -> Image.Image:
    """Convert to sRGB, on the small image."""
    if image.mode in {"L", "RGB", "RGBA"} and not order.profile:
        return image
    return render(image, order.profile, keep=order.keep_profile)


def upright(image: Image.Image, order: Order) -> Image.Image:
    """Turn the picture as its orientation says."""
    if order.orientation not in _TURNED:
        return image
    return image.transpose(_TURNED[order.orientation])


def bare(image: Image.Image, order: Order) -> Image.Image:
    """Copy the pixels alone, with the profile that they need: position, camera and owner stay behind."""
    if type(image) is Image.Image and not image.info:  # no file's, and nothing but pixels already
        return image
    clean = Image.new(image.mode, image.size)
    clean.paste(image)
    clean.info = {PROFILE: image.info[PROFILE]} if order.profile and PROFILE in image.info else {}
    return clean


STEPS: tuple[Step, ...] = (draft, stream, decode, eight_bits, expand, shrink, colour, upright, bare)
"""From the original to the largest still. Each smaller still is resampled from the one before it."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Write the `stills` of the file `source` into `folder`; facts about them, in the order they were asked for.

    `{"stills": [{"width", "height"}, ...], "placeholder": {...}}`, the last null where the request's `placeholder` is
    false. With `truncated` a JPEG may lack its end. Raises RefusedError.
    """
    stills = [Still.from_dict(still) for still in request["stills"]]
    sizes: dict[str, tuple[int, int]] = {}
    previews = []
    for keep in sorted({still.keep_profile for still in stills}):
        alike = [still for still in stills if still.keep_profile == keep]
        image, order = _opened(request)  # anew: what one round has decoded is too small for the next
        owners = [metadata.owner(image, still.keep) for still in alike]
        pictures, preview = cascade(image, alike, replace(order, keep_profile=keep))
        previews.append(preview)
        for still, picture, owner in zip(alike, pictures, owners, strict=True):
            encode(picture, still, Path(request["folder"]) / still.suffix, owner, photo=image.format in admission.JPEG)
            sizes[still.name] = picture.size
    return {
        "stills": [{"width": sizes[still.name][0], "height": sizes[still.name][1]} for still in stills],
        "placeholder": placeholder(previews[0]) if request.get("placeholder", True) else None,
    }


def _opened(request: dict[str, Any]) -> tuple[ImageFile.ImageFile, Order]:
    source = Path(request["source"])
    image = admission.open_image(source, request["pixels"])
    if image is None:
        raise RefusedError("image_undecodable")
    turn, profile, truncated = admission.orientation(image), profile_of(image, source), bool(request.get("truncated"))
    return image, Order((0, 0), turn, profile, truncated=truncated, whole=image.size, source=source)


def cascade(image: Image.Image, stills: Sequence[Still], order: Order) -> tuple[list[Image.Image], Image.Image]:
    """The picture as each still shows it, upright, in its colours, without metadata; and the smallest that shows all.

    Raises RefusedError.
    """
    sideways = order.orientation in admission.SIDEWAYS
    shown = image.size[::-1] if sideways else image.size
    frames = [still.frame(*shown) for still in stills]
    largest = max((_whole(frame, shown) for frame in frames), key=math.prod)
    order = replace(order, size=largest[::-1] if sideways else largest)
    for step in STEPS:
        image = step(image, order)
    made: dict[int, Image.Image] = {}
    for at in sorted(range(len(stills)), key=lambda at: frames[at].scale, reverse=True):
        frame = frames[at]
        across, down = image.width / shown[0], image.height / shown[1]
        left, top, right, bottom = frame.crop
        box = (left * across, top * down, min(right * across, image.width), min(bottom * down, image.height))
        picture = pixels.resample(image, frame.size, box)
        made[at] = lay(picture, frame, stills[at])
        if _whole(frame, shown) == frame.size:
            image = picture
    return [made[at] for at in range(len(stills))], image


def _whole(frame: Framing, shown: tuple[int, int]) -> tuple[int, int]:
    """The size of all of the picture at the frame's scale, never enlarged."""
    if frame.crop == (0.0, 0.0, float(shown[0]), float(shown[1])):
        return min(frame.size[0], shown[0]), min(frame.size[1], shown[1])
    return min(math.ceil(shown[0] * frame.scale), shown[0]), min(math.ceil(shown[1] * frame.scale), shown[1])

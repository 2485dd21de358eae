"""`python -I -m workers.confined.stills`: every still of one picture, from one decode."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.renditions import Still
from workers.confined import admission, pixels
from workers.confined.colour import to_srgb
from workers.confined.encoding import encode, verify
from workers.confined.placeholder import placeholder
from workers.confined.refusal import RefusedError
from workers.confined.serving import serve

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
_HEADROOM = 1.5
# First average to this many times the target, then resample: measured as sharp, at a third of the time.
_GAP = 2.0
_FILTER = Image.Resampling.LANCZOS


@dataclass(frozen=True)
class Order:
    """What the steps need to know beside the pixels: the largest still's size as the source lies, and its facts."""

    size: tuple[int, int]
    orientation: int
    profile: bytes | None


Step = Callable[[Image.Image, Order], Image.Image]


def draft(image: Image.Image, order: Order) -> Image.Image:
    """Let the JPEG decoder itself scale down by 2, 4 or 8."""
    if image.format not in {"JPEG", "MPO"}:
        return image
    width, height = order.size
    image.draft(None, (round(width * _HEADROOM), round(height * _HEADROOM)))
    return image


def decode(image: Image.Image, _: Order) -> Image.Image:
    """Turn bytes into pixels, once."""
    admission.decode(image)
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
    """Resample to the largest still; alpha is multiplied in meanwhile, so that hidden colours do not bleed."""
    if image.size == order.size:
        return image
    mode = image.mode
    if mode in pixels.MULTIPLIED:
        image = image.convert(pixels.MULTIPLIED[mode])
    image = image.resize(order.size, _FILTER, reducing_gap=_GAP)
    return image.convert(mode) if mode in pixels.MULTIPLIED else image


def colour(image: Image.Image, order: Order) -> Image.Image:
    """Convert to sRGB, on the small image."""
    if image.mode in {"L", "RGB", "RGBA"} and not order.profile:
        return image
    return to_srgb(image, order.profile)


def upright(image: Image.Image, order: Order) -> Image.Image:
    """Turn the picture as its orientation says."""
    if order.orientation not in _TURNED:
        return image
    return image.transpose(_TURNED[order.orientation])


def bare(image: Image.Image, _: Order) -> Image.Image:
    """Copy the pixels alone: position, camera, owner and profile stay behind."""
    clean = Image.new(image.mode, image.size)
    clean.paste(image)
    return clean


STEPS: tuple[Step, ...] = (draft, decode, eight_bits, expand, shrink, colour, upright, bare)
"""From the original to the largest still. Each smaller still is resampled from the one before it."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Write the `stills` of the file `source` into `folder`; facts about them, in the order they were asked for.

    `{"stills": [{"width", "height"}, ...], "placeholder": {...}}`. Raises RefusedError.
    """
    image = admission.open_image(Path(request["source"]), request["pixels"])
    if image is None:
        raise RefusedError("image_undecodable")
    stills = [Still.from_dict(still) for still in request["stills"]]
    made = cascade(image, stills)
    for still, picture in zip(stills, made, strict=True):
        path = Path(request["folder"]) / still.suffix
        encode(picture, still, path)
        verify(path, still, picture.size)
    return {
        "stills": [{"width": picture.width, "height": picture.height} for picture in made],
        "placeholder": placeholder(min(made, key=lambda picture: picture.size)),
    }


def cascade(image: Image.Image, stills: Sequence[Still]) -> list[Image.Image]:
    """The picture in the size of each still, upright, in sRGB, without metadata. Raises RefusedError."""
    turn = admission.orientation(image)
    shown = image.size[::-1] if turn in admission.SIDEWAYS else image.size
    sizes = [still.size(*shown) for still in stills]
    largest = max(sizes)
    order = Order(largest[::-1] if turn in admission.SIDEWAYS else largest, turn, image.info.get("icc_profile"))
    for step in STEPS:
        image = step(image, order)
    made = {largest: image}
    for size in sorted(set(sizes), reverse=True):
        image = shrink(image, Order(size, turn, None))
        made[size] = image
    return [made[size] for size in sizes]


if __name__ == "__main__":
    serve(answer)

"""The question `similarity`: how like their original stills look, beside others resampled from all its pixels."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from PIL import Image, ImageMath

from pipeline.renditions import Still
from workers.confined import admission, pixels, stills
from workers.confined.canvas import flatten, lay
from workers.confined.colour import profile_of
from workers.confined.refusal import RefusedError

# Without the short cuts that the decoder of a JPEG offers, and at full size.
_STEPS = (stills.decode, stills.eight_bits, stills.expand, stills.colour, stills.upright, stills.bare)

# Wang, Bovik, Sheikh, Simoncelli, Image Quality Assessment (2004): constants for eight bits; windows of 8 x 8 pixels,
# side by side, weighted alike.
_WINDOW = 8
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


_PRODUCTS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = MappingProxyType(
    {"xx": lambda m: m["x"] * m["x"], "yy": lambda m: m["y"] * m["y"], "xy": lambda m: m["x"] * m["y"]}
)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """`{"ssim": [0.97, ...]}` of the files of `stills` in `folder`, beside the image `source`. Raises RefusedError."""
    source, folder = Path(request["source"]), Path(request["folder"])
    image: Image.Image | None = admission.open_image(source, request["pixels"])
    if image is None:
        raise RefusedError("image_undecodable")
    order = stills.Order(image.size, admission.orientation(image), profile_of(image, source), truncated=True)
    for step in _STEPS:
        image = step(image, order)
    wanted = [Still.from_dict(still) for still in request["stills"]]
    return {"ssim": [ssim(_stored(folder / still.suffix), _ideal(image, still)) for still in wanted]}


def ssim(one: Image.Image, other: Image.Image) -> float:
    """Mean structural similarity of the luma of two pictures of one size; 1: no difference."""
    planes = {"x": one.convert("L").convert("F"), "y": other.convert("L").convert("F")}
    squares = {name: ImageMath.lambda_eval(_PRODUCTS[name], **planes) for name in _PRODUCTS}
    means = {name: plane.reduce(_WINDOW) for name, plane in (planes | squares).items()}
    similarity = ImageMath.lambda_eval(_similarity, **means)
    mean = similarity.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    if not isinstance(mean, int | float):
        raise TypeError("a mean has more than one channel")
    return float(mean)


def _similarity(mean: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what Pillow's expressions are made of
    x, y = mean["x"], mean["y"]
    luminance = (2 * x * y + _C1) / (x * x + y * y + _C1)
    return luminance * (2 * (mean["xy"] - x * y) + _C2) / (mean["xx"] - x * x + mean["yy"] - y * y + _C2)


def _ideal(image: Image.Image, still: Still) -> Image.Image:
    frame = still.frame(*image.size)
    return _opaque(flatten(lay(pixels.resample(image, frame.size, frame.crop), frame, still), still))


def _stored(path: Path) -> Image.Image:
    with Image.open(path) as stored:
        return _opaque(stored)


def _opaque(picture: Image.Image) -> Image.Image:
    """As it is seen on a white page."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    page = Image.new("RGBA", picture.size, "white")
    page.alpha_composite(picture)
    return page.convert("RGB")

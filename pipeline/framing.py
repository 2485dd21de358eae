"""Where the pixels of a picture go when it is fitted into a box of so many pixels."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Fit = Literal["inside", "cover", "contain"]
Gravity = Literal["centre", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"]

_ANCHORS: Mapping[Gravity, tuple[float, float]] = MappingProxyType(
    {
        "centre": (0.5, 0.5),
        "north": (0.5, 0.0),
        "northeast": (1.0, 0.0),
        "east": (1.0, 0.5),
        "southeast": (1.0, 1.0),
        "south": (0.5, 1.0),
        "southwest": (0.0, 1.0),
        "west": (0.0, 0.5),
        "northwest": (0.0, 0.0),
    }
)
"""Shares of the room to spare that lie left of and above what is kept."""


@dataclass(frozen=True)
class Framing:
    """The region `crop` of a picture, resampled to `size`, on a canvas of `canvas` pixels with its corner at `corner`.

    `crop` is left, top, right and bottom in the picture's pixels, and may cut through some.
    """

    crop: tuple[float, float, float, float]
    size: tuple[int, int]
    canvas: tuple[int, int]
    corner: tuple[int, int] = (0, 0)

    @property
    def scale(self) -> float:
        """Pixels made of one pixel of the picture, along the side that needs more."""
        left, top, right, bottom = self.crop
        return max(self.size[0] / (right - left), self.size[1] / (bottom - top))


def frame(
    width: int, height: int, box: tuple[int, int], fit: Fit = "inside", gravity: Gravity = "centre", *, upscale: bool
) -> Framing:
    """How a picture of `width` x `height` pixels is fitted into `box`, never 0 pixels wide or high.

    `inside` keeps all of it and is as large as the box allows; `contain` is the same on a canvas of the box's size;
    `cover` cuts off what the box has no room for. Unless `upscale`, a picture smaller than the box is not enlarged:
    its `cover` is then the largest part of it that has the shape of the box.
    """
    across, down = _ANCHORS[gravity]
    if fit == "cover":
        scale = max(box[0] / width, box[1] / height)
        if scale > 1 and not upscale:
            size = (max(1, round(box[0] / scale)), max(1, round(box[1] / scale)))
            left, top = round((width - size[0]) * across), round((height - size[1]) * down)
            return Framing((left, top, left + size[0], top + size[1]), size, size)
        kept = (min(width, box[0] / scale), min(height, box[1] / scale))
        start = ((width - kept[0]) * across, (height - kept[1]) * down)
        return Framing((*start, min(width, start[0] + kept[0]), min(height, start[1] + kept[1])), box, box)
    size = inside(width, height, *box, upscale=upscale)
    whole = (0.0, 0.0, float(width), float(height))
    if fit == "inside":
        return Framing(whole, size, size)
    return Framing(whole, size, box, (round((box[0] - size[0]) * across), round((box[1] - size[1]) * down)))


def inside(width: int, height: int, most_width: int, most_height: int, *, upscale: bool = False) -> tuple[int, int]:
    """The size of a picture fitted into a box: aspect kept to the nearest pixel, never 0, enlarged only if told to."""
    scale = min(most_width / width, most_height / height)
    scale = scale if upscale else min(1.0, scale)
    return max(1, round(width * scale)), max(1, round(height * scale))

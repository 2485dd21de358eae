"""ThumbHash: a picture's placeholder in about 25 bytes, with its aspect and its alpha.

After Evan Wallace's reference implementation (https://github.com/evanw/thumbhash, MIT licence), whose hashes these
are, but for ties in rounding.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import add, mul, sub

MOST = 100
"""The longest side in pixels that the format provides for."""

_FULL = 255
_DETAIL = 7  # luminance coefficients along the longer side
_DETAIL_WITH_ALPHA = 5


@dataclass(frozen=True)
class _Channel:
    """A cosine transform: the mean, the rest scaled to 0..1, and that scale."""

    mean: float
    rest: Sequence[float]
    scale: float


def thumbhash(width: int, height: int, rgba: bytes) -> bytes:
    """The hash of `width` x `height` pixels of four bytes each, alpha not premultiplied.

    Raises ValueError for a side over 100 pixels.
    """
    if max(width, height) > MOST:
        raise ValueError(f"{width} x {height} pixels are too many; the longest side may have {MOST}")
    planes = (rgba[band::4] for band in range(3))
    alphas = [alpha / 255 for alpha in rgba[3::4]]
    opacity = sum(alphas)
    has_alpha = opacity < width * height
    red, green, blue = ((_over_mean(plane, alphas, opacity) if has_alpha else plane) for plane in planes)
    detail = (_DETAIL_WITH_ALPHA if has_alpha else _DETAIL) / max(width, height)
    across, down = (max(1, _round(detail * side)) for side in (width, height))
    size = (width, height)
    warm, twice_blue = list(map(add, red, green)), map(add, blue, blue)
    light = _transform(map(add, warm, blue), 3 * _FULL, size, (max(3, across), max(3, down)))
    yellow = _transform(map(sub, warm, twice_blue), 2 * _FULL, size, (3, 3))
    reddish = _transform(map(sub, red, green), _FULL, size, (3, 3))
    opaque = _transform(alphas, 1, size, (5, 5)) if has_alpha else None
    landscape = width > height
    head = (
        _round(63 * light.mean)
        | _round(31.5 + 31.5 * yellow.mean) << 6
        | _round(31.5 + 31.5 * reddish.mean) << 12
        | _round(31 * light.scale) << 18
        | has_alpha << 23
        | (down if landscape else across) << 24
        | _round(63 * yellow.scale) << 27
        | _round(63 * reddish.scale) << 33
        | landscape << 39
    )
    body = [*light.rest, *yellow.rest, *reddish.rest]
    encoded = head.to_bytes(5, "little")
    if opaque:
        body.extend(opaque.rest)
        encoded += bytes([_round(15 * opaque.mean) | _round(15 * opaque.scale) << 4])
    nibbles = [_round(15 * value) for value in body]
    nibbles += [0] * (len(nibbles) % 2)
    return encoded + bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def _over_mean(plane: bytes, alphas: Sequence[float], opacity: float) -> Sequence[float]:
    """One colour laid over its own mean, as the picture will be laid over its page."""
    mean = sum(map(mul, plane, alphas)) / opacity if opacity else 0.0
    return [mean * (1 - alpha) + value * alpha for value, alpha in zip(plane, alphas, strict=True)]


def _transform(values: Iterable[float], unit: float, size: tuple[int, int], terms: tuple[int, int]) -> _Channel:
    """The lower left triangle of a channel's two-dimensional cosine transform, `terms` wide and high.

    `unit` is the value that stands for 1.
    """
    width, height = size
    across, down = terms
    channel = list(values)
    columns = [channel[start::width] for start in range(width)]
    mean, rest = 0.0, []
    for cy in range(down):
        falling = [math.cos(math.pi / height * cy * (y + 0.5)) for y in range(height)]
        folded = [sum(map(mul, falling, column)) for column in columns]
        for cx in range(math.ceil(across * (down - cy) / down)):
            wave = (math.cos(math.pi / width * cx * (x + 0.5)) for x in range(width))
            value = sum(map(mul, wave, folded)) / (width * height * unit)
            if cx or cy:
                rest.append(value)
            else:
                mean = value
    scale = max(map(abs, rest), default=0.0)
    return _Channel(mean, [0.5 + 0.5 / scale * value if scale else 0.0 for value in rest], scale)


def _round(value: float) -> int:
    return math.floor(value + 0.5)

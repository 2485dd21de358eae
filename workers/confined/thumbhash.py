"""ThumbHash: a picture's placeholder in about 25 bytes, with its aspect and its alpha.

After Evan Wallace's reference implementation (https://github.com/evanw/thumbhash, MIT licence), whose hashes these
are, but for ties in rounding.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

MOST = 100
"""The longest side in pixels that the format provides for."""

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
    reds, greens, blues = (rgba[band::4] for band in range(3))
    alphas = [alpha / 255 for alpha in rgba[3::4]]
    opacity = sum(alphas)
    has_alpha = opacity < width * height
    planes = [_over_mean(plane, alphas, opacity) for plane in (reds, greens, blues)]
    pixels = list(zip(*planes, strict=True))
    detail = (_DETAIL_WITH_ALPHA if has_alpha else _DETAIL) / max(width, height)
    across, down = (max(1, _round(detail * side)) for side in (width, height))
    size = (width, height)
    light = _transform([(r + g + b) / 3 for r, g, b in pixels], size, (max(3, across), max(3, down)))
    yellow = _transform([(r + g) / 2 - b for r, g, b in pixels], size, (3, 3))
    red = _transform([r - g for r, g, _ in pixels], size, (3, 3))
    opaque = _transform(alphas, size, (5, 5)) if has_alpha else None
    landscape = width > height
    head = (
        _round(63 * light.mean)
        | _round(31.5 + 31.5 * yellow.mean) << 6
        | _round(31.5 + 31.5 * red.mean) << 12
        | _round(31 * light.scale) << 18
        | has_alpha << 23
        | (down if landscape else across) << 24
        | _round(63 * yellow.scale) << 27
        | _round(63 * red.scale) << 33
        | landscape << 39
    )
    body = [*light.rest, *yellow.rest, *red.rest]
    encoded = head.to_bytes(5, "little")
    if opaque:
        body.extend(opaque.rest)
        encoded += bytes([_round(15 * opaque.mean) | _round(15 * opaque.scale) << 4])
    nibbles = [_round(15 * value) for value in body]
    nibbles += [0] * (len(nibbles) % 2)
    return encoded + bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def _over_mean(plane: bytes, alphas: Sequence[float], opacity: float) -> list[float]:
    """One colour laid over its own mean, as the picture will be laid over its page."""
    mean = sum(value / 255 * alpha for value, alpha in zip(plane, alphas, strict=True)) / opacity if opacity else 0.0
    return [mean * (1 - alpha) + value / 255 * alpha for value, alpha in zip(plane, alphas, strict=True)]


def _transform(channel: Sequence[float], size: tuple[int, int], terms: tuple[int, int]) -> _Channel:
    """The lower left triangle of the channel's two-dimensional cosine transform, `terms` wide and high."""
    width, height = size
    across, down = terms
    rows = [channel[start : start + width] for start in range(0, width * height, width)]
    mean, rest = 0.0, []
    for cy in range(down):
        column = [math.cos(math.pi / height * cy * (y + 0.5)) for y in range(height)]
        folded = [sum(map(mul, column, values)) for values in zip(*rows, strict=True)]
        for cx in range(math.ceil(across * (down - cy) / down)):
            wave = (math.cos(math.pi / width * cx * (x + 0.5)) for x in range(width))
            value = sum(map(mul, wave, folded)) / (width * height)
            if cx or cy:
                rest.append(value)
            else:
                mean = value
    scale = max(map(abs, rest), default=0.0)
    return _Channel(mean, [0.5 + 0.5 / scale * value if scale else 0.0 for value in rest], scale)


def _round(value: float) -> int:
    return math.floor(value + 0.5)

"""The picture of any source as it is shown: upright, its pixels square, combs taken out, SDR, colours tagged."""

from collections.abc import Mapping
from typing import Any

from pipeline.probes import Probe
from workers import colour


def cap(probe: Probe) -> Mapping[str, int]:
    """Refuse a frame that is far larger than what was judged: streams can change their size."""
    return {"max_pixels": max(2 * probe.pixels, 2**20)}


def deinterlaced(stream: Any, probe: Probe) -> Any:  # noqa: ANN401 - ffmpeg-python has no types
    """Whole frames, of an interlaced source as many as it has."""
    return stream.filter("bwdif", mode="send_frame", deint="interlaced") if probe.interlaced else stream


def master(stream: Any, probe: Probe, width: int, height: int) -> Any:  # noqa: ANN401
    """The picture in the given pixels: upright (ffmpeg turns it by itself), square pixels, SDR, colours tagged."""
    scaled = scale(stream, width, height, **colour.scaling(probe))
    for name, options in colour.steps(probe):
        scaled = scaled.filter(name, **options)
    return scaled


def scale(stream: Any, width: int, height: int, **options: str) -> Any:  # noqa: ANN401
    """In the given pixels, which are square."""
    return stream.filter("scale", w=width, h=height, **options).filter("setsar", 1)

"""The picture of any source as it is shown: upright, its pixels square, combs taken out, SDR, colours tagged."""

from collections.abc import Mapping
from typing import Any

from pipeline.probes import Probe
from workers import colour

_LARGE = 2**24  # pixels, twice those of 2160p: recordings of calls begin small


def held(probe: Probe) -> Mapping[str, int]:
    """How to read a stream that may change its size, or kind of pixels, on the way: on through one graph.

    A graph that is set up anew forgets how many frames it has let through. `master` scales whatever comes. A frame that
    is far larger than what was judged is refused.
    """
    return {"max_pixels": max(2 * probe.pixels, _LARGE)} | ({} if probe.orientation else {"reinit_filter": 0})


def deinterlaced(stream: Any, probe: Probe) -> Any:  # noqa: ANN401 - ffmpeg-python has no types
    """Whole frames, of an interlaced source as many as it has."""
    if not probe.interlaced:
        return stream
    steady = stream.filter("scale", w=probe.coded_width, h=probe.coded_height)  # which the next filter relies on
    return steady.filter("bwdif", mode="send_frame", deint="interlaced")


def master(stream: Any, probe: Probe, width: int, height: int) -> Any:  # noqa: ANN401
    """The picture in the given pixels: upright (ffmpeg turns it by itself), square pixels, SDR, colours tagged."""
    scaled = scale(stream, width, height, **colour.scaling(probe))
    for name, options in colour.steps(probe):
        scaled = scaled.filter(name, **options)
    return scaled


def scale(stream: Any, width: int, height: int, **options: str) -> Any:  # noqa: ANN401
    """In the given pixels, which are square."""
    return stream.filter("scale", w=width, h=height, **options).filter("setsar", 1)

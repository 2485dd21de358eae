"""The question `packets`: what do all packets of an H.264 track tell, read once and undecoded?

Only of a track that could be copied is there anything to tell: all timestamps on one grid, no frame missing, one set of
parameters for all, nothing in it that is not plain progressive picture. Its first picture is decoded, for what is
attached to it: a player would have to turn it, say.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import av
from av.packet import Packet
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.copying import PEAK_SECONDS
from workers.confined.films import OPTIONS
from workers.confined.parameters import Parameters, UnfitError, parameters

_PROGRESSIVE = 1  # libavcodec, AVFieldOrder
_ATTACHED = frozenset({Type.SEI_UNREGISTERED, Type.A53_CC, Type.S12M_TIMECODE, Type.GOP_TIMECODE})
_CHANGES: tuple[Literal["new_extradata", "param_change"], ...] = ("new_extradata", "param_change")


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """`{"packets": facts}` of the track `stream` of the file `source`: fields of the probe, none if it is unfit."""
    try:
        return {"packets": _read(Path(request["source"]), request["stream"])}
    except (UnfitError, av.error.FFmpegError):
        return {"packets": {}}


@dataclass
class _Track:
    """Packets in the order they are stored: bytes, timestamps in ticks, whether decoding can begin there."""

    sizes: list[int] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    decoded: list[int] = field(default_factory=list)
    begins: list[bool] = field(default_factory=list)


def _read(path: Path, index: int) -> dict[str, Any]:
    with av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace") as container:
        stream = container.streams[index]
        if not isinstance(stream, VideoStream) or stream.time_base is None:
            raise UnfitError
        stream.codec_context.thread_count = 1
        known = parameters(stream.codec_context.extradata or b"")
        track, picture = _Track(), None
        for packet in container.demux(stream):
            if packet.size == 0 and packet.dts is None:
                break
            _add(track, packet, known)
            if picture is None:
                picture = next(iter(packet.decode()), None)
                _require_plain(picture)
        if stream.codec_context.field_order != _PROGRESSIVE:
            raise UnfitError
        return _facts(track, stream.time_base) | {"profile": known.profile, "level": known.level}


def _require_plain(picture: object) -> None:
    attached: Any = picture.side_data if isinstance(picture, VideoFrame) else ()  # PyAV's types take it for a dict
    if any(each.type not in _ATTACHED for each in attached):
        raise UnfitError


def _add(track: _Track, packet: "Packet[Any]", known: Parameters) -> None:
    if packet.pts is None or packet.dts is None or packet.is_corrupt or packet.is_discard:
        raise UnfitError
    if any(packet.has_sidedata(kind) for kind in _CHANGES):
        raise UnfitError
    begins = known.begins(memoryview(packet))
    track.sizes.append(packet.size)
    track.shown.append(packet.pts)
    track.decoded.append(packet.dts)
    track.begins.append(begins and packet.is_keyframe)


def _facts(track: _Track, time_base: Fraction) -> dict[str, Any]:
    """Raises UnfitError unless every frame is there, and each where the first and the grid would have it."""
    count, first = len(track.shown), min(track.shown, default=0)
    if count <= 1:  # which has no rate
        raise UnfitError
    tick = (max(track.shown) - first) // (count - 1)
    numbers = [(time - first) // tick for time in track.shown] if tick else []
    if sorted(track.shown) != [first + tick * number for number in range(count)]:
        raise UnfitError
    if track.decoded != [track.decoded[0] + tick * number for number in range(count)]:
        raise UnfitError
    latest = [-1, *accumulate(numbers, max)]
    cuts = {at for at in range(count) if track.begins[at] and numbers[at] == at and latest[at] < at}
    rate = 1 / (tick * time_base)
    return {
        "steady_rate": str(rate),
        "time_base": str(time_base),
        "keyframe_every": _every(cuts, count),
        "bit_rate": _rate(sum(track.sizes), count, rate),
        "peak_rate": _peak(track.sizes, rate),
    }


def _every(cuts: set[int], count: int) -> int:
    """The fewest frames at whose every multiple the track can be cut; all there are, if it can be cut nowhere."""
    if 0 not in cuts:
        raise UnfitError
    grids = (each for each in sorted(cuts) if each and all(at in cuts for at in range(each, count, each)))
    return next(grids, count)


def _peak(sizes: list[int], rate: Fraction) -> int:
    window = min(len(sizes), max(1, round(PEAK_SECONDS * rate)))
    sums = [0, *accumulate(sizes)]
    most = max(late - early for early, late in zip(sums, sums[window:], strict=False))
    return _rate(most, window, rate)


def _rate(size: int, frames: int, rate: Fraction) -> int:
    return round(8 * size * rate / frames)

"""What a video's container tells: its kind, its times, and whether all it announces is there."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from pipeline.probes import JOINABLE, MATROSKA

QUICKTIME = "mov,mp4,m4a,3gp,3g2,mj2"
"""The demuxer of MP4, QuickTime and 3GP."""

MIME_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "mp4": "video/mp4",
        "mov": "video/quicktime",
        "3gp": "video/3gpp",
        "3g2": "video/3gpp2",
        "matroska": "video/x-matroska",
        "webm": "video/webm",
        "avi": "video/x-msvideo",
        "mpegts": "video/mp2t",
        "mpeg": "video/mpeg",
    }
)
"""Our names of containers, and their MIME types."""

_MAGIC = 64  # bytes; an EBML header with its DocType fits
_DURATION_TAG = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def kind(container: InputContainer, path: Path) -> str:
    """Our name of the container, out of `MIME_TYPES`."""
    demuxer = container.format.name
    if demuxer == MATROSKA:
        with path.open("rb") as file:
            return "webm" if b"webm" in file.read(_MAGIC) else "matroska"
    if demuxer == QUICKTIME:
        brand = container.metadata.get("major_brand", "qt")  # QuickTime is older than brands
        return {"qt": "mov", "3g2": "3g2", "3gp": "3gp", "3gr": "3gp", "3gs": "3gp", "3ge": "3gp"}.get(
            brand[:3].strip(), "mp4"
        )
    return demuxer


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The video stream that a player shows; cover art is none."""
    films = [
        stream
        for stream in container.streams.video
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)
    ]
    best = container.streams.best("video")
    return best if isinstance(best, VideoStream) and best in films else next(iter(films), None)


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The audio stream that a player plays: of those there is a decoder for the default one, or else the first.

    A phone may put another kind beside it; a broadcast announces tracks that nothing comes of, and a damaged header
    none that can be opened: those have no channels.
    """
    heard = [stream for stream in container.streams.audio if decodable(stream) and stream.codec_context.channels]
    return min(heard, key=lambda stream: not stream.disposition & Disposition.default, default=None)


def decodable(stream: Stream) -> bool:
    """Whether there is a decoder for the stream. Where there is none PyAV has no context, though its types say so."""
    return getattr(stream, "codec_context", None) is not None


def packets(container: InputContainer, *streams: Stream) -> Iterator["Packet[Any]"]:
    """The packets of these streams as they come; streams that come up later are left alone.

    At the end PyAV asks for those, too, whenever there happens to be something in memory that it does not own.
    """
    wanted = {stream.index for stream in streams}
    with suppress(IndexError):
        yield from (packet for packet in container.demux(streams) if packet.stream_index in wanted)


def breaks_off(stream: VideoStream, size: int) -> float | None:
    """After how many seconds a file breaks off whose index points beyond its end, as in a download that stopped."""
    beyond = [entry.timestamp for entry in stream.index_entries if entry.pos + entry.size > size]
    first = min((entry.timestamp for entry in stream.index_entries), default=0)
    return float((min(beyond) - first) * (stream.time_base or 0)) if beyond else None


def keyframe_gap(container: InputContainer, stream: VideoStream) -> float | None:
    """The longest time in seconds between two keyframes; None where the container has no index of every frame."""
    entries = stream.index_entries
    if container.format.name != QUICKTIME or stream.time_base is None or len(entries) < max(stream.frames, 1):
        return None
    marked = (entry.timestamp for entry in entries if entry.is_keyframe)
    times = [entries[0].timestamp, *marked, entries[-1].timestamp]
    return float(max(after - before for before, after in pairwise(times)) * stream.time_base)


def start(stream: VideoStream) -> float:
    """The timestamp of the stream's first sample in seconds."""
    return float((stream.start_time or 0) * (stream.time_base or 0))


def since(stream: VideoStream, earlier: int | None, later: int | None) -> float:
    """The seconds between two timestamps; 0 if there are not two."""
    return 0.0 if earlier is None or later is None else float((later - earlier) * (stream.time_base or 0))


def duration(container: InputContainer, stream: VideoStream) -> tuple[float, float] | None:
    """Seconds that the file and its video stream last; None if even reading all of it does not tell.

    Call it last: it may leave the container at its end. A container in `JOINABLE` is read by others, all of it.
    """
    whole = container.duration / av.time_base if container.duration else None
    of_stream = _declared(stream)
    if container.format.name == QUICKTIME and of_stream is not None:
        of_stream = max(of_stream, _indexed(stream))
    if whole is None and of_stream is None and container.format.name not in JOINABLE:
        of_stream = _measured(container, stream)
    longest = max(whole or 0.0, of_stream or 0.0)
    return (longest, of_stream or longest) if longest > 0 else None


def _declared(stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if tag := _DURATION_TAG.match(stream.metadata.get("DURATION", "")):
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    return None


def _indexed(stream: VideoStream) -> float:
    """The seconds from the first frame to the last one by the index, which is what decoders go by."""
    entries = stream.index_entries
    return float((entries[-1].timestamp - entries[0].timestamp) * (stream.time_base or 0)) if len(entries) else 0.0


def _measured(container: InputContainer, stream: VideoStream) -> float | None:
    """A live recording is never told its length: read on to the end."""
    last = Fraction(0)
    for packet in packets(container, stream):
        if packet.pts is not None and packet.time_base is not None:
            last = max(last, (packet.pts + (packet.duration or 0)) * packet.time_base)
    return max(0.0, float(last) - start(stream))

"""The question `films`: which video is this file?

What its container declares comes first, then proof that a picture can be decoded.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.limits import Limits, Rejected, judge
from pipeline.probes import JOINABLE, MATROSKA, Probe
from workers.confined import codepoints, containers
from workers.confined.cutoff import lacks_end
from workers.confined.refusal import RefusedError
from workers.confined.requests import limits_of

# Playlists (HLS, DASH, concat) make a demuxer open other files: no format that can is on the list.
OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg",
    "protocol_whitelist": "file",
    "max_streams": "64",
    "probesize": "20000000",
    "analyzeduration": "20000000",
}
TRUNCATED = "video_truncated"  # the reason, and the warning where it is accepted
_PATIENCE = 500  # packets that may fail before the first picture: a recording of a broadcast starts anywhere
_ANNOUNCED = frozenset({MATROSKA, "avi"})  # containers that say how many bytes they have; MP4 has an index
_INTERLACED = frozenset({2, 3, 4, 5})  # libavcodec, AVFieldOrder: TT, BB, TB, BT


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """`{"probe": ...}` of the file `source` under `limits`; raises RefusedError."""
    return {"probe": inspect_film(Path(request["source"]), limits_of(request)).to_dict()}


def inspect_film(path: Path, limits: Limits) -> Probe:
    """The probe of a video whose first picture was decoded; raises RefusedError."""
    try:
        container = av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace")
    except MemoryError:  # of ffmpeg's errors too
        raise
    except av.error.FFmpegError as error:
        raise RefusedError(TRUNCATED if lacks_end(path) else "format_unsupported") from error
    with container:
        stream = containers.picture_stream(container)
        if stream is None:
            raise RefusedError("picture_missing")
        if not containers.decodable(stream):
            raise RefusedError("video_undecodable")
        declared = _admitted(_declared(container, stream, path), limits)
        broken = containers.breaks_off(stream, declared.bytes)
        cut = broken is not None or (container.format.name in _ANNOUNCED and lacks_end(path))
        if cut and limits.truncated == "reject":
            raise RefusedError(TRUNCATED)
        try:
            picture, delay = _first_picture(container, stream, limits)
            _require_plain_sound(container)
            lasts = containers.duration(container, stream)
        except MemoryError:
            raise
        except av.error.FFmpegError as error:
            raise RefusedError("video_undecodable") from error
        if broken is not None:
            lasts = broken, broken
        if lasts is None and declared.container not in JOINABLE:
            raise RefusedError("duration_unknown")
        shown = replace(_shown(declared, stream, picture), video_delay=delay, warnings=(TRUNCATED,) if cut else ())
        whole, of_picture = lasts or (None, None)
        return _admitted(replace(shown, duration=whole, video_duration=of_picture), limits)


def _admitted(probe: Probe, limits: Limits) -> Probe:
    # How long a film is that may have been joined only all of its timestamps tell.
    verdict = judge(replace(probe, duration=None) if probe.container in JOINABLE else probe, limits)
    if isinstance(verdict, Rejected):
        raise RefusedError(verdict.reason)
    return probe


def _declared(container: InputContainer, stream: VideoStream, path: Path) -> Probe:
    codec = stream.codec_context
    audio = containers.sound_stream(container)
    kind = containers.kind(container, path)
    rate = stream.average_rate or stream.guessed_rate
    nominal = stream.guessed_rate or stream.base_rate or rate
    return Probe(
        kind="video",
        format=kind,
        mime_type=containers.MIME_TYPES[kind],
        codec=codec.codec.canonical_name,
        bytes=path.stat().st_size,
        width=codec.width,
        height=codec.height,
        coded_width=codec.width,
        coded_height=codec.height,
        orientation=0,
        frames=stream.frames,
        container=container.format.name,
        streams=len(container.streams),
        duration=container.duration / av.time_base if container.duration else None,
        start_time=(container.start_time or 0) / av.time_base,
        video_start=containers.start(stream),
        frame_rate=str(rate) if rate else None,
        nominal_rate=str(nominal) if nominal else None,
        keyframe_gap=containers.keyframe_gap(container, stream),
        video_stream=stream.index,
        has_audio=audio is not None,
        audio_stream=audio.index if audio else None,
        audio_codec=audio.codec_context.codec.canonical_name if audio else None,
        audio_channels=audio.codec_context.channels if audio else 0,
    )


def _first_picture(container: InputContainer, stream: VideoStream, limits: Limits) -> tuple[VideoFrame, float]:
    """It, and by how many seconds it came after its own packet, where the container does not say when it is shown."""
    begun: int | None = None
    codec = stream.codec_context
    codec.thread_count = 1
    codec.options = {"max_pixels": str(limits.pixels)}  # the stream may not keep to what the container declared
    for count, packet in enumerate(containers.packets(container, stream)):
        if packet.has_sidedata("encryption_info"):
            raise RefusedError("video_encrypted")
        begun = packet.dts if packet.is_keyframe else begun
        try:
            pictures = packet.decode()
        except av.error.InvalidDataError:
            pictures = []
        for picture in pictures:
            if isinstance(picture, VideoFrame):
                untimed = container.format.name == "avi"
                return picture, containers.since(stream, begun, picture.dts) if untimed else 0.0
        if count > _PATIENCE:
            break
    raise RefusedError("video_undecodable")


def _require_plain_sound(container: InputContainer) -> None:
    """Refuse a film of which the sound alone is encrypted: nothing but its packets tell."""
    sound = containers.sound_stream(container)
    if sound is not None and container.format.name == containers.QUICKTIME:
        packet = next(containers.packets(container, sound), None)
        if packet is not None and packet.has_sidedata("encryption_info"):
            raise RefusedError("video_encrypted")


def _turn(rotation: int) -> int:
    """Degrees clockwise; a turn that is none of a quarter gives a picture no other size."""
    quarters = round(-rotation / 90) * 90
    return quarters % 360 if abs(rotation + quarters) <= 1 else 0


def _shown(declared: Probe, stream: VideoStream, picture: VideoFrame) -> Probe:
    codec = stream.codec_context
    turn = _turn(picture.rotation)
    aspect = stream.sample_aspect_ratio or 1
    width, height = max(1, round(picture.width * aspect)), picture.height
    depths = [component.bits for component in picture.format.components]
    return replace(
        declared,
        width=height if turn in (90, 270) else width,
        height=width if turn in (90, 270) else height,
        coded_width=picture.width,
        coded_height=picture.height,
        orientation=turn,
        sample_aspect=f"{aspect.numerator}:{aspect.denominator}",
        interlaced=picture.interlaced_frame or codec.field_order in _INTERLACED,
        has_alpha=stream.metadata.get("alpha_mode") == "1" or picture.format.name.startswith(("yuva", "rgba", "gbrap")),
        pixel_format=picture.format.name,
        bit_depth=max(depths, default=8),
        colour_primaries=codepoints.PRIMARIES.get(picture.color_primaries),
        colour_transfer=codepoints.TRANSFER.get(picture.color_trc),
        colour_space=codepoints.MATRIX.get(picture.colorspace),
        colour_range=codepoints.RANGE.get(picture.color_range),
    )

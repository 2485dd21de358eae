"""HLS playlists (RFC 8216, and draft-pantos-hls-rfc8216bis for the attributes newer than it), as text."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

_VERSION = 7  # fragmented MP4 needs 6; 7 is what Apple's own tools write for it


class MismatchError(ValueError):
    """Parts of one track were made by encoders that do not agree."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One media segment: file name, seconds, bytes."""

    name: str
    duration: float
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Track:
    """Segments that follow one another behind one initialisation segment.

    `config` is the decoder configuration: tracks with equal ones can play behind either's `init`. `sha256` is of that
    file, `codec` the track's name after RFC 6381.
    """

    init: str
    sha256: str
    config: str
    codec: str
    segments: tuple[Segment, ...]

    @property
    def duration(self) -> float:
        """Seconds."""
        return math.fsum(segment.duration for segment in self.segments)

    def to_dict(self) -> dict[str, Any]:
        """JSON for a manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, track: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; raises TypeError or KeyError for anything else."""
        return cls(**{**track, "segments": tuple(Segment(**segment) for segment in track["segments"])})


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One rung of the multivariant playlist: `uri` of its media playlist, pixels, frames per second."""

    uri: str
    track: Track
    width: int
    height: int
    rate: float


def joined(parts: Sequence[Track]) -> Track:
    """One track of several that follow each other, behind the first one's initialisation segment.

    Raises:
        MismatchError: they do not share a decoder configuration.
    """
    first = parts[0]
    if any(part.config != first.config or part.codec != first.codec for part in parts):
        raise MismatchError("the parts' decoder configurations differ")
    segments = tuple(segment for part in parts for segment in part.segments)
    return Track(init=first.init, sha256=first.sha256, config=first.config, codec=first.codec, segments=segments)


def media(track: Track) -> str:
    """The media playlist of a whole track."""
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        f"#EXT-X-TARGETDURATION:{_target(track)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{track.init}"',
    ]
    for segment in track.segments:
        lines += [f"#EXTINF:{segment.duration:.6f},", segment.name]
    return _text([*lines, "#EXT-X-ENDLIST"])


def multivariant(variants: Iterable[Variant], audio: Track | None, audio_uri: str) -> str:
    """The multivariant playlist: the variants in the order given, all with the same sound, if any."""
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if audio:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",'
            f'URI="{audio_uri}"'
        )
    for variant in variants:
        tracks = (variant.track, *((audio,) if audio else ()))
        attributes = {
            "BANDWIDTH": sum(peak(track) for track in tracks),
            "AVERAGE-BANDWIDTH": sum(average(track) for track in tracks),
            "CODECS": '"' + ",".join(track.codec for track in tracks) + '"',
            "RESOLUTION": f"{variant.width}x{variant.height}",
            "FRAME-RATE": f"{variant.rate:.3f}",
            "VIDEO-RANGE": "SDR",
            **({"AUDIO": '"audio"'} if audio else {}),
            "CLOSED-CAPTIONS": "NONE",
        }
        lines += ["#EXT-X-STREAM-INF:" + ",".join(f"{name}={value}" for name, value in attributes.items()), variant.uri]
    return _text(lines)


def average(track: Track) -> int:
    """Bits per second over the whole track."""
    return _rate(track.segments)


def peak(track: Track) -> int:
    """The peak segment bit rate in bit/s.

    RFC 8216, section 4.3.4.2: the largest of any contiguous segments that last between 0.5 and 1.5 target durations
    together; of a track shorter than that, the whole's.
    """
    segments, target = track.segments, _target(track)
    most = average(track)
    for start in range(len(segments)):
        duration, end = 0.0, start
        while end < len(segments) and (duration := duration + segments[end].duration) <= 1.5 * target:
            end += 1
            if duration >= 0.5 * target:
                most = max(most, _rate(segments[start:end]))
    return most


def _rate(segments: Sequence[Segment]) -> int:
    duration = math.fsum(segment.duration for segment in segments)
    return math.ceil(8 * sum(segment.bytes for segment in segments) / duration) if duration else 0


def _target(track: Track) -> int:
    """Target duration in seconds: no segment's, rounded to the nearest whole second, may be longer (4.3.3.1)."""
    return max(1, math.floor(max(segment.duration for segment in track.segments) + 0.5))


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"

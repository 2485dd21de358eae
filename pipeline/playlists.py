"""HLS playlists (RFC 8216, and draft-pantos-hls-rfc8216bis for the attributes newer than it), as text."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Self

_VERSION = 7  # fragmented MP4 needs 6; 7 is what Apple's own tools write for it


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


Runs = tuple[Track, ...]
"""A whole rendition: tracks that follow one another, each behind an initialisation segment of its own. Mostly one."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One rung of the multivariant playlist: `uri` of its media playlist, its runs, pixels, frames per second."""

    uri: str
    runs: Runs
    width: int
    height: int
    rate: float


def seams(rungs: Iterable[Sequence[Track]]) -> tuple[int, ...]:
    """Where chunks need a new initialisation segment: the first chunk of each run but the first.

    A run ends for all rungs where it ends for one: renditions of one content have their discontinuities at the same
    times (RFC 8216bis, section 6.2.4).
    """
    found = {
        index
        for chunks in rungs
        for index, (before, after) in enumerate(pairwise(chunks), 1)
        if (before.config, before.codec) != (after.config, after.codec)
    }
    return tuple(sorted(found))


def joined(chunks: Sequence[Track], breaks: Sequence[int] = ()) -> Runs:
    """The runs of chunks that follow each other, broken where `seams` says; each has its first chunk's header."""
    runs = [chunks[start:stop] for start, stop in pairwise((0, *breaks, len(chunks)))]
    return tuple(replace(run[0], segments=tuple(each for chunk in run for each in chunk.segments)) for run in runs)


def broken(track: Track, breaks: Sequence[int]) -> Runs:
    """The runs of a track that was encoded as one, broken before these of its segments; what lies beyond it is left."""
    inner = [at for at in breaks if 0 < at < len(track.segments)]
    bounds = pairwise((0, *inner, len(track.segments)))
    return tuple(replace(track, segments=track.segments[start:stop]) for start, stop in bounds)


def media(runs: Runs) -> str:
    """The media playlist of a whole rendition."""
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        f"#EXT-X-TARGETDURATION:{_target(_segments(runs))}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    for number, run in enumerate(runs):
        lines += ["#EXT-X-DISCONTINUITY"] if number else []
        lines.append(f'#EXT-X-MAP:URI="{run.init}"')
        for segment in run.segments:
            lines += [f"#EXTINF:{segment.duration:.6f},", segment.name]
    return _text([*lines, "#EXT-X-ENDLIST"])


def multivariant(variants: Iterable[Variant], audio: Runs | None, audio_uri: str) -> str:
    """The multivariant playlist: the variants in the order given, all with the same sound, if any."""
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if audio:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",'
            f'URI="{audio_uri}"'
        )
    for variant in variants:
        renditions = (variant.runs, *((audio,) if audio else ()))
        codecs = dict.fromkeys(run.codec for runs in renditions for run in runs)
        attributes = {
            "BANDWIDTH": sum(peak(runs) for runs in renditions),
            "AVERAGE-BANDWIDTH": sum(average(runs) for runs in renditions),
            "CODECS": f'"{",".join(codecs)}"',
            "RESOLUTION": f"{variant.width}x{variant.height}",
            "FRAME-RATE": f"{variant.rate:.3f}",
            "VIDEO-RANGE": "SDR",
            **({"AUDIO": '"audio"'} if audio else {}),
            "CLOSED-CAPTIONS": "NONE",
        }
        lines += ["#EXT-X-STREAM-INF:" + ",".join(f"{name}={value}" for name, value in attributes.items()), variant.uri]
    return _text(lines)


def average(runs: Runs) -> int:
    """Bits per second over the whole rendition."""
    return _rate(_segments(runs))


def peak(runs: Runs) -> int:
    """The peak segment bit rate in bit/s.

    RFC 8216, section 4.3.4.2: the largest of any contiguous segments that last between 0.5 and 1.5 target durations
    together; of a rendition shorter than that, the whole's.
    """
    segments = _segments(runs)
    target, most = _target(segments), average(runs)
    for start in range(len(segments)):
        duration, end = 0.0, start
        while end < len(segments) and (duration := duration + segments[end].duration) <= 1.5 * target:
            end += 1
            if duration >= 0.5 * target:
                most = max(most, _rate(segments[start:end]))
    return most


def _segments(runs: Runs) -> tuple[Segment, ...]:
    return tuple(segment for run in runs for segment in run.segments)


def _rate(segments: Sequence[Segment]) -> int:
    duration = math.fsum(segment.duration for segment in segments)
    return math.ceil(8 * sum(segment.bytes for segment in segments) / duration) if duration else 0


def _target(segments: Sequence[Segment]) -> int:
    """Target duration in seconds: no segment's, rounded to the nearest whole second, may be longer (4.3.3.1)."""
    return max(1, math.floor(max(segment.duration for segment in segments) + 0.5))


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"

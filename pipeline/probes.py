"""What inspection found in a file: facts about the picture or the film."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Literal, Self

MATROSKA = "matroska,webm"
"""The demuxer of Matroska and WebM."""

JOINABLE = frozenset({"mpegts", "mpeg", MATROSKA})
"""Containers whose demuxers read on where another recording begins, so that timestamps leap."""
_LEAPS = ("discontinuities", "audio_discontinuities")

TRUNCATED = "image_truncated"
"""The warning about a picture whose end is missing."""

Discontinuity = tuple[int, int]
"""From which byte of the file on timestamps are too small by how many ticks of their stream's time base."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One file as its decoder sees it.

    Sizes are pixels, times seconds. Colour is named as ffmpeg names it (`bt709`, `smpte2084`, `arib-std-b67`, ...),
    after the code points of ITU-T H.273; a name is None where the file says nothing.
    """

    kind: Literal["image", "video"]
    format: str
    """The kind of file: `jpeg`, `png`, `heif`, `mp4`, `mov`, `webm`, `mpegts`, ..."""
    mime_type: str
    codec: str
    """How the pixels are coded: `h264`, `vp9`, ...; of an image the same as its format."""
    bytes: int
    width: int
    """As displayed: after orientation and sample aspect."""
    height: int
    coded_width: int
    """As stored in the file."""
    coded_height: int
    orientation: int
    """Image: what is still to be done to the decoded pixels, as EXIF tag 274 says it (1 to 8, 1 = nothing).

    Video: degrees clockwise (0, 90, 180, 270) that a player turns each frame.
    """
    frames: int = 1
    """Frames of an animated image; of a video as far as the container knows them, else 0."""
    plays: int | None = None
    """How often an animated image is shown, 0 meaning without end; None for what does not move, or does not say."""
    has_alpha: bool = False
    metadata: Mapping[str, Any] | None = None
    """Of a photo, what the configuration asks for: `taken`, `camera`, `lens`, `exposure`, `gps`."""
    warnings: tuple[str, ...] = ()
    """What is wrong with the file that was accepted all the same: stable codes."""

    # Video only.
    container: str | None = None
    """The demuxer, as ffmpeg names it: `mov,mp4,m4a,3gp,3g2,mj2`, `matroska,webm`, `mpegts`, ..."""
    streams: int = 0
    duration: float | None = None
    """Of the whole file; `video_duration` of its video stream, which may be shorter than the sound."""
    video_duration: float | None = None
    start_time: float = 0.0
    """Timestamp of the container's first sample; an MPEG-TS rarely starts at 0."""
    video_start: float = 0.0
    """Timestamp of the video stream's first sample."""
    video_delay: float = 0.0
    """By how much too late a decoder times pictures, in a container (AVI) that has no times for when they are shown."""
    frame_rate: str | None = None
    """Average frames per second, exact: `30000/1001`."""
    nominal_rate: str | None = None
    """The rate the timestamps are made for; unlike `frame_rate` where frames were dropped or vary."""
    keyframe_gap: float | None = None
    """The longest time between two keyframes, where the container has an index that tells."""
    has_audio: bool = False
    video_stream: int = 0
    """Index of the stream that was judged, among all streams of the file: `-map 0:N`."""
    audio_stream: int | None = None
    audio_codec: str | None = None
    audio_channels: int = 0
    discontinuities: tuple[Discontinuity, ...] = ()
    """Where the clock leaps, as in recordings that were joined: for the picture, and `audio_discontinuities`."""
    audio_discontinuities: tuple[Discontinuity, ...] = ()
    sample_aspect: str = "1:1"
    interlaced: bool = False
    pixel_format: str | None = None
    bit_depth: int | None = None
    colour_primaries: str | None = None
    colour_transfer: str | None = None
    colour_space: str | None = None
    colour_range: str | None = None

    # Of a video whose packets were all read, because it may be copied: None where they do not fit a copy.
    profile: int | None = None
    """`profile_idc` of H.264, and `level_idc`: ten times the level."""
    level: int | None = None
    steady_rate: str | None = None
    """Frames per second, exact, that each timestamp keeps to the tick; `time_base` are the seconds of a tick."""
    time_base: str | None = None
    keyframe_every: int | None = None
    """Frames, the fewest such that at every multiple there is one from which on all can be decoded without the rest."""
    bit_rate: int | None = None
    """Bits per second of the picture; `peak_rate` in its densest seconds (`copying.PEAK_SECONDS` of them)."""
    peak_rate: int | None = None

    @property
    def pixels(self) -> int:
        """Pixels of one frame as stored."""
        return self.coded_width * self.coded_height

    def to_dict(self) -> dict[str, Any]:
        """JSON for the record, camelCase; what is unknown is left out.

        `frameRate` is a number there, for people; `frameRateExact` is the fraction.
        """
        facts = {_camel(field.name): getattr(self, field.name) for field in fields(self)}
        if self.frame_rate is not None:
            facts["frameRateExact"] = self.frame_rate
            facts["frameRate"] = round(float(Fraction(self.frame_rate)), 3)
        facts["warnings"] = list(self.warnings) or None
        for name in _LEAPS:
            facts[_camel(name)] = [list(each) for each in getattr(self, name)] or None
        return {name: value for name, value in facts.items() if value is not None}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Names it does not know are skipped: a newer release may have written them.

        Raises:
            TypeError: a fact without a default is missing.
        """
        known = {field.name: facts[_camel(field.name)] for field in fields(cls) if _camel(field.name) in facts}
        if "frameRateExact" in facts:
            known["frame_rate"] = facts["frameRateExact"]
        leaps = {name: tuple((int(at), int(by)) for at, by in known.get(name, ())) for name in _LEAPS}
        return cls(**known | leaps | {"warnings": tuple(known.get("warnings", ()))})


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.title() for word in tail)

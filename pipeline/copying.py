"""Which videos are a rung already: their own picture is cut into segments as it is, and never encoded.

Strict, for what is copied is published: a video that breaks one rule is encoded, and nobody is the worse for it.
"""

from collections.abc import Callable
from fractions import Fraction

from pipeline.ladder import FittedRung, VideoSettings
from pipeline.probes import Probe

PEAK_SECONDS = 4
"""The length of time over which `Probe.peak_rate` is the highest bit rate."""

_BUFFER_SECONDS = 2  # of a rung's rate that our own encoders may be ahead by: `bufsize` in workers/video.py
_AUDIO_AND_INDEX = 1_000_000  # bit/s of a file that are no picture, at most, before reading it is a waste of time
_LONGEST, _SHORTEST = Fraction(3, 2), Fraction(1, 2)  # of the segment that is asked for

_PROFILES = (66, 77, 100)  # Baseline, Main and High: ISO/IEC 14496-10, A.2
_MATRICES = (None, "bt709", "smpte170m", "bt470bg")
_TRANSFERS = (None, "bt709", "smpte170m")
# Levels: macroblocks of a frame, and in a second, ISO/IEC 14496-10, table A-1. Below 4 there is no device to protect.
_LEVELS = (
    (40, 8192, 245_760),
    (42, 8704, 522_240),
    (50, 22_080, 589_824),
    (51, 36_864, 983_040),
    (52, 36_864, 2_073_600),
)

_BY_HEADER: tuple[tuple[str, Callable[[Probe, FittedRung], bool]], ...] = (
    ("codec", lambda probe, _: probe.codec == "h264"),
    ("container", lambda probe, _: (probe.container or "").startswith("mov,")),
    ("pixels", lambda probe, _: probe.pixel_format == "yuv420p" and probe.colour_range in (None, "tv")),
    ("interlaced", lambda probe, _: not probe.interlaced),
    ("turned", lambda probe, _: probe.orientation == 0),
    ("aspect", lambda probe, _: probe.sample_aspect == "1:1"),
    ("size", lambda probe, rung: (probe.coded_width, probe.coded_height) == (rung.width, rung.height)),
    ("matrix", lambda probe, _: probe.colour_space in _MATRICES and probe.colour_primaries in _MATRICES),
    ("transfer", lambda probe, _: probe.colour_transfer in _TRANSFERS),
    ("damage", lambda probe, _: not probe.warnings),
    ("bytes", lambda probe, rung: _file_rate(probe) <= 2 * rung.bitrate + _AUDIO_AND_INDEX),
)
_BY_PACKETS: tuple[tuple[str, Callable[[Probe, FittedRung, Fraction], bool]], ...] = (
    ("rate", lambda probe, _, rate: probe.steady_rate is not None and Fraction(probe.steady_rate) == rate),
    ("start", lambda probe, _, rate: round(Fraction(probe.video_start - probe.start_time) * rate) == 0),
    ("profile", lambda probe, _, __: probe.profile in _PROFILES),
    ("level", lambda probe, rung, rate: (probe.level or 0) <= _level(rung, rate)),
    ("bits", lambda probe, rung, _: _fits(probe.bit_rate, probe.duration, rung)),
    ("peak", lambda probe, rung, _: _fits(probe.peak_rate, PEAK_SECONDS, rung)),
)


def promising(probe: Probe, rung: FittedRung) -> bool:
    """Whether a video may be that rung as far as its header tells, so that its packets are worth reading."""
    return all(holds(probe, rung) for _, holds in _BY_HEADER)


def obstacles(probe: Probe, rung: FittedRung, rate: Fraction, settings: VideoSettings) -> tuple[str, ...]:
    """Why a video is not that rung at that rate already: names of the rules it breaks; none, if it is copied."""
    broken = [name for name, holds in _BY_HEADER if not holds(probe, rung)]
    broken += [name for name, holds in _BY_PACKETS if not holds(probe, rung, rate)]
    if not _SHORTEST <= Fraction(segment(probe, rate, settings), rate * Fraction(settings.segment)) <= _LONGEST:
        broken.append("keyframes")
    return tuple(broken)


def segment(probe: Probe, rate: Fraction, settings: VideoSettings) -> int:
    """Frames of a segment that begins with one of the video's own keyframes, near what is asked for."""
    every = probe.keyframe_every or 1
    return every * max(1, round(Fraction(settings.segment) * rate / every))


def keyframe(segment: int, wanted: float) -> int:
    """Frames between keyframes of the rungs that are encoded beside it: a divisor of it, near what is wanted."""
    divisors = (each for each in range(1, segment + 1) if segment % each == 0)
    return min(divisors, key=lambda each: max(each / wanted, wanted / each))


def _fits(bits: int | None, seconds: float | None, rung: FittedRung) -> bool:
    """Whether an encoder of the rung could have spent as many bits per second, for that long."""
    return (bits or 0) * (seconds or 0) <= rung.bitrate * ((seconds or 0) + _BUFFER_SECONDS)


def _file_rate(probe: Probe) -> float:
    return 8 * probe.bytes / probe.duration if probe.duration else 0.0


def _level(rung: FittedRung, rate: Fraction) -> int:
    """The lowest level that a picture of that size and rate needs, as `level_idc`: ten times its number."""
    blocks = -(-rung.width // 16) * -(-rung.height // 16)
    enough = (level for level, frame, second in _LEVELS if blocks <= frame and blocks * rate <= second)
    return next(enough, 0)

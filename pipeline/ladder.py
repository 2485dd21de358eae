"""The ladder: which sizes and rates a video is offered in."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pipeline.probes import Probe

# Rates that cameras and broadcasters work at (SMPTE ST 2036-1, and film's); measured averages are snapped to them.
_STANDARD_RATES = tuple(
    Fraction(*rate)
    for rate in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1))
)
_SNAP = Fraction(1, 50)  # of the rate
_USUAL_RATE = Fraction(30)  # for a file that names none


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One size of the ladder as configured: its short side in pixels, and the most bit/s of video it may take."""

    name: str
    height: int
    video: int


@dataclass(frozen=True, kw_only=True)
class Audio:
    """The sound of every rung: stereo AAC at this many bit/s."""

    bitrate: int


@dataclass(frozen=True, kw_only=True)
class VideoSettings:
    """How videos are encoded and cut.

    `keyframe`, `segment` and `chunk` are seconds: between keyframes, of one HLS segment, and of one transcode task;
    each is rounded to a whole multiple of the one before it. `mp4` is a short side in pixels: the largest rung that is
    not above it is also offered as one file. `preset` and `crf` are x264's, `threads` those of the decoder and of each
    encoder, `memory` the bytes of address space that one ffmpeg may take, and `nice` by how much every one of them
    leaves the processor to others. With `remux` a video that is a rung already is copied.
    """

    keyframe: float = 2.0
    segment: float = 4.0
    chunk: float = 60.0
    max_fps: int = 60
    mp4: int = 720
    preset: str = "veryfast"
    crf: int = 22
    threads: int = 2
    memory: int = 4 * 2**30
    nice: int = 10
    remux: bool = True


@dataclass(frozen=True, kw_only=True)
class FittedRung:
    """One size of one video: width and height in pixels, both even, and the most bit/s."""

    name: str
    width: int
    height: int
    bitrate: int


def fit(ladder: Sequence[Rung], probe: Probe) -> tuple[FittedRung, ...]:
    """The rungs a video fills, largest first.

    Never larger than the video, never empty: a video below every rung gets one of its own size. The short side is the
    rung's height, so portrait works. Raises ValueError for a ladder without rungs.
    """
    if not ladder:
        raise ValueError("a ladder has at least one rung")
    short = min(probe.width, probe.height)
    falling = sorted(ladder, key=lambda rung: rung.height, reverse=True)
    if fitting := [rung for rung in falling if rung.height <= short]:
        return tuple(_fitted(rung.name, rung.height, rung.video, probe) for rung in fitting)
    own = even(short)
    return (_fitted(f"{own}p", own, falling[-1].video, probe),)


def frame_rate(probe: Probe, most: int) -> Fraction:
    """Frames per second of every rung: the video's own as far as it has one, divided by a whole number until <= `most`.

    A varying rate becomes the rate its timestamps are made for; an average of exactly half of that is two fields to a
    frame, not dropped frames. At least 1, for a picture shown for an hour still needs keyframes.
    """
    average, nominal = _rate(probe.frame_rate), _rate(probe.nominal_rate)
    rate = average or nominal or _USUAL_RATE
    if average and nominal and average < nominal <= most and abs(average * 2 / nominal - 1) > Fraction(1, 1000):
        rate = nominal
    rate /= -(-rate // most)
    nearest = min(_STANDARD_RATES, key=lambda standard: abs(standard - rate))
    if abs(nearest - rate) <= nearest * _SNAP and nearest <= most:
        return nearest
    return max(rate.limit_denominator(1001), Fraction(1))


def even(length: float) -> int:
    """The length in whole pixels, rounded down to an even number, at least 2: chroma is stored for pairs of pixels."""
    return max(2, int(length) // 2 * 2)


def _fitted(name: str, height: int, bitrate: int, probe: Probe) -> FittedRung:
    short = even(height)
    long = max(2, 2 * round(max(probe.width, probe.height) * height / min(probe.width, probe.height) / 2))
    width, height = (long, short) if probe.width >= probe.height else (short, long)
    return FittedRung(name=name, width=width, height=height, bitrate=bitrate)


def _rate(text: str | None) -> Fraction | None:
    return Fraction(text) if text and not text.endswith("/0") and Fraction(text) > 0 else None

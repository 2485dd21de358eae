"""Films whose every frame is known, and the frames and the loudness of any film."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame

from tests.builders import ffmpeg

DARKEST, STEP, LEVELS = 20, 6, 36
"""Luma of the first frame of `counted`, from frame to frame, and the frames until it repeats."""


@dataclass(frozen=True)
class Picture:
    """One decoded frame: seconds, pixels, whether it is a keyframe, and its luma in the middle."""

    time: Fraction
    width: int
    height: int
    key: bool
    luma: int


def pictures(path: Path) -> list[Picture]:
    """Every frame of the first video track, decoded."""
    return [Picture(time_of(frame), frame.width, frame.height, frame.key_frame, _luma(frame)) for frame in frames(path)]


def frames(path: Path) -> Iterator[VideoFrame]:
    """The frames of the first video track."""
    with av.open(str(path)) as container:
        yield from container.decode(video=0)


def sound(path: Path) -> list[tuple[Fraction, int]]:
    """The first audio track: time and loudest sample (of 32767) of each frame, mixed to mono at its own rate."""
    loudness = []
    with av.open(str(path)) as container:
        resampler = AudioResampler(format="s16", layout="mono")
        for frame in container.decode(audio=0):
            assert isinstance(frame, AudioFrame)
            for mono in resampler.resample(frame):
                samples = memoryview(bytes(mono.planes[0])[: 2 * mono.samples]).cast("h")
                loudness += [
                    (time_of(mono) + Fraction(at, mono.sample_rate), max(map(abs, samples[at : at + 48])))
                    for at in range(0, mono.samples, 48)
                ]
    return loudness


def time_of(frame: AudioFrame | VideoFrame) -> Fraction:
    """When a frame is presented, in seconds."""
    assert frame.pts is not None
    assert frame.time_base is not None
    return frame.pts * frame.time_base


def counted(
    path: Path, *, seconds: float = 10.0, rate: str = "25", tone: bool = True, options: tuple[str, ...] = ()
) -> Path:
    """Write a film whose every frame has a luma of its own, which `number` reads. Keyframes are 15 frames apart."""
    path.write_bytes(_counted(path.suffix, seconds, rate, options, tone=tone))
    return path


@cache
def _counted(suffix: str, seconds: float, rate: str, options: tuple[str, ...], *, tone: bool) -> bytes:
    """The film, made once for all builds of ffmpeg that it is tried with."""
    luma = f"lum={DARKEST}+{STEP}*mod(N\\,{LEVELS}):cb=128:cr=128"
    # Every pixel that is calculated costs as much as encoding it: few are, and repeated.
    grown = f"format=yuv420p,geq={luma},scale=320:180:flags=neighbor,setsar=1"
    sources = ["-f", "lavfi", "-i", f"color=size=16x16:rate={rate}:duration={seconds},{grown}"]
    if tone:
        sources += ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={seconds}"]
    with TemporaryDirectory() as folder:
        return write(Path(folder) / f"film{suffix}", *sources, "-g", "15", *options).read_bytes()


def number(picture: Picture) -> int:
    """Which frame of `counted` this is, modulo `LEVELS`."""
    return round((picture.luma - DARKEST) / STEP)


def write(path: Path, *arguments: str, timeout: float | None = 120) -> Path:
    """Write a file with the ffmpeg that is pinned, in so many seconds."""
    command = [ffmpeg(), "-nostdin", "-v", "error", "-y", *arguments, str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=timeout)
    return path


def _luma(frame: VideoFrame) -> int:
    plane = frame.planes[0]
    return memoryview(plane)[frame.height // 2 * plane.line_size + frame.width // 2]


def colour(frame: VideoFrame) -> tuple[int, int, int]:
    """Red, green and blue of a frame of one colour."""
    red, green, blue = memoryview(frame.reformat(format="rgb24", width=2, height=2).planes[0])[:3]
    return red, green, blue

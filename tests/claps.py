"""A film with a clap: light and sound at one moment, and at which each comes out, to the sample."""

import math
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from tests.footage import pictures, time_of, write

RATE = 48_000
"""Samples a second of what is heard."""
MOMENT = 1.0
"""Seconds: when the light goes on and the sound begins."""
_LENGTH = 0.15
_LOW, _RISE = 300, 6000  # Hz at the beginning, and Hz/s / 2: no two moments of a chirp sound alike
_APART = 3  # samples between those that are compared
_ROUGH = 4  # samples between two places looked at first: an eighth of the shortest wave
_WINDOW = RATE // 10  # samples about the place where it is expected


def clap(path: Path, *coding: str, late: float = 0.0) -> Path:
    """Write the film; `late` seconds is the light, and with it the whole picture. `coding` is that of the sound."""
    lit = f"gte(t,{MOMENT})*lt(t,{MOMENT}+0.2)"
    since = f"(t-{MOMENT})"
    chirp = f"0.6*sin(2*PI*({_LOW}*{since}+{_RISE}*{since}^2))*between({since},0,{_LENGTH})"
    light = f"color=black:size=320x180:rate=25:duration=3,format=yuv420p,drawbox=t=fill:color=white:enable='{lit}'"
    sources = ("-f", "lavfi", "-i", light, "-f", "lavfi", "-i", f"aevalsrc='{chirp}':s={RATE}:d=3")
    plain = str(write(path.with_name("clap.mov"), *sources, "-c:a", "pcm_s16le"))
    shifted = ("-itsoffset", str(late), "-i", plain, "-i", plain, "-map", "0:v", "-map", "1:a", "-c:v", "copy")
    return write(path, *shifted, *coding)


def seen(path: Path) -> float:
    """When the light goes on, in seconds."""
    return float(next(picture.time for picture in pictures(path) if picture.luma > 128))


def heard(path: Path, about: float) -> float:
    """When the chirp begins, in seconds: where what is there within 100 ms of `about` is most like it."""
    samples, length, middle = _samples(path), int(_LENGTH * RATE), round(about * RATE)
    chirp = [math.sin(2 * math.pi * (_LOW * n / RATE + _RISE * (n / RATE) ** 2)) for n in range(0, length, _APART)]
    first = middle - _WINDOW - _ROUGH
    near = [samples.get(number, 0) for number in range(first, middle + _WINDOW + _ROUGH + length)]

    def likeness(start: int) -> float:
        return sum(map(float.__mul__, chirp, near[start - first : start - first + length : _APART]))

    rough = max(range(middle - _WINDOW, middle + _WINDOW, _ROUGH), key=likeness)
    return max(range(rough - _ROUGH, rough + _ROUGH), key=likeness) / RATE


def _samples(path: Path) -> dict[int, int]:
    """All samples, mixed to mono, by their numbers from time 0 on."""
    found: dict[int, int] = {}
    with av.open(str(path)) as container:
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        for frame in container.decode(audio=0):
            assert isinstance(frame, AudioFrame)
            for mono in resampler.resample(frame):
                first = round(time_of(mono) * Fraction(RATE))
                values = memoryview(bytes(mono.planes[0])[: 2 * mono.samples]).cast("h")
                found.update(zip(range(first, first + mono.samples), values, strict=True))
    return found

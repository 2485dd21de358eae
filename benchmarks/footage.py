"""The film that is encoded: a camera's own half second, shown again and again as it is: decoding costs something.

What is encoded anew for a benchmark by a quick preset is far easier to decode than what cameras and phones write.
"""

import math
import os
from fractions import Fraction
from pathlib import Path

import av

from benchmarks.encodings import run

NATURAL, _SIZE = "mov_pcm_1080p50.mov", "1920x1080"
"""Two seconds of a camera's in CORPUS_DIR: H.264 High, 50 frames/s, 6 Mbit/s, one keyframe."""
SCENE = "mandelbrot=size={size}:rate=30:end_scale=0.02"
"""Shown where there is no corpus."""
_LOOP = 0.5  # seconds at most of a camera's, for a chunk has five keyframe intervals at least
_ENCODED = 1  # second of what is encoded here
_PHONE = Fraction(45_000_000, 3840 * 2160)  # bit/s for each pixel of a frame: what phones write as H.264 at 30 frames/s
_NOISE = "noise=alls=5:allf=t"  # of a sensor, which scaling has smoothed away


def film(path: Path, size: str, seconds: int) -> str:
    """Make a film with sound, and tell what it is."""
    natural = Path(os.environ.get("CORPUS_DIR", "")) / NATURAL
    loop = path.with_name("loop.mp4")
    if natural.is_file() and size == _SIZE:
        frames, length = _closed(natural, _LOOP)
        run("-i", str(natural), "-an", "-c", "copy", "-frames:v", str(frames), str(loop))
        _looped(loop, length, path, seconds)
        return f"{float(length):.2f} s of a camera's H.264 ({natural.name}), looped by stream copy"
    bits = round(_PHONE * math.prod(map(int, size.split("x"))))
    scene = ("-i", str(natural)) if natural.is_file() else ("-f", "lavfi", "-i", SCENE.format(size=size))
    shown = ("-an", "-vf", f"scale={size.replace('x', ':')},{_NOISE}", "-r", "30", "-t", str(_ENCODED))
    rates = ("-b:v", str(bits), "-maxrate", str(bits), "-bufsize", str(bits), "-g", "15", "-pix_fmt", "yuv420p")
    run(*scene, *shown, "-c:v", "libx264", "-preset", "medium", *rates, str(loop))
    _looped(loop, Fraction(_ENCODED), path, seconds)
    whose = f"{natural.name} in this size" if natural.is_file() else "a made-up scene"
    written = 8 * loop.stat().st_size / _ENCODED / 10**6
    return f"{_ENCODED} s of {whose}, H.264 by x264 medium at {written:.1f} Mbit/s, looped by stream copy"


def _closed(path: Path, most: float) -> tuple[int, Fraction]:
    """How many packets make frames without a gap, and for how many seconds, at most so many: frames are reordered."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = Fraction(stream.average_rate or 0)
        tick = Fraction(stream.time_base or 0)
        times = [packet.pts * tick * rate for packet in container.demux(stream) if packet.pts is not None]
    first, limit = min(times), round(rate * Fraction(most))
    count = max(n for n in range(1, limit + 1) if max(times[:n]) - first == n - 1)
    return count, count / rate


def _looped(loop: Path, length: Fraction, path: Path, seconds: int) -> None:
    """Whole loops alone: what is cut off in the middle lacks frames that come later in the file."""
    times = math.ceil(seconds / length)
    sound = ("-f", "lavfi", "-t", str(float(times * length)), "-i", "sine=frequency=440:sample_rate=48000")
    coding = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac")
    run("-stream_loop", str(times - 1), "-i", str(loop), *sound, *coding, str(path))

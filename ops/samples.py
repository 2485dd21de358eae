"""A photo and a video made on the spot, for a demonstration without files."""

import os
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

from ops import processes
from workers.encoder import find_ffmpeg

SIZE = (2400, 1600)
"""Of the photo, pixels."""

SECONDS = 10

ENCODING_TIMEOUT = 120.0
"""Seconds."""


def make(folder: Path) -> list[Path]:
    """Make `photo.jpg` and `video.mp4` (10 s, 1280x720 at 30 frames/s, with a tone) in a folder.

    Raises:
        CommandFailedError: ffmpeg's last words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_photo(folder / "photo.jpg"), _video(folder / "video.mp4")]


def _photo(path: Path) -> Path:
    """Paint hills at dusk."""
    width, height = SIZE
    sky = Image.linear_gradient("L").resize(SIZE)
    picture = Image.composite(Image.new("RGB", SIZE, "#f6a56b"), Image.new("RGB", SIZE, "#27315e"), sky)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((width * 0.62, height * 0.42, width * 0.74, height * 0.60), fill="#ffe3b0")
    picture = picture.filter(ImageFilter.GaussianBlur(3))
    draw = ImageDraw.Draw(picture)
    for depth, colour in enumerate(("#5d4a72", "#43365c", "#2b2444", "#17142b")):
        base = height * (0.62 + depth * 0.09)
        ridge = [(x, base + _hill(x / width, depth) * height) for x in range(0, width + 20, 20)]
        draw.polygon([*ridge, (width, height), (0, height)], fill=colour)
    picture.save(path, quality=90)
    return path


def _hill(x: float, depth: int) -> float:
    """Return how far below its base line a ridge runs, as a part of the height: two parabolas, shifted per ridge."""
    first, second = (x * 1.7 + depth * 0.37) % 1 - 0.5, (x * 3.1 + depth * 0.61) % 1 - 0.5
    return first * first * 0.24 + second * second * 0.10


def _video(path: Path) -> Path:
    ffmpeg = find_ffmpeg(os.environ.get("FFMPEG") or None)
    picture, sound = f"testsrc2=size=1280x720:rate=30:duration={SECONDS}", f"sine=frequency=440:duration={SECONDS}"
    inputs = ("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound)
    codecs = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest")
    processes.run([ffmpeg, "-nostdin", "-v", "error", "-y", *inputs, *codecs, str(path)], timeout=ENCODING_TIMEOUT)
    return path

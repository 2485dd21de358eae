"""What is uploaded: small files, one of each way through the pipeline."""

import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests import builders

READY, REJECTED = "ready", "rejected"


@dataclass(frozen=True)
class Sample:
    """A file, how often it is sent beside the others, and how it has to settle."""

    path: Path
    weight: float
    settles: str = READY
    seconds: float | None = None
    """How long it plays, for a video."""


def make(folder: Path) -> list[Sample]:
    """Photos, one of them larger than a part of a multipart upload; videos of two and three chunks; a broken file."""
    folder.mkdir(parents=True, exist_ok=True)
    broken = folder / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(5000))
    large = folder / "large.bmp"  # 12.6 MB
    Image.frombytes("RGB", (64, 64), random.Random(1).randbytes(64 * 64 * 3)).resize((2100, 2000)).save(large)
    return [
        Sample(builders.photo(folder / "photo.jpg", (640, 480), orientation=6), 8),
        Sample(builders.photo(folder / "photo.png", (400, 300)), 4),
        Sample(builders.photo(folder / "photo.webp", (300, 500)), 4),
        Sample(large, 0.7),
        Sample(broken, 1.5, settles=REJECTED),
        Sample(builders.video(folder / "sound.mp4", (640, 360), seconds=12), 3, seconds=12),
        Sample(builders.video(folder / "silent.mp4", (480, 270), seconds=16, audio=False), 2, seconds=16),
    ]

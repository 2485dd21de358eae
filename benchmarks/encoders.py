"""What the encoders' settings cost: CPU time, peak memory, bytes and likeness of one still by speed and quality.

Each photo is resampled to 1280 pixels as the product does it, then encoded at every setting, each in a process of its
own, with the product's own options. SSIM is of luma, by ffmpeg. Prints a table; asserts nothing.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from benchmarks.rig.spending import spent
from ops import samples
from pipeline.renditions import Format, Still
from tests import builders
from workers.confined import admission, colour, stills
from workers.confined.encoding import options

SIDE = 1280
_PIXELS = 10**9
_SSIM = re.compile(r"SSIM.* All:([\d.]+)")
_SETTINGS: tuple[tuple[Format, int | None, int], ...] = (
    *(("avif", speed, quality) for quality in (50, 60) for speed in (10, 9, 8, 7, 6, 5)),
    *(("webp", method, quality) for quality in (75, 80) for method in (0, 1, 2, 3, 4, 5, 6)),
    *(("jpeg", None, quality) for quality in (75, 80, 82, 85)),
)


@dataclass(frozen=True)
class Cost:
    """Of one encoding: CPU milliseconds, megabytes above the pixels' own, bytes, SSIM."""

    cpu: float
    memory: float
    size: float
    ssim: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-encoders", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="photos; one is painted if there are none")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        pictures = [_picture(path) for path in given.files or samples.make(folder)[:1]]
        print(f"{len(pictures)} photos of {SIDE} pixels, the cheapest of {given.rounds} rounds; means\n")
        print("| format | speed or method | quality | CPU ms | peak MB | kB | SSIM |\n|---|---|---|---|---|---|---|")
        for still in _stills():
            costs = [_cheapest(picture, still, folder, given.rounds) for picture in pictures]
            print(_row(still, costs), flush=True)
    return 0


def _stills() -> Iterator[Still]:
    for format_, effort, quality in _SETTINGS:
        yield Still(
            name="bench", width=SIDE, height=SIDE, format=format_, effort=effort, quality=quality, progressive=True
        )


def _picture(path: Path) -> Image.Image:
    image = admission.open_image(path, _PIXELS)
    if image is None:
        raise SystemExit(f"{path} is no photo")
    order = stills.Order((0, 0), admission.orientation(image), colour.profile_of(image, path))
    (picture,), _ = stills.cascade(image, [Still(name="bench", width=SIDE, height=SIDE)], order)
    return picture.convert("RGB")


def _cheapest(picture: Image.Image, still: Still, folder: Path, rounds: int) -> Cost:
    return min((_cost(picture, still, folder) for _ in range(rounds)), key=lambda cost: cost.cpu)


def _cost(picture: Image.Image, still: Still, folder: Path) -> Cost:
    path = folder / still.suffix
    took = spent(lambda: picture.save(path, **options(still, photo=True)))
    return Cost(took.cpu, (took.peak - took.before) / 1024, path.stat().st_size, _likeness(picture, path, folder))


def _likeness(picture: Image.Image, path: Path, folder: Path) -> float:
    """SSIM of the luma of what was encoded and what was meant; Pillow decodes, so that ffmpeg compares pixels only."""
    meant, got = folder / "meant.pgm", folder / "got.pgm"
    picture.convert("L").save(meant)
    with Image.open(path) as image:
        image.convert("L").save(got)
    command = [builders.ffmpeg(), "-nostdin", "-i", str(meant), "-i", str(got), "-lavfi", "ssim", "-f", "null", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stderr
    return float(_SSIM.findall(said)[-1])


def _row(still: Still, costs: Sequence[Cost]) -> str:
    cpu, memory, size, ssim = (
        statistics.mean(values) for values in zip(*((c.cpu, c.memory, c.size, c.ssim) for c in costs), strict=True)
    )
    effort = "" if still.effort is None else still.effort
    return (
        f"| {still.format} | {effort} | {still.quality} | {cpu:.0f} | {memory:.0f} | {size / 1000:.1f} | {ssim:.4f} |"
    )


if __name__ == "__main__":
    sys.exit(main())

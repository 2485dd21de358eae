"""What libvips saves: CPU time and peak memory of a photo's stills with the step `stream` and without it.

The stills are those of the shipped pipeline.toml, AVIF at the given speed. Each set is made in a process of its own,
the two ways in turns, so that both meet the same load. Prints a table; asserts nothing.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from benchmarks.rig.spending import spent
from ops import samples
from pipeline.config import load
from pipeline.renditions import Still
from tests.stack import ROOT
from workers.confined import stills

_PIXELS = 10**9
_SIZE = (4000, 3000)
_MEGAPIXEL = 10**6


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-streaming", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="JPEGs; one of 12 MP is painted if there are none")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--speed", type=int, default=8, help="of AVIF")
    given = parser.parse_args()
    wanted = [
        replace(still, effort=given.speed, recipe="") if still.format == "avif" else still
        for still in load(ROOT / "pipeline.toml").stills
    ]
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        print("| photo | MP | Pillow CPU ms | with libvips | gain | peak MB, Pillow | with libvips |")
        print("|---|---|---|---|---|---|---|")
        for path in given.files or [_painted(Path(name))]:
            print(_row(path, wanted, Path(name), given.rounds), flush=True)
    return 0


def _painted(folder: Path) -> Path:
    with Image.open(samples.make(folder)[0]) as photo:
        noise = Image.effect_noise(_SIZE, 30).convert("RGB")
        Image.blend(photo.resize(_SIZE), noise, 0.1).save(folder / "12mp.jpg", quality=90)
    return folder / "12mp.jpg"


def _row(path: Path, wanted: Sequence[Still], folder: Path, rounds: int) -> str:
    ways = (tuple(step for step in stills.STEPS if step is not stills.stream), stills.STEPS)
    costs = [[_cost(way, path, wanted, folder) for way in ways] for _ in range(rounds)]
    before, after = (statistics.median(cpu for cpu, _ in way) for way in zip(*costs, strict=True))
    peaks = [statistics.median(peak for _, peak in way) for way in zip(*costs, strict=True)]
    with Image.open(path) as image:
        pixels = image.width * image.height / _MEGAPIXEL
    return (
        f"| {path.name} | {pixels:.1f} | {before:.0f} | {after:.0f} | {before / after:.2f} | "
        f"{peaks[0]:.0f} | {peaks[1]:.0f} |"
    )


def _cost(steps: tuple[stills.Step, ...], path: Path, wanted: Sequence[Still], folder: Path) -> tuple[float, float]:
    """CPU milliseconds, user and system, and peak resident megabytes of one photo."""

    def make() -> None:
        stills.STEPS = steps
        told = [still.to_dict() for still in wanted]
        stills.answer({"source": str(path), "folder": str(folder), "pixels": _PIXELS, "stills": told})

    took = spent(make)
    return took.cpu, took.peak / 1024


if __name__ == "__main__":
    sys.exit(main())

"""Photos to measure with: from CORPUS_DIR where that is set, else made up with a camera's noise."""

import os
import random
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

from PIL import Image, ImageFilter

SIZES = {"12 MP": (4000, 3000), "16 MP": (4608, 3456), "24 MP": (6000, 4000)}
_QUALITY = 92
_GRAIN = 6.0
"""Standard deviation of the sensor's noise, of 255."""


def corpus() -> list[Path]:
    """The whole JPEGs of the corpus, by name; empty without one."""
    folder = os.environ.get("CORPUS_DIR")
    return [path for path in sorted(Path(folder).rglob("*.jp*g")) if _whole(path)] if folder else []


def source() -> str:
    """A word on where photos come from."""
    return "photos of CORPUS_DIR" if corpus() else "photos made up with noise as a camera's"


def large(folder: Path, name: str) -> Path:
    """One photo of `SIZES`, upright, without metadata: the corpus's largest brought to size, with grain; or made up."""
    path = folder / f"{name.replace(' ', '')}.jpg"
    if not path.exists():
        size = SIZES[name]
        found = max(corpus(), key=_pixels, default=None)
        picture = _brought(found, size) if found else _scene(size, 1)
        picture.save(path, quality=_QUALITY)
    return path


def mixed(folder: Path, count: int) -> Sequence[Path]:
    """So many photos, as a user's folder has them: of the corpus in turn, or made up, most of them of 2 MP."""
    found = corpus()
    if not found:
        sizes = ((1800, 1200),) * 7 + ((1200, 1800), (2400, 1800), (3000, 2000), (4000, 3000), (4608, 3456))
        found = [_made_up(folder / f"mixed-{at}.jpg", size, at) for at, size in enumerate(sizes)]
    return list(islice(cycle(found), count))


def _made_up(path: Path, size: tuple[int, int], seed: int) -> Path:
    if not path.exists():
        _scene(size, seed).save(path, quality=_QUALITY)
    return path


def _brought(path: Path, size: tuple[int, int]) -> Image.Image:
    """The photo at another size; enlarged ones get the grain back that a sensor of that size would have."""
    with Image.open(path) as image:
        picture = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        return _grainy(picture) if size[0] > image.width else picture


def _scene(size: tuple[int, int], seed: int) -> Image.Image:
    """Clouds of every size in three colours, edges of shapes between them, and grain."""
    draw = random.Random(seed)  # noqa: S311 - a picture, no secret
    luma = _clouds(size, 8)
    picture = Image.merge("RGB", [Image.blend(luma, _clouds(size, 3), 0.35) for _ in range(3)])
    for _ in range(60):
        width, height = draw.randrange(size[0] // 40, size[0] // 4), draw.randrange(size[1] // 40, size[1] // 4)
        left, top = draw.randrange(size[0]), draw.randrange(size[1])
        shape = Image.radial_gradient("L").resize((width, height)).point(lambda value: 150 if value < 128 else 0)  # noqa: PLR2004 - half
        colour = tuple(draw.randrange(256) for _ in range(3))
        picture.paste(colour, (left, top), shape)
    return _grainy(picture.filter(ImageFilter.GaussianBlur(0.7)))


def _clouds(size: tuple[int, int], octaves: int) -> Image.Image:
    """Noise whose strength grows with its scale, as in nature."""
    clouds = Image.new("L", size, 128)
    for octave in range(octaves):
        scale = 2 ** (octave + 1)
        noise = Image.effect_noise((size[0] // scale + 1, size[1] // scale + 1), 60)
        clouds = Image.blend(clouds, noise.resize(size, Image.Resampling.BICUBIC), 0.3)
    return clouds


def _grainy(picture: Image.Image) -> Image.Image:
    grain = Image.effect_noise(picture.size, _GRAIN)
    bands = [Image.blend(band, grain, 0.5).point(lambda value: 2 * value - 128) for band in picture.split()]
    return Image.merge("RGB", bands)


def _whole(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


def _pixels(path: Path) -> int:
    with Image.open(path) as image:
        return image.width * image.height

"""libvips and Pillow make the same of a JPEG."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from pipeline.renditions import Still
from tests import builders
from workers.confined import pixels, stills
from workers.confined.colour import PROFILE
from workers.confined.streaming import resampled, shrunk

SCENE = Image.effect_mandelbrot((2400, 1600), (-2.0, -1.0, 1.0, 1.0), 100)


def scene(path: Path, orientation: int = 1) -> Path:
    picture = Image.merge("RGB", (SCENE, SCENE.transpose(Image.Transpose.ROTATE_180), SCENE))
    return builders.photo(path, picture=picture, quality=95, orientation=orientation)


def difference(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).rms)


@pytest.mark.parametrize("scale", [1, 2])
def test_what_streams_by_is_what_would_have_been_resampled(scale: int, tmp_path: Path) -> None:
    source = scene(tmp_path / "photo.jpg")
    made = shrunk(source, (1100, 733), scale)
    assert made is not None
    with Image.open(source) as whole:
        whole.draft(None, (2400 // scale, 1600 // scale))
        assert difference(made, whole.resize((1100, 733), Image.Resampling.LANCZOS)) < 2


@pytest.mark.parametrize("size", [(1100, 733), (2400, 1), (1, 1600), (300, 200), (2399, 1599)])
def test_both_resample_alike(size: tuple[int, int]) -> None:
    picture = Image.merge("RGB", (SCENE, SCENE.transpose(Image.Transpose.ROTATE_180), SCENE))
    made = resampled(picture, size)
    assert made is not None
    assert difference(made, picture.resize(size, Image.Resampling.LANCZOS)) < 2


def test_a_picture_keeps_its_profile_when_it_is_resampled() -> None:
    picture = Image.new("RGB", (1000, 1000), "red")
    picture.info = {PROFILE: b"profile"}
    assert pixels.resample(picture, (100, 100)).info == {PROFILE: b"profile"}


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("side", [1100, 2000])
def test_both_ways_lead_to_the_same_stills(
    side: int, orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = scene(tmp_path / "photo.jpg", orientation=orientation)
    still = Still(name="a", width=side, height=side, quality=95)
    told = {"source": str(source), "folder": str(tmp_path), "pixels": 10**8, "stills": [still.to_dict()]}
    made = []
    for steps in (stills.STEPS, tuple(step for step in stills.STEPS if step is not stills.stream)):
        monkeypatch.setattr(stills, "STEPS", steps)
        stills.answer(told)
        with Image.open(tmp_path / still.suffix) as picture:
            picture.load()
            made.append(picture)
    assert difference(*made) < 3


def test_what_is_no_whole_rgb_jpeg_is_left_to_pillow(tmp_path: Path) -> None:
    whole = scene(tmp_path / "photo.jpg")
    assert shrunk(builders.cut(whole, tmp_path / "cut.jpg", 0.5), (1100, 733)) is None
    grey = builders.photo(tmp_path / "grey.jpg", picture=SCENE)
    assert shrunk(grey, (1100, 733)) is None
    cmyk = builders.photo(tmp_path / "cmyk.jpg", picture=SCENE.convert("RGB").convert("CMYK"))
    assert shrunk(cmyk, (1100, 733)) is None
    assert shrunk(builders.photo(tmp_path / "photo.png"), (110, 73)) is None

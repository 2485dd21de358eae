"""Stills of real photos, made in a real confined child and judged by what is in them."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from pipeline.errors import PermanentError
from pipeline.plan import Plan
from pipeline.probes import TRUNCATED, Probe
from pipeline.renditions import Still
from tests import builders, warm
from tests.segments import carried
from tests.unit.test_inspection import LIMITS, accepted
from workers import images
from workers.jobs import Job, Made

THUMBNAIL = Still(name="thumbnail", width=300, height=300)
SMALL = Still(name="small", width=640, height=640, format="webp")
MEDIUM = Still(name="medium", width=1280, height=1280, format="webp")
LARGE = Still(name="large", width=2048, height=2048)
AVIF = Still(name="modern", width=500, height=500, format="avif", quality=60)
STILLS = (THUMBNAIL, SMALL, MEDIUM, LARGE)


def made(source: Path, *wanted: Still) -> Mapping[str, Image.Image]:
    """The stills of a photo by name, opened."""
    return {str(file.rendition): Image.open(file.path) for file in stills(source, *wanted).files}


def stills(source: Path, *wanted: Still) -> Made:
    scratch = source.with_name("stills")
    scratch.mkdir()
    return images.stills(source, wanted, pixels=10**8, scratch=scratch, children=warm.children())


def corners(picture: Image.Image) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters."""
    width, height = picture.size
    middles = [(x * width // 4, y * height // 4) for y in (1, 3) for x in (1, 3)]
    return [tuple(picture.getpixel(at)) for at in middles]  # type: ignore[arg-type]


def near(colours: list[tuple[int, ...]], expected: list[tuple[int, ...]], by: int = 12) -> bool:
    return all(
        abs(value - other) <= by
        for one, two in zip(colours, expected, strict=True)
        for value, other in zip(one, two, strict=True)
    )


def job_of(source: Path, probe: Probe, *wanted: Still) -> Job:
    scratch = source.with_name("scratch")
    scratch.mkdir()
    return Job(
        part="thumbnail",
        probe=probe,
        plan=Plan(parts=("thumbnail",), stills=wanted),
        scratch=scratch,
        children=warm.children(),
        ffmpeg=builders.ffmpeg(),
        source=lambda: source,
        derived=lambda name, _size, _make: scratch / name,
        fetch=scratch.joinpath,
        report=lambda _: None,
    )


def test_a_job_makes_what_was_promised(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "original.jpg", (2400, 1200))
    job = job_of(source, accepted(source), *STILLS)
    files = images.make(job).files
    promises = images.promised(job.plan, "thumbnail")
    assert [(file.suffix, file.rendition, file.mime_type) for file in files] == [
        (promise.suffix, promise.rendition, promise.mime_type) for promise in promises
    ]
    assert [(file.width, file.height) for file in files] == [(300, 150), (640, 320), (1280, 640), (2048, 1024)]
    for file in files:
        with Image.open(file.path) as picture:
            assert picture.get_format_mimetype() == file.mime_type
            assert picture.size == (file.width, file.height)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff", "avif", "heic"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright_once(kind: str, orientation: int, tmp_path: Path) -> None:
    source = builders.photo(tmp_path / f"photo.{kind}", (400, 200), orientation=orientation)
    picture = made(source, THUMBNAIL)["thumbnail"]
    assert picture.size == ((150, 300) if orientation >= 5 else (300, 150))
    assert near(corners(picture), list(builders.CORNERS))


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff", "avif", "heic"])
def test_no_metadata_survives(kind: str, tmp_path: Path) -> None:
    source = builders.photo(tmp_path / f"photo.{kind}", (700, 500), secret=True, profile=builders.profile())
    assert builders.SECRET.encode() in source.read_bytes()
    assert kind not in {"jpg", "webp", "avif"} or carried(source) >= {"Exif", "ICC"}
    for file in stills(source, THUMBNAIL, SMALL, AVIF).files:
        with Image.open(file.path) as picture:
            assert not picture.getexif()
            assert not {"icc_profile", "exif", "xmp", "comment"} & set(picture.info)
        assert not carried(file.path)
        assert builders.SECRET.encode() not in file.path.read_bytes()


def test_a_small_photo_is_not_enlarged(tmp_path: Path) -> None:
    pictures = made(builders.photo(tmp_path / "photo.png", (50, 20)), *STILLS)
    assert {picture.size for picture in pictures.values()} == {(50, 20)}


def test_a_sliver_keeps_its_pixel(tmp_path: Path) -> None:
    assert made(builders.photo(tmp_path / "photo.png", (2000, 2)), THUMBNAIL)["thumbnail"].size == (300, 1)


def test_transparency_is_kept_or_laid_on_white(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "photo.png", picture=builders.quarters((800, 600), "RGBA", alpha=0))
    pictures = made(source, THUMBNAIL, SMALL, AVIF)
    white = (255, 255, 255)
    assert pictures["thumbnail"].mode == "RGB"
    assert near(corners(pictures["thumbnail"]), [*builders.CORNERS[:2], white, white])
    for name in ("small", "modern"):
        assert pictures[name].mode == "RGBA"
        assert [pixel[3] for pixel in corners(pictures[name])] == [255, 255, 0, 0]


def test_hidden_colours_do_not_bleed(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (900, 900), (0, 255, 0, 0))
    picture.paste((255, 0, 0, 255), (301, 301, 599, 599))
    thumbnail = made(builders.photo(tmp_path / "photo.png", picture=picture), SMALL)["small"].convert("RGBa")
    # Multiplied with its alpha, green is nowhere to be seen; WebP's own colour subsampling costs a little.
    assert ImageStat.Stat(thumbnail.getchannel("G")).mean[0] < 1


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("L", [(76,) * 3, (150,) * 3, (29,) * 3, (255,) * 3]),
        ("LA", [(76,) * 3, (150,) * 3, (29,) * 3, (255,) * 3]),
        ("P", list(builders.CORNERS)),
        ("1", None),
        ("RGBA", list(builders.CORNERS)),
    ],
)
def test_every_kind_of_pixels_is_shown(mode: str, expected: list[tuple[int, ...]] | None, tmp_path: Path) -> None:
    picture = made(builders.photo(tmp_path / "photo.png", picture=builders.quarters((400, 400), mode)), THUMBNAIL)
    shown = picture["thumbnail"].convert("RGB")
    assert expected is None or near(corners(shown), expected)


def test_a_palette_with_a_transparent_colour_is_transparent(tmp_path: Path) -> None:
    picture = builders.quarters((400, 400), "P")
    red = picture.tobytes()[0]
    small = made(builders.photo(tmp_path / "photo.png", picture=picture, transparency=red), SMALL)["small"]
    assert [pixel[3] for pixel in corners(small)] == [0, 255, 255, 255]


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str, tmp_path: Path) -> None:
    ramp = Image.linear_gradient("L").convert("I").point(lambda value: value * 257).convert("I;16")
    picture = made(builders.photo(tmp_path / f"photo.{kind}", picture=ramp), THUMBNAIL)["thumbnail"]
    assert picture.mode == "L"
    assert ImageStat.Stat(ImageChops.difference(picture, Image.linear_gradient("L"))).mean[0] < 2


def test_a_profile_is_converted_from(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "photo.png", (400, 400), profile=builders.swapped_profile())
    red, green, *_ = corners(made(source, THUMBNAIL)["thumbnail"])
    assert green[0] > green[1]
    assert red[1] > red[0]


@pytest.mark.parametrize("profile", [b"no profile", builders.profile("LAB")])
def test_a_profile_that_does_not_fit_is_as_good_as_none(profile: bytes, tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "photo.png", (400, 400), profile=profile)
    assert near(corners(made(source, THUMBNAIL)["thumbnail"]), list(builders.CORNERS))


@pytest.mark.parametrize("kind", ["jpg", "tiff"])
def test_printers_colours_become_screen_colours(kind: str, tmp_path: Path) -> None:
    source = builders.photo(tmp_path / f"photo.{kind}", picture=builders.quarters((400, 400), "CMYK"))
    picture = made(source, THUMBNAIL)["thumbnail"]
    assert picture.mode == "RGB"
    assert near(corners(picture), list(builders.CORNERS))


def test_the_cascade_is_as_good_as_resizing_at_once(tmp_path: Path) -> None:
    scene = Image.effect_mandelbrot((3000, 2000), (-2.0, -1.0, 1.0, 1.0), 100).convert("RGB")
    source = builders.photo(tmp_path / "photo.png", picture=scene)
    picture = made(source, THUMBNAIL, LARGE)["thumbnail"]
    at_once = scene.resize(picture.size, Image.Resampling.LANCZOS)
    difference = ImageStat.Stat(ImageChops.difference(picture.convert("L"), at_once.convert("L")))
    assert difference.rms[0] < 6


def test_the_placeholder_shows_the_picture(tmp_path: Path) -> None:
    sea = Image.new("RGB", (400, 200), "#336699")
    sea.paste("#ffcc00", (0, 0, 80, 80))
    placeholder = stills(builders.photo(tmp_path / "photo.png", picture=sea), THUMBNAIL).placeholder
    assert placeholder is not None
    assert set(placeholder) == {"thumbHash", "color", "dataUri"}
    assert 15 < len(base64.b64decode(placeholder["thumbHash"])) < 30
    assert near([tuple(bytes.fromhex(placeholder["color"].removeprefix("#")))], [(0x33, 0x66, 0x99)])


def test_a_placeholder_that_is_there_is_not_made_anew(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "original.jpg", (800, 600))
    job = replace(job_of(source, accepted(source), THUMBNAIL), placeholder=False)
    made = images.make(job)
    assert made.placeholder is None
    assert [file.rendition for file in made.files] == ["thumbnail"]


def test_a_picture_that_nobody_can_see_has_a_placeholder(tmp_path: Path) -> None:
    clear = builders.photo(tmp_path / "photo.png", picture=Image.new("RGBA", (40, 40), (9, 9, 9, 0)))
    placeholder = stills(clear, THUMBNAIL).placeholder
    assert placeholder is not None
    assert placeholder["color"] == "#ffffff"


def test_a_photo_that_was_damaged_since_is_told_for_good(tmp_path: Path) -> None:
    whole = builders.photo(tmp_path / "photo.jpg", picture=Image.effect_noise((400, 400), 100))
    with pytest.raises(PermanentError) as caught:
        stills(builders.cut(whole, tmp_path / "cut.jpg", 0.5), THUMBNAIL)
    assert caught.value.reason == "image_undecodable"


def test_a_photo_that_was_accepted_without_its_end_gets_its_stills(tmp_path: Path) -> None:
    whole = builders.photo(tmp_path / "photo.jpg", picture=Image.effect_noise((400, 400), 100))
    source = builders.cut(whole, tmp_path / "cut.jpg", 0.5)
    probe = accepted(source, replace(LIMITS, truncated="accept-with-warning"))
    assert probe.warnings == (TRUNCATED,)
    files = images.make(job_of(source, probe, THUMBNAIL)).files
    assert [file.rendition for file in files] == ["thumbnail"]


def test_a_photo_larger_than_was_judged_is_refused(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "photo.png", (400, 400))
    with pytest.raises(PermanentError) as caught:
        images.stills(source, [THUMBNAIL], pixels=399 * 400, scratch=tmp_path, children=warm.children())
    assert caught.value.reason == "pixels_exceeded"

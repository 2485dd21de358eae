"""Every kind of still, made in this process: the confined child runs the same function."""

import io
import itertools
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageStat

from pipeline.framing import Fit, Gravity
from pipeline.renditions import IMAGE_TYPES, Still
from tests import builders
from workers.confined import icc, stills

SIDES = st.one_of(st.just(1), st.integers(1, 90))


@pytest.fixture(autouse=True)
def _unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # is put back afterwards


def make(source: Path, *wanted: Still, **request: object) -> Mapping[str, Image.Image]:
    """The stills by name, opened."""
    folder = source.with_name("out")
    folder.mkdir(exist_ok=True)
    told: dict[str, Any] = {"source": str(source), "folder": str(folder), "pixels": 10**8}
    answer = stills.answer(told | {"stills": [still.to_dict() for still in wanted]} | request)
    Image.MAX_IMAGE_PIXELS = None  # was that of the original
    made: dict[str, Image.Image] = {still.name: Image.open(folder / still.suffix) for still in wanted}
    for facts, picture in zip(answer["stills"], made.values(), strict=True):
        assert (facts["width"], facts["height"]) == picture.size
    return made


def colour_at(picture: Image.Image, across: float, down: float) -> tuple[int, ...]:
    at = (int(across * (picture.width - 1)), int(down * (picture.height - 1)))
    return tuple(picture.getpixel(at))  # type: ignore[arg-type]


def near(colour: tuple[int, ...], expected: tuple[int, ...], by: int = 12) -> bool:
    return len(colour) == len(expected) and all(abs(a - b) <= by for a, b in zip(colour, expected, strict=True))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    SIDES,
    SIDES,
    st.lists(
        st.builds(
            Still,
            name=st.uuids().map(str),
            width=st.integers(1, 60),
            height=st.integers(1, 60),
            fit=st.sampled_from(get_args(Fit)),
            gravity=st.sampled_from(get_args(Gravity)),
            format=st.sampled_from(sorted(IMAGE_TYPES)),
            upscale=st.booleans(),
            keep_profile=st.booleans(),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda still: still.name,
    ),
    st.sampled_from(["RGB", "RGBA", "L"]),
    st.integers(1, 8),
)
def test_any_stills_of_any_picture_have_the_promised_size(
    tmp_path: Path, width: int, height: int, wanted: list[Still], mode: str, orientation: int
) -> None:
    source = builders.photo(
        tmp_path / "photo.png", picture=builders.quarters((width, height), mode), orientation=orientation
    )
    for name, picture in make(source, *wanted).items():
        still = next(still for still in wanted if still.name == name)
        frame = still.frame(width, height)
        assert picture.size == frame.canvas
        if not still.upscale and still.fit != "contain":
            assert picture.width <= width
            assert picture.height <= height
        picture.close()


def test_a_cover_is_cut_where_gravity_says(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "photo.png", (800, 400))
    wanted = [
        Still(name=gravity, width=200, height=200, fit="cover", gravity=gravity)
        for gravity in ("centre", "west", "east")
    ]
    made = make(source, *wanted)
    red, green, blue, white = builders.CORNERS
    assert near(colour_at(made["centre"], 0, 0), red)
    assert near(colour_at(made["centre"], 1, 0), green)
    assert near(colour_at(made["west"], 1, 0), red)
    assert near(colour_at(made["west"], 0, 1), blue)
    assert near(colour_at(made["east"], 0, 0), green)
    assert near(colour_at(made["east"], 1, 1), white)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_cover_is_cut_from_the_picture_as_it_is_seen(orientation: int, tmp_path: Path) -> None:
    picture = builders.quarters((900, 300))
    source = builders.photo(tmp_path / "photo.jpg", picture=picture, orientation=orientation, quality=95)
    small = Still(name="small", width=100, height=100, fit="cover", gravity="west")
    made = make(source, small, Still(name="large", width=600, height=600))
    assert made["small"].size == (100, 100)
    assert near(colour_at(made["small"], 1, 0), builders.CORNERS[0], 30)
    assert near(colour_at(made["small"], 1, 1), builders.CORNERS[2], 30)


@pytest.mark.parametrize(
    ("format_", "background", "bar", "mode"),
    [
        ("jpeg", "#336699", (0x33, 0x66, 0x99), "RGB"),
        ("jpeg", "#33669900", (0x33, 0x66, 0x99), "RGB"),
        ("webp", "#336699", (0x33, 0x66, 0x99), "RGB"),
        ("webp", "#33669900", (0x33, 0x66, 0x99, 0), "RGBA"),
        ("avif", "#33669980", (0x33, 0x66, 0x99, 0x80), "RGBA"),
    ],
)
def test_contain_lays_the_picture_on_a_canvas(
    format_: str, background: str, bar: tuple[int, ...], mode: str, tmp_path: Path
) -> None:
    source = builders.photo(tmp_path / "photo.png", (400, 200))
    still = Still.from_dict(
        {"name": "a", "width": 200, "height": 200, "fit": "contain", "gravity": "south", "format": format_}
        | {"background": background, "quality": 95}
    )
    picture = make(source, still)["a"]
    assert (picture.size, picture.mode) == ((200, 200), mode)
    shown = colour_at(picture, 0.5, 0.2)
    assert near(shown[3:], bar[3:])
    assert shown[3:] == (0,) or near(shown, bar)
    assert near(colour_at(picture, 0.2, 0.6)[:3], builders.CORNERS[0], 30)


def test_what_is_transparent_lies_on_the_background(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "photo.png", picture=Image.new("RGBA", (60, 60), (9, 9, 9, 0)))
    assert near(
        colour_at(make(source, Still(name="a", width=50, height=50, background="#ff8000"))["a"], 0.5, 0.5),
        (255, 128, 0),
    )


def test_a_grey_picture_on_a_coloured_canvas_is_coloured(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "photo.png", picture=Image.new("L", (60, 30), 200))
    grey, red = (
        make(source, Still(name="a", width=50, height=50, fit="contain", background=background))["a"]
        for background in ("#808080", "#ff0000")
    )
    assert grey.mode == "L"
    assert near(colour_at(red, 0, 0), (255, 0, 0))


def test_a_small_picture_is_enlarged_only_when_told_to(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "photo.png", (50, 20))
    made = make(source, Still(name="a", width=100, height=100), Still(name="b", width=100, height=100, upscale=True))
    assert (made["a"].size, made["b"].size) == ((50, 20), (100, 40))


def test_a_still_may_be_larger_than_its_original(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "photo.png", (10, 10))
    wanted = Still(name="a", width=200, height=300, fit="contain")
    assert make(source, wanted, pixels=100)["a"].size == (200, 300)


def test_alpha_that_hides_nothing_is_dropped(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "photo.png", picture=builders.quarters((60, 60), "RGBA"))
    for format_ in ("webp", "avif"):
        assert (
            make(source, Still.from_dict({"name": "a", "width": 50, "height": 50, "format": format_}))["a"].mode
            == "RGB"
        )


def test_chroma_is_halved_below_quality_ninety(tmp_path: Path) -> None:
    source = builders.photo(tmp_path / "photo.png", (200, 200))
    made = make(
        source,
        Still(name="a", width=100, height=100, quality=89, progressive=True),
        Still(name="b", width=100, height=100, quality=90),
    )
    layers = {name: picture.layer[0][1:3] for name, picture in made.items()}  # type: ignore[attr-defined]
    assert layers == {"a": (2, 2), "b": (1, 1)}
    assert {name for name, picture in made.items() if picture.info.get("progressive")} == {"a"}


def test_a_wide_gamut_is_converted_and_tagged_or_kept(tmp_path: Path) -> None:
    wide = icc.coded(12, 13)
    assert wide
    # The red of sRGB, in Display P3.
    source = builders.photo(tmp_path / "photo.png", picture=Image.new("RGB", (90, 90), (234, 51, 35)), profile=wide)
    for format_ in sorted(IMAGE_TYPES):
        settings_ = {"width": 50, "height": 50, "format": format_, "quality": 95}
        made = make(
            source,
            Still.from_dict({"name": "a"} | settings_),
            Still.from_dict({"name": "b", "keep_profile": True} | settings_),
        )
        assert near(colour_at(made["a"], 0.5, 0.5), (255, 0, 0), 6)
        assert made["a"].info["icc_profile"] == icc.srgb()
        assert near(colour_at(made["b"], 0.5, 0.5), (234, 51, 35), 6)
        assert made["b"].info["icc_profile"] == wide


def test_stills_that_keep_their_profile_do_not_spoil_the_others(tmp_path: Path) -> None:
    """Each kind is decoded at a scale of its own."""
    source = builders.photo(tmp_path / "photo.jpg", (2400, 1600), profile=icc.coded(12, 13), quality=95)
    wanted = (
        Still(name="a", width=2000, height=2000),
        Still(name="b", width=90, height=90, keep_profile=True),
        Still(name="c", width=1200, height=1200, keep_profile=True),
        Still(name="d", width=60, height=60),
    )
    for some in (wanted, wanted[::-1], wanted[:2], wanted[2:]):
        made = make(source, *some)
        assert {name: picture.width for name, picture in made.items()} == {still.name: still.width for still in some}
        for picture in made.values():
            assert near(colour_at(picture, 0.9, 0.9), (255, 255, 255))
            assert near(colour_at(picture, 0.1, 0.9), (0, 0, 255), 30)


def test_a_profile_that_would_outweigh_the_still_is_not_kept(tmp_path: Path) -> None:
    wide = icc.coded(12, 13)
    assert wide
    heavy = (len(wide) + 70_000).to_bytes(4, "big") + wide[4:] + bytes(70_000)
    source = builders.photo(tmp_path / "photo.png", picture=Image.new("RGB", (90, 90), (234, 51, 35)), profile=heavy)
    picture = make(source, Still(name="a", width=50, height=50, quality=95, keep_profile=True))["a"]
    assert picture.info["icc_profile"] == icc.srgb()
    assert near(colour_at(picture, 0.5, 0.5), (255, 0, 0), 6)


def test_only_rgb_is_kept_in_its_own_colours(tmp_path: Path) -> None:
    """CMYK has no place on a screen; a profile that does not fit its pixels says nothing."""
    wide = icc.coded(12, 13)
    source = builders.photo(tmp_path / "photo.jpg", picture=builders.quarters((90, 90), "CMYK"), profile=wide)
    picture = make(source, Still(name="a", width=50, height=50, keep_profile=True))["a"]
    assert picture.mode == "RGB"
    assert "icc_profile" not in picture.info


@pytest.mark.parametrize("kind", ["avif", "png"])
def test_colours_named_by_code_points_are_converted(kind: str, tmp_path: Path) -> None:
    path = builders.photo(tmp_path / f"photo.{kind}", picture=Image.new("RGB", (90, 90), (234, 51, 35)))
    data = path.read_bytes()
    if kind == "avif":
        assert b"colrnclx\x00\x01\x00\x0d" in data
        data = data.replace(b"colrnclx\x00\x01\x00\x0d", b"colrnclx\x00\x0c\x00\x0d")
    else:
        chunk = b"cICP\x0c\x0d\x00\x01"
        at = data.index(b"IDAT") - 4
        data = data[:at] + b"\0\0\0\4" + chunk + zlib.crc32(chunk).to_bytes(4, "big") + data[at:]
    path.write_bytes(data)
    picture = make(path, Still(name="a", width=50, height=50, quality=95))["a"]
    assert near(colour_at(picture, 0.5, 0.5), (255, 0, 0), 6)


def test_a_jpeg_without_its_end_shows_what_there_is_when_that_is_allowed(tmp_path: Path) -> None:
    noise = Image.effect_noise((400, 400), 100).convert("RGB")
    cut = builders.cut(builders.photo(tmp_path / "photo.jpg", picture=noise), tmp_path / "cut.jpg", 0.5)
    picture = make(cut, Still(name="a", width=300, height=300), truncated=True)["a"].convert("L")
    upper, lower = (ImageStat.Stat(picture.crop((0, top, 300, top + 100))).stddev[0] for top in (0, 200))
    assert upper > 10 > lower


def test_profile_and_owner_are_kept_when_asked(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.update({0x8298: "© 2026 Ansel".encode(), 0x013B: b"Ansel A.", 0x010F: b"Maker"})
    source = tmp_path / "photo.jpg"
    builders.quarters((90, 90)).save(source, exif=exif)
    for format_ in sorted(IMAGE_TYPES):
        common = {"width": 50, "height": 50, "format": format_}
        made = make(
            source,
            Still.from_dict({"name": "both", "keep": ["copyright", "credit", "icc"]} | common),
            Still.from_dict({"name": "one", "keep": ["copyright"]} | common),
        )
        both, one = ({**made[name].getexif()} for name in ("both", "one"))
        assert {0x8298, 0x013B} == set(both)
        assert {0x8298} == set(one)
        assert str(both[0x8298]).encode("latin-1").decode() == "© 2026 Ansel"
        profile = ImageCms.ImageCmsProfile(io.BytesIO(made["both"].info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)


def test_the_preview_fits_into_four_hundred_bytes_whatever_the_picture_is(tmp_path: Path) -> None:
    for mode in ("RGB", "RGBA"):
        noise = Image.merge(mode, [Image.effect_noise((200, 200), 120) for _ in mode])
        path = builders.photo(tmp_path / "photo.png", picture=noise)
        told: dict[str, Any] = {"source": str(path), "folder": str(tmp_path), "pixels": 10**8, "stills": []}
        told["stills"] = [Still(name="a", width=99, height=99).to_dict()]
        uri = stills.answer(told)["placeholder"]["dataUri"]
        assert uri.startswith("data:image/webp;base64,")
        assert len(uri) < 400


def test_palettes_are_tried_in_drawings_and_not_in_photos(tmp_path: Path) -> None:
    still = Still(name="a", width=200, height=200, format="avif", effort=8)
    colours = ((255, 255, 255), (20, 20, 60), (200, 40, 40), (240, 200, 0))
    drawing = Image.new("RGB", (128, 128))
    for x, y in itertools.product(range(128), repeat=2):
        drawing.putpixel((x, y), colours[(x // 2 * (y // 3) + x // 7) % 4])
    drawing.save(tmp_path / "drawn.png")
    drawing.save(tmp_path / "photo.jpg", quality=100, subsampling="4:4:4")
    sizes = []
    for name in ("drawn.png", "photo.jpg"):
        make(tmp_path / name, still)
        sizes.append((tmp_path / "out" / still.suffix).stat().st_size)
    drawn, photo = sizes
    assert drawn < 0.7 * photo

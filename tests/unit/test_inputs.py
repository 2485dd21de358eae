"""Originals of every kind of pixels and with more than one picture, made in this process."""

from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from pipeline.renditions import Still
from tests import builders
from workers.confined import stills

SIZE = (2400, 1600)  # large enough for the step `stream`
# Each still leads another way: through the decoder's own scales, and through what is left to resample.
WANTED = (Still(name="small", width=150, height=150), Still(name="large", width=2000, height=2000, quality=95))


def made(source: Path) -> dict[int, list[tuple[int, ...]]]:
    """The colours in the middles of the four quarters, by the width of the stills made apart."""
    seen = {}
    for still in WANTED:
        told = {"source": str(source), "folder": str(source.parent), "pixels": 10**8}
        stills.answer(told | {"stills": [still.to_dict()]})
        with Image.open(source.parent / still.suffix) as picture:
            width, height = picture.size
            shown = picture.convert("RGB")
            middles = [(x * width // 4, y * height // 4) for y in (1, 3) for x in (1, 3)]
            seen[width] = [tuple(shown.getpixel(at)) for at in middles]  # type: ignore[arg-type]
    return seen


def right(source: Path) -> bool:
    return all(
        abs(value - other) <= 16
        for seen in made(source).values()
        for one, two in zip(seen, builders.CORNERS, strict=True)
        for value, other in zip(one, two, strict=True)
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return builders.photo(tmp_path_factory.mktemp("plain") / "plain.png", SIZE)


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("deep.png", "rgb48be"),
        ("deep-alpha.png", "rgba64be"),
        ("deep.tiff", "rgb48le"),
        ("deep-alpha.tiff", "rgba64le"),
        ("full.jpg", "yuvj444p"),
        ("halves.jpg", "yuvj422p"),
        ("heights.jpg", "yuvj440p"),
        ("quarters.jpg", "yuvj411p"),
        ("luma.tiff", "yuv422p"),
        ("deep.avif", "yuv420p10le"),
    ],
)
def test_deep_pixels_and_odd_chroma_look_as_they_should(name: str, pixels: str, plain: Path, tmp_path: Path) -> None:
    assert right(builders.converted(plain, tmp_path / name, pixels))


def test_a_deep_heic_looks_as_it_should(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", False)
    with Image.open(plain) as picture:
        deep = b"".join(bytes((0, value)) for value in picture.tobytes())
        pillow_heif.from_bytes(mode="RGB;16", size=picture.size, data=deep).save(tmp_path / "deep.heic", quality=90)
    assert right(tmp_path / "deep.heic")


@pytest.mark.parametrize("options", [{"keep_rgb": True}, {"progressive": True}, {"restart_marker_rows": 2}])
def test_jpegs_of_other_kinds_look_as_they_should(options: dict[str, bool], tmp_path: Path) -> None:
    assert right(builders.photo(tmp_path / "photo.jpg", SIZE, quality=95, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["photo.mpo", "photo.tiff", "photo.gif", "photo.png", "photo.webp", "photo.avif"])
def test_the_first_picture_is_the_one_that_counts(name: str, tmp_path: Path) -> None:
    first = builders.quarters(SIZE)
    more = [Image.new("RGB", SIZE), first.rotate(180)]
    assert right(builders.photo(tmp_path / name, picture=first, save_all=True, append_images=more))


@pytest.mark.parametrize("size", [(1, 900), (900, 1), (1, 1), (2, 3)])
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff", "avif", "gif", "bmp"])
def test_the_thinnest_pictures_have_stills(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    source = builders.photo(tmp_path / f"photo.{kind}", picture=Image.new("RGB", size, "red"))
    still = Still(name="thumbnail", width=300, height=300)
    told = {"source": str(source), "folder": str(tmp_path), "pixels": 10**8, "stills": [still.to_dict()]}
    assert stills.answer(told)["stills"] == [{"width": min(300, size[0]), "height": min(300, size[1])}]

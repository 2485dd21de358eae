"""What a record tells of a photo's making: the allow-list, typed and capped."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from pipeline.probes import TRUNCATED, Probe
from tests import builders
from tests.unit.test_inspection import LIMITS
from workers.confined.photos import inspect_photo
from workers.confined.refusal import RefusedError

ALL = ("taken", "camera", "lens", "exposure", "gps")
DEFAULT = ALL[:-1]


def camera(path: Path) -> Path:
    """A photo with everything in its Exif, serial number and owner included."""
    exif = Image.Exif()
    exif.update({ExifTags.Base.Make: "Canon\0", ExifTags.Base.Model: "  EOS\n5D " + "x" * 500})
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.DateTimeOriginal: "2024:02:29 23:59:58",
            ExifTags.Base.OffsetTimeOriginal: "+05:30",
            ExifTags.Base.ExposureTime: 1 / 250,
            ExifTags.Base.FNumber: 2.8,
            ExifTags.Base.ISOSpeedRatings: 400,
            ExifTags.Base.FocalLength: 50.0,
            ExifTags.Base.Flash: 0x19,
            ExifTags.Base.LensModel: "Möwe 50mm".encode(),
            ExifTags.Base.BodySerialNumber: "12345",
            ExifTags.Base.CameraOwnerName: builders.SECRET,
            ExifTags.Base.MakerNote: b"note" * 100,
        }
    )
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {1: "S", 2: (33.0, 51.0, 24.5), 3: "E", 4: (151.0, 12.0, 0.0), 5: b"\1", 6: 12.5}
    )
    builders.quarters((40, 30)).save(path, exif=exif)
    return path


def probe(path: Path, *wanted: str) -> Probe:
    found = inspect_photo(path, LIMITS, wanted)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_what_is_asked_for_is_told_and_nothing_else(tmp_path: Path) -> None:
    told = probe(camera(tmp_path / "photo.jpg"), *ALL).metadata
    assert told is not None
    model = told["camera"].pop("model")
    assert model.startswith("EOS 5D xxx")
    assert len(model) == 128
    assert told == {
        "taken": "2024-02-29T23:59:58+05:30",
        "camera": {"make": "Canon"},
        "lens": {"model": "Möwe 50mm"},
        "exposure": {"seconds": 0.004, "aperture": 2.8, "iso": 400.0, "focalLength": 50.0, "flash": True},
        "gps": {"latitude": -33.856806, "longitude": 151.2, "altitude": -12.5},
    }


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff", "avif", "heic"])
def test_position_and_owner_stay_out_unless_they_are_asked_for(kind: str, tmp_path: Path) -> None:
    source = builders.photo(tmp_path / f"photo.{kind}", secret=True)
    assert probe(source, *DEFAULT).metadata == {"camera": {"make": builders.SECRET}}
    assert probe(source, "gps").metadata == {"gps": {"latitude": 52.083333, "longitude": 4.866667}}
    assert probe(source).metadata is None


@pytest.mark.parametrize(
    "tags",
    [
        {ExifTags.Base.DateTimeOriginal: "0000:00:00 00:00:00"},
        {ExifTags.Base.DateTimeOriginal: "yesterday"},
        {ExifTags.Base.FNumber: 0.0, ExifTags.Base.ExposureTime: 0.0},
        {ExifTags.Base.LensModel: b"\0\0"},
    ],
)
def test_nonsense_is_left_out(tags: dict[int, object], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif).update(tags)
    builders.quarters((40, 30)).save(tmp_path / "photo.jpg", exif=exif)
    assert probe(tmp_path / "photo.jpg", *ALL).metadata is None


@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0nonsense", b""])
def test_broken_exif_refuses_no_picture(exif: bytes, tmp_path: Path) -> None:
    builders.quarters((40, 30)).save(tmp_path / "photo.jpg", exif=exif)
    assert probe(tmp_path / "photo.jpg", *ALL).metadata is None


def test_a_time_without_its_zone_is_told_as_it_is(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeDigitized] = "2024:02:29 23:59:58"
    builders.quarters((40, 30)).save(tmp_path / "photo.jpg", exif=exif)
    assert probe(tmp_path / "photo.jpg", *ALL).metadata == {"taken": "2024-02-29T23:59:58"}


def test_a_record_can_hold_it_and_give_it_back(tmp_path: Path) -> None:
    found = replace(probe(camera(tmp_path / "photo.jpg"), *ALL), warnings=(TRUNCATED,))
    stored = json.loads(json.dumps(found.to_dict()))
    assert stored["warnings"] == ["image_truncated"]
    assert Probe.from_dict(stored) == found
    assert "warnings" not in replace(found, warnings=()).to_dict()


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_taken_with_a_warning_when_that_is_allowed(progressive: bool, tmp_path: Path) -> None:  # noqa: FBT001
    noise = Image.effect_noise((400, 400), 100)
    whole = builders.photo(tmp_path / "whole.jpg", picture=noise, progressive=progressive)
    cut = builders.cut(whole, tmp_path / "cut.jpg", 0.5)
    with pytest.raises(RefusedError):
        probe(cut)
    lenient = replace(LIMITS, truncated="accept-with-warning")
    found = inspect_photo(cut, lenient)
    assert found is not None
    assert found.warnings == (TRUNCATED,)
    intact = inspect_photo(whole, lenient)
    assert intact is not None
    assert intact.warnings == ()


def test_an_end_that_was_put_to_the_rest_of_a_jpeg_makes_it_no_whole_one(tmp_path: Path) -> None:
    whole = builders.photo(tmp_path / "whole.jpg", picture=Image.effect_noise((400, 400), 100))
    cut = builders.cut(whole, tmp_path / "cut.jpg", 0.5)
    cut.write_bytes(cut.read_bytes() + b"\xff\xd9")
    with pytest.raises(RefusedError):
        probe(cut)
    found = inspect_photo(cut, replace(LIMITS, truncated="accept-with-warning"))
    assert found is not None
    assert found.warnings == (TRUNCATED,)


def test_a_grey_jpeg_is_whole(tmp_path: Path) -> None:
    grey = builders.photo(tmp_path / "grey.jpg", picture=Image.new("RGB", (400, 300), (128, 128, 128)))
    assert probe(grey).warnings == ()


def test_only_a_jpeg_that_shows_something_is_taken_without_its_end(tmp_path: Path) -> None:
    noise = Image.effect_noise((400, 400), 100)
    lenient = replace(LIMITS, truncated="accept-with-warning")
    head = builders.photo(tmp_path / "whole.jpg", picture=noise)
    scan = head.read_bytes().index(b"\xff\xda") + 10
    head.write_bytes(head.read_bytes()[: scan + 100])
    png = builders.cut(builders.photo(tmp_path / "whole.png", picture=noise), tmp_path / "cut.png", 0.5)
    for broken in (head, png):
        with pytest.raises(RefusedError):
            inspect_photo(broken, lenient)

"""Looking at a photo and making its stills in one go: the same as one after the other, or not at all."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image

from pipeline.limits import Limits
from pipeline.probes import Probe
from tests import builders, warm
from tests.unit.test_images import job_of
from tests.unit.test_inspection import LIMITS
from tests.world import PIPELINE
from workers import images
from workers.inspection import inspect
from workers.jobs import Made

STILLS = PIPELINE.stills


@dataclass(frozen=True)
class Rules:
    limits: Limits = LIMITS
    metadata: frozenset[str] = PIPELINE.metadata


def developed(source: Path, limits: Limits = LIMITS) -> tuple[Probe, Made] | None:
    folder = source.parent / "ahead"
    folder.mkdir()
    return images.develop(source, Rules(limits), STILLS, scratch=folder, children=warm.children())  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "avif", "heic", "tiff", "gif"])
def test_it_is_the_same_as_one_after_the_other(kind: str, tmp_path: Path) -> None:
    source = builders.photo(tmp_path / f"photo.{kind}", (900, 700), orientation=6 if kind == "jpg" else 1)
    found = developed(source)
    assert found is not None
    probe, made = found
    assert probe == inspect(source, warm.children(), LIMITS, PIPELINE.metadata)
    (apart := tmp_path / "apart").mkdir()
    others = images.stills(source, STILLS, pixels=probe.pixels, scratch=apart, children=warm.children())
    assert made.placeholder == others.placeholder
    for one, other in zip(made.files, others.files, strict=True):
        assert replace(one, path=other.path) == other
        assert one.path.read_bytes() == other.path.read_bytes()


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"], ids=["cut", "cut and ended"])
@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("size", [(1600, 1200), (2400, 1600)], ids=["decoded", "streamed"])
def test_a_photo_without_its_end_is_left_to_inspection(
    size: tuple[int, int], share: float, end: bytes, tmp_path: Path
) -> None:
    noise = Image.effect_noise(size, 100).convert("RGB")
    whole = builders.photo(tmp_path / "photo.jpg", picture=noise)
    cut = builders.cut(whole, tmp_path / "cut.jpg", share)
    cut.write_bytes(cut.read_bytes() + end)
    assert developed(cut) is None


def test_what_is_refused_or_no_image_is_left_to_inspection(tmp_path: Path) -> None:
    photo = builders.photo(tmp_path / "photo.jpg", (400, 300))
    assert developed(photo, replace(LIMITS, pixels=100)) is None
    (tmp_path / "ahead").rmdir()
    (tmp_path / "text").write_text("plain")
    assert developed(tmp_path / "text") is None


def test_what_was_made_ahead_counts_if_the_plan_promises_just_that(tmp_path: Path) -> None:
    found = developed(builders.photo(tmp_path / "photo.jpg", (400, 300)))
    assert found is not None
    probe, made = found
    whole = replace(job_of(tmp_path / "photo.jpg", probe, *STILLS), ahead=made)
    assert images.make(whole) is made
    other = replace(whole, plan=replace(whole.plan, stills=STILLS[:1]))
    assert [file.suffix for file in images.make(other).files] == [STILLS[0].suffix]

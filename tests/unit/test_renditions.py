import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.framing import inside
from pipeline.renditions import Poster, Still, recipe

SIDES = st.integers(1, 20_000)


def test_a_recipe_is_the_same_everywhere() -> None:
    # The literal is the point: it is part of keys that are in buckets.
    assert recipe({"quality": 80, "width": 300}) == "f5d23a59"
    assert recipe({"width": 300, "quality": 80}) == "f5d23a59"


def test_any_setting_changes_the_recipe() -> None:
    stills = [
        Still(name="a", width=300, height=300),
        Still(name="a", width=301, height=300),
        Still(name="a", width=300, height=300, quality=81),
        Still(name="a", width=300, height=300, format="webp"),
    ]
    assert len({still.recipe for still in stills}) == len(stills)


def test_a_still_out_of_a_plan_keeps_the_recipe_it_was_promised_under() -> None:
    promised = {**Still(name="thumbnail", width=300, height=300).to_dict(), "recipe": "0ldc0de5"}
    still = Still.from_dict(promised)
    assert still.suffix == "thumbnail-0ldc0de5.jpg"
    assert still.to_dict() == promised


def test_a_still_out_of_an_older_plan_is_read() -> None:
    older = {
        "name": "a",
        "width": 3,
        "height": 4,
        "fit": "inside",
        "format": "webp",
        "quality": 7,
        "recipe": "0ldc0de5",
    }
    assert Still.from_dict(older).suffix == "a-0ldc0de5.webp"


@pytest.mark.parametrize(
    ("kind", "extension", "mime_type"),
    [("jpeg", ".jpg", "image/jpeg"), ("webp", ".webp", "image/webp"), ("avif", ".avif", "image/avif")],
)
def test_the_format_names_the_file(kind: str, extension: str, mime_type: str) -> None:
    still = Still.from_dict({"name": "small", "width": 640, "height": 640, "format": kind})
    assert still.suffix.endswith(extension)
    assert still.mime_type == mime_type


def test_a_poster_is_a_still_of_its_moment() -> None:
    early, late = Poster(at=0.1), Poster(at=0.5)
    assert early.still.name == "poster"
    assert early.still.suffix != late.still.suffix
    assert Poster(at=0.5, recipe=early.recipe).still.suffix == early.still.suffix


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((4000, 3000), (300, 225)), ((3000, 4000), (225, 300)), ((200, 100), (200, 100)), ((9000, 10), (300, 1))],
)
def test_a_still_is_fitted_inside(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert Still(name="thumbnail", width=300, height=300).size(*size) == fitted


@given(SIDES, SIDES, SIDES, SIDES)
def test_nothing_is_enlarged_cropped_or_emptied(width: int, height: int, most_width: int, most_height: int) -> None:
    fitted = inside(width, height, most_width, most_height)
    assert 1 <= fitted[0] <= min(width, most_width)
    assert 1 <= fitted[1] <= min(height, most_height)
    assert abs(fitted[0] * height - fitted[1] * width) <= max(width, height)

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.framing import Fit, Gravity, frame

SIDES = st.integers(1, 20_000)
BOXES = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@pytest.mark.parametrize(
    ("fit", "gravity", "crop", "size", "corner"),
    [
        ("inside", "centre", (0, 0, 400, 200), (100, 50), (0, 0)),
        ("contain", "centre", (0, 0, 400, 200), (100, 50), (0, 25)),
        ("contain", "north", (0, 0, 400, 200), (100, 50), (0, 0)),
        ("contain", "southeast", (0, 0, 400, 200), (100, 50), (0, 50)),
        ("cover", "centre", (100, 0, 300, 200), (100, 100), (0, 0)),
        ("cover", "west", (0, 0, 200, 200), (100, 100), (0, 0)),
        ("cover", "northeast", (200, 0, 400, 200), (100, 100), (0, 0)),
    ],
)
def test_a_picture_is_fitted_into_a_box(
    fit: Fit, gravity: Gravity, crop: tuple[int, ...], size: tuple[int, int], corner: tuple[int, int]
) -> None:
    made = frame(400, 200, (100, 100), fit, gravity, upscale=False)
    assert (made.crop, made.size, made.corner) == (crop, size, corner)


@pytest.mark.parametrize(
    ("fit", "size", "canvas"),
    [("inside", (40, 20), (40, 20)), ("contain", (40, 20), (100, 100)), ("cover", (20, 20), (20, 20))],
)
def test_a_small_picture_stays_small(fit: Fit, size: tuple[int, int], canvas: tuple[int, int]) -> None:
    made = frame(40, 20, (100, 100), fit, upscale=False)
    assert (made.size, made.canvas) == (size, canvas)


@pytest.mark.parametrize(("fit", "size"), [("inside", (100, 50)), ("contain", (100, 50)), ("cover", (100, 100))])
def test_a_small_picture_is_enlarged_when_told_to(fit: Fit, size: tuple[int, int]) -> None:
    assert frame(40, 20, (100, 100), fit, upscale=True).size == size


@given(SIDES, SIDES, BOXES, st.sampled_from(get_args(Fit)), st.sampled_from(get_args(Gravity)), st.booleans())
def test_a_frame_lies_in_its_picture_and_its_canvas(
    width: int,
    height: int,
    box: tuple[int, int],
    fit: Fit,
    gravity: Gravity,
    upscale: bool,  # noqa: FBT001
) -> None:
    made = frame(width, height, box, fit, gravity, upscale=upscale)
    left, top, right, bottom = made.crop
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert all(1 <= side <= most for side, most in zip(made.canvas, box, strict=True))
    assert all(0 <= at <= most - side for at, side, most in zip(made.corner, made.size, made.canvas, strict=True))
    # Along each side the aspect is kept to a pixel.
    across, down = made.size[0] / (right - left), made.size[1] / (bottom - top)
    assert abs(made.size[0] - (right - left) * down) <= 1 or abs(made.size[1] - (bottom - top) * across) <= 1
    if not upscale:
        assert made.size[0] <= right - left + 1e-6
        assert made.size[1] <= bottom - top + 1e-6

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ladder import FittedRung, Rung, fit, frame_rate
from tests.probes import FULL_HD

LADDER = (
    Rung(name="480p", height=480, video=1_400_000),
    Rung(name="1080p", height=1080, video=6_000_000),
    Rung(name="720p", height=720, video=3_000_000),
    Rung(name="360p", height=360, video=800_000),
)


def sizes(width: int, height: int) -> list[tuple[str, int, int]]:
    fitted = fit(LADDER, replace(FULL_HD, width=width, height=height))
    return [(rung.name, rung.width, rung.height) for rung in fitted]


def test_a_full_hd_video_fills_every_rung_largest_first() -> None:
    assert sizes(1920, 1080) == [("1080p", 1920, 1080), ("720p", 1280, 720), ("480p", 854, 480), ("360p", 640, 360)]


def test_the_short_side_is_the_rung_so_portrait_keeps_its_detail() -> None:
    assert sizes(720, 1280) == [("720p", 720, 1280), ("480p", 480, 854), ("360p", 360, 640)]


def test_a_video_below_every_rung_gets_one_of_its_own_size() -> None:
    fitted = fit(LADDER, replace(FULL_HD, width=161, height=121))
    assert fitted == (FittedRung(name="120p", width=160, height=120, bitrate=800_000),)


def test_a_single_pixel_is_still_a_video() -> None:
    assert sizes(1, 1) == [("2p", 2, 2)]


def test_a_ladder_without_rungs_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one rung"):
        fit((), FULL_HD)


@given(st.integers(2, 20_000), st.integers(2, 20_000))
def test_rungs_are_even_never_larger_than_the_video_and_keep_its_aspect(width: int, height: int) -> None:
    fitted = fit(LADDER, replace(FULL_HD, width=width, height=height))
    assert fitted
    for rung in fitted:
        assert rung.width % 2 == 0
        assert rung.height % 2 == 0
        assert min(rung.width, rung.height) <= min(width, height)
        scale = min(rung.width, rung.height) / min(width, height)
        # One pixel of rounding on each side, the short one magnified as much as the picture is long.
        assert abs(max(rung.width, rung.height) - max(width, height) * scale) <= 1 + max(width, height) / min(
            width, height
        )


@pytest.mark.parametrize(
    ("average", "nominal", "most", "expected"),
    [
        ("30000/1001", "30000/1001", 60, Fraction(30000, 1001)),
        ("25", "25", 60, Fraction(25)),
        ("2997/100", "2997/100", 60, Fraction(30000, 1001)),  # what Matroska's milliseconds make of it
        ("120", "120", 60, Fraction(60)),
        ("100", "100", 60, Fraction(50)),
        ("60000/1001", "60000/1001", 30, Fraction(30000, 1001)),
        ("140000/5087", "30", 60, Fraction(30)),  # a phone that dropped frames
        ("25", "50", 60, Fraction(25)),  # two fields to a frame
        ("15", "15", 60, Fraction(15)),
        ("237", "240", 60, Fraction(60000, 1001)),
        ("29", "1000", 60, Fraction(29)),  # a screen recording timed in milliseconds
        ("1/3600", None, 60, Fraction(1)),
        (None, None, 60, Fraction(30)),
        (None, "24", 60, Fraction(24)),
        ("0", "0", 60, Fraction(30)),
    ],
)
def test_the_rate_is_the_videos_own_as_far_as_it_has_one(
    average: str | None, nominal: str | None, most: int, expected: Fraction
) -> None:
    assert frame_rate(replace(FULL_HD, frame_rate=average, nominal_rate=nominal), most) == expected


@given(st.fractions(Fraction(1, 10_000), 200_000), st.fractions(Fraction(1, 10_000), 200_000), st.integers(1, 240))
def test_the_rate_never_exceeds_the_cap(average: Fraction, nominal: Fraction, most: int) -> None:
    assert 1 <= frame_rate(replace(FULL_HD, frame_rate=str(average), nominal_rate=str(nominal)), most) <= most

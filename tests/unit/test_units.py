"""Quantities: what people write, and what the code gets."""

import pytest

from pipeline import units
from pipeline.retries import Terms


def test_quantities_are_read() -> None:
    assert units.size("500 MB") == 500_000_000
    assert units.size("1.5KiB") == 1536
    assert units.seconds("500ms") == 0.5
    assert units.seconds("4h") == 14_400
    assert units.rate("1.4 Mbit/s") == 1_400_000
    assert units.pixels("100 MP") == 100_000_000
    assert units.share("10%") == pytest.approx(0.1)


@pytest.mark.parametrize("text", ["", "500", "MB", "-1 MB", "500 mb", "1,5 MB", "1 MB extra"])
def test_anything_else_is_refused_with_the_units_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="write a number and one of B, kB, MB"):
        units.size(text)


def test_a_share_is_at_most_all() -> None:
    with pytest.raises(ValueError, match="more than 100%"):
        units.share("101%")


def test_waits_double_up_to_the_most_with_jitter_above_half() -> None:
    terms = Terms(attempts=8, first=0.5, most=120.0)
    assert [terms.delay(n, lambda: 1.0) for n in range(1, 5)] == [500, 1000, 2000, 4000]
    assert terms.delay(1, lambda: 0.0) == 250
    assert terms.delay(10_000, lambda: 1.0) == 120_000
    assert terms.options() == {"max_retries": 7, "min_backoff": 500, "max_backoff": 120_000}


def test_listed_waits_are_taken_as_they_are_and_the_last_one_stays() -> None:
    terms = Terms(attempts=5, first=5, most=60, listed=(5, 300, 60))
    assert [terms.delay(n, lambda: 1.0) for n in range(1, 6)] == [5000, 300_000, 60_000, 60_000, 60_000]
    assert terms.delay(2, lambda: 0.0) == 150_000

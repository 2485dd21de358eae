from pathlib import Path

import pytest
from PIL import Image

from pipeline.renditions import Still
from tests import builders
from workers.confined import hdr, icc, stills


@pytest.mark.parametrize(("signal", "light"), [(0.0, 0.0), (0.508, 100.0), (0.581, 203.0), (0.752, 1000.0), (1.0, 1e4)])
def test_pq_is_read_as_bt_2100_says(signal: float, light: float) -> None:
    assert hdr.pq_light(signal) == pytest.approx(light, rel=0.01)


@pytest.mark.parametrize(("signal", "light"), [(0.0, 0.0), (0.5, 50.7), (0.75, 203.0), (1.0, 1000.0)])
def test_hlg_is_read_as_bt_2408_says(signal: float, light: float) -> None:
    assert hdr.hlg_light(signal) == pytest.approx(light, rel=0.01)


@pytest.mark.parametrize("transfer", [16, 18])
def test_brighter_is_never_darker_and_nothing_is_brighter_than_white(transfer: int) -> None:
    samples = hdr.curve(transfer)
    assert samples is not None
    assert list(samples) == sorted(samples)
    assert samples[0] == 0
    assert samples[-1] == pytest.approx(1, abs=0.001)


def test_what_is_not_bright_stays_as_it_is() -> None:
    assert hdr.rolled_off(50.0) == pytest.approx(50.0, rel=0.001)
    assert hdr.curve(13) is None
    assert icc.coded(9, 17) is None


# 100 cd/m2 are 0.49 of white, which sRGB writes as 186; HLG's 203 cd/m2 are rolled off to about four fifths.
@pytest.mark.parametrize(("transfer", "level", "shown"), [(16, 130, 184), (16, 0, 0), (16, 255, 255), (18, 191, 229)])
def test_a_picture_in_a_high_dynamic_range_is_neither_dull_nor_burnt(
    transfer: int, level: int, shown: int, tmp_path: Path
) -> None:
    path = builders.photo(tmp_path / "photo.avif", picture=Image.new("RGB", (90, 90), (level,) * 3), quality=100)
    coded = b"colrnclx\x00\x01\x00\x0d"
    assert coded in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(coded, b"colrnclx\x00\x09\x00" + bytes([transfer])))
    still = Still(name="a", width=50, height=50, quality=95)
    stills.answer({"source": str(path), "folder": str(tmp_path), "pixels": 10**6, "stills": [still.to_dict()]})
    with Image.open(tmp_path / still.suffix) as picture:
        seen = picture.getpixel((25, 25))
        assert isinstance(seen, tuple)
        assert all(abs(value - shown) <= 3 for value in seen), seen

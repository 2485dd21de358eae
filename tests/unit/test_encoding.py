"""A still is looked at again before anybody is told of it."""

from pathlib import Path

import pytest

from pipeline.renditions import IMAGE_TYPES, Still
from tests import builders
from workers.confined.encoding import BadStillError, encode, verify


def test_a_still_that_reads_back_otherwise_is_refused(tmp_path: Path) -> None:
    still, picture = Still(name="a", width=50, height=50), builders.quarters((40, 40))
    path = tmp_path / still.suffix
    encode(picture, still, path)
    with pytest.raises(BadStillError, match="is \\(40, 40\\), not \\(40, 41\\)"):
        verify(path, still, builders.quarters((40, 41)), {})
    with pytest.raises(BadStillError, match="mode RGB, not L"):
        verify(path, still, picture.convert("L"), {})
    with pytest.raises(BadStillError, match="carries \\[\\], not \\['exif'\\]"):
        verify(path, still, picture, {"exif": b"x"})
    builders.photo(path, (40, 40), secret=True)
    with pytest.raises(BadStillError, match="carries \\['exif'\\], not \\[\\]"):
        verify(path, still, picture, {})


@pytest.mark.parametrize("format_", sorted(IMAGE_TYPES))
@pytest.mark.parametrize("keep", [0.999, 0.5, 0.01])
def test_a_still_that_was_cut_off_is_refused(format_: str, keep: float, tmp_path: Path) -> None:
    still, picture = (
        Still.from_dict({"name": "a", "width": 90, "height": 90, "format": format_}),
        builders.quarters((90, 90)),
    )
    encode(picture, still, tmp_path / still.suffix)
    with pytest.raises(BadStillError):
        verify(builders.cut(tmp_path / still.suffix, tmp_path / "cut", keep), still, picture, {})

import base64

import pytest

from workers.confined.thumbhash import thumbhash

RED, CLEAR = bytes((255, 0, 0, 255)), bytes(4)


def weave(width: int, height: int) -> bytes:
    """An opaque pattern without any symmetry."""
    return bytes(
        value
        for y in range(height)
        for x in range(width)
        for value in ((x * 37 + y * y * 11) % 256, (x * y * 5 + 17) % 256, (x * x + y) % 256, 255)
    )


# Hashes by the reference implementation, npm thumbhash 0.1.1.
@pytest.mark.parametrize(
    ("width", "height", "rgba", "expected"),
    [
        (32, 24, weave(32, 24), "nRgGLYQgZJh0d3d2d2d3dt949uvr"),
        (9, 30, weave(9, 30), "VioGGghAc1aHdoVmC3j0yrk="),
        (1, 1, RED, "1fsrB38I9wiIh4hwj3CI+AiIgIAICIgA"),
        (2, 2, RED + CLEAR + CLEAR + RED, "1furBQCIeAiIiIeICA6O4OAIeAi4SIeIBA=="),
    ],
)
def test_hashes_are_those_of_the_reference(width: int, height: int, rgba: bytes, expected: str) -> None:
    assert base64.b64encode(thumbhash(width, height, rgba)).decode() == expected


def test_an_invisible_picture_has_a_hash() -> None:
    assert thumbhash(2, 2, CLEAR * 4)


def test_a_side_has_its_limit() -> None:
    with pytest.raises(ValueError, match="100"):
        thumbhash(101, 1, RED * 101)

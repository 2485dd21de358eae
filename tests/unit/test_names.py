"""Names that strangers choose, before they become part of a key, a URL and a download."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.names import LONGEST, LONGEST_ORIGINAL, disposition, kept, safe
from pipeline.sniff import HEIC, JPEG, QUICKTIME


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo.jpg", "photo.jpg"),
        ("IMG_0001.JPG", "IMG_0001.jpg"),
        ("photo.jpeg", "photo.jpeg"),
        ("photo", "photo.jpg"),
        ("photo.png", "photo.jpg"),
        ("evil.html", "evil.jpg"),
        ("v1.2 final", "v1.2 final.jpg"),
        ("../../etc/passwd", "passwd.jpg"),
        (r"C:\Users\me\photo.jpg", "photo.jpg"),
        ("a\u202egpj.exe", "agpj.jpg"),
        ("a\0b\r\nc.jpg", "ab c.jpg"),
        ("e\u0301t\u00e9.jpg", "\u00e9t\u00e9.jpg"),
        ("a<b>&'c'.jpg", "a_b___c_.jpg"),
        (".htaccess", "htaccess.jpg"),
        ("", "file.jpg"),
        ("..", "file.jpg"),
        (".jpg", "file.jpg"),
        ("\u200b.jpg", "file.jpg"),
    ],
)
def test_names_are_made_safe(name: str, expected: str) -> None:
    assert safe(name, JPEG) == expected


def test_extension_fits_the_type() -> None:
    assert safe("clip.MOV", QUICKTIME) == "clip.mov"
    assert safe("IMG_1.jpg", HEIC) == "IMG_1.heic"


@given(st.text(max_size=400))
def test_any_name_becomes_one_plain_segment(name: str) -> None:
    result = safe(name, JPEG)
    assert result.endswith((".jpg", ".jpeg", ".jpe", ".jfif"))
    assert len(result.encode()) <= LONGEST
    assert not re.search(r"[/\\<>:\"|?*%#]", result)
    assert not {"Cc", "Cf", "Cs", "Zl", "Zp"} & {unicodedata.category(char) for char in result}
    assert result[0] not in ". "
    assert safe(result, JPEG) == result


@given(st.text(max_size=100))
def test_disposition_is_one_header_line_of_ascii(name: str) -> None:
    header = disposition(safe(name, JPEG))
    assert re.fullmatch(r"attachment; filename=\"[^\"\\%]+\"; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]+", header)
    assert header.isascii()
    assert header.isprintable()


def test_original_name_is_kept_within_bounds() -> None:
    assert kept("a/b\0\u202e.jpg") == "a/b\0\u202e.jpg"
    assert len(kept("x" * 10_000)) == LONGEST_ORIGINAL
    assert kept("\ud800") == "?"

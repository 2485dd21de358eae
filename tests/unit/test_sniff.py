"""What `sniff` says of the first bytes of files, and of what only looks like one."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sniff import HEAD, sniff


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    brands = major + b"\0\0\0\0" + b"".join(compatible)
    return (len(brands) + 8).to_bytes(4, "big") + b"ftyp" + brands


def ebml(doc_type: bytes) -> bytes:
    return b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82" + bytes([0x80 | len(doc_type)]) + doc_type


@pytest.mark.parametrize(
    ("head", "mime_type"),
    [
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "image/bmp"),
        (ftyp(b"avif", b"mif1"), "image/avif"),
        (ftyp(b"heic", b"mif1"), "image/heic"),
        (ftyp(b"mif1", b"miaf", b"heic"), "image/heic"),
        (ftyp(b"mif1", b"miaf"), "image/heif"),
        (ftyp(b"isom", b"iso2", b"avc1", b"mp41"), "video/mp4"),
        (ftyp(b"XAVC", b"mp42"), "video/mp4"),
        (ftyp(b"qt  "), "video/quicktime"),
        (ftyp(b"3gp4"), "video/3gpp"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "video/quicktime"),
        (ebml(b"webm"), "video/webm"),
        (ebml(b"matroska"), "video/x-matroska"),
        (b"RIFF\x10\0\0\0AVI LIST", "video/x-msvideo"),
        ((b"\x47" + bytes(187)) * 5, "video/mp2t"),
        ((bytes(4) + b"\x47" + bytes(187)) * 5, "video/mp2t"),
        (b"\0\0\x01\xba", "video/mpeg"),
        (b"FLV\x01", "video/x-flv"),
    ],
)
def test_known_files_are_told_by_their_first_bytes(head: bytes, mime_type: str) -> None:
    found = sniff(head + bytes(16))
    assert found is not None
    assert found.mime_type == mime_type
    assert found.kind == mime_type.partition("/")[0]


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html>",
        b"%PDF-1.7",
        b"#EXTM3U\n",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"BM is how this text begins, and no more than that",
        b"GET / HTTP/1.1",
        b"\x47" + bytes(100),
        ftyp(b"M4A ", b"mp42"),
        ebml(b"other"),
        b"ID3\x04",
        b"\x7fELF",
        b"PK\x03\x04",
    ],
)
def test_anything_else_is_nothing(head: bytes) -> None:
    assert sniff(head) is None


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\0\0\0\x20ftyp", b"RIFF", b"\x1a\x45\xdf\xa3\x42\x82", b"\x47", b"BM"]),
)
def test_no_bytes_break_it_and_what_follows_the_head_is_not_looked_at(tail: bytes, start: bytes) -> None:
    head = (start + tail).ljust(HEAD, b"\0")
    assert sniff(head) == sniff(head + b"anything")
    sniff(start + tail)


@pytest.mark.skipif("CORPUS_DIR" not in os.environ, reason="CORPUS_DIR is not set")
def test_every_real_file_is_known_by_its_extension_as_well() -> None:
    files = [path for path in Path(os.environ["CORPUS_DIR"]).iterdir() if path.suffix not in {".md", ".json"}]
    assert files
    for path in files:
        with path.open("rb") as file:
            found = sniff(file.read(HEAD))
        assert found is not None, path
        assert path.suffix in found.extensions, path

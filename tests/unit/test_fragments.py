import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import video
from tests.footage import write
from workers.fragments import FragmentError, Samples, header, samples


def box(kind: bytes, *contents: bytes) -> bytes:
    payload = b"".join(contents)
    return (8 + len(payload)).to_bytes(4) + kind + payload


def fragment(start: int, durations: list[int]) -> bytes:
    tfhd = box(b"tfhd", (0x020000).to_bytes(4), (1).to_bytes(4))
    tfdt = box(b"tfdt", b"\1\0\0\0", start.to_bytes(8))
    trun = box(b"trun", (0x101).to_bytes(4), len(durations).to_bytes(4), bytes(4), *(d.to_bytes(4) for d in durations))
    return box(b"moof", box(b"traf", tfhd, tfdt, trun)) + box(b"mdat", b"frames")


def test_a_segment_tells_its_start_and_its_samples() -> None:
    assert samples(box(b"styp") + fragment(500, [10, 20]) + fragment(530, [5])) == Samples(500, 35, 3)


def test_a_segment_without_fragments_is_empty() -> None:
    assert samples(box(b"styp")) == Samples(0, 0, 0)


@pytest.mark.parametrize("second", [529, 531])
def test_fragments_that_do_not_follow_one_another_are_refused(second: int) -> None:
    with pytest.raises(FragmentError, match="overlap or leave a gap"):
        samples(fragment(500, [10, 20]) + fragment(second, [5]))


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_what_ffmpeg_writes_is_read_right(tmp_path: Path, kind: str) -> None:
    plain = video(tmp_path / "film.mp4", seconds=1.0)
    stream, coding = ("0:v", ("-c:v", "libx264")) if kind == "video" else ("0:a", ("-c:a", "aac", "-ar", "48000"))
    movie = write(
        tmp_path / "fragmented.mp4", "-i", str(plain), "-map", stream, *coding, "-movflags", "+cmaf+frag_keyframe"
    )
    data = movie.read_bytes()
    head = header(data)
    found = samples(data)
    if kind == "video":
        assert head.codec.startswith("avc1.64")
        assert (found.count, found.duration) == (30, head.timescale)
    else:
        assert (head.codec, head.timescale) == ("mp4a.40.2", 48_000)
        assert found.duration == pytest.approx(48_000, abs=2048)


def test_a_header_of_nothing_known_is_refused() -> None:
    with pytest.raises(FragmentError, match="no mdhd box"):
        header(box(b"moov"))


@given(st.binary(max_size=300))
def test_garbage_is_refused_or_empty_and_never_crashes(data: bytes) -> None:
    for start in (b"", box(b"moov")[:4] + b"moof"):
        try:
            assert samples(start + data).count >= 0
            header(start + data)
        except FragmentError:
            pass


@given(st.integers(0, 120))
def test_a_segment_cut_anywhere_is_refused_or_shorter(end: int) -> None:
    data = fragment(500, [10, 20])
    with contextlib.suppress(FragmentError):
        assert samples(data[:end]).count in (0, 2)

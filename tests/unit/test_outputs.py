import io
from dataclasses import replace

from rich.console import Console

from ops.outputs import dimensions, ordered, print_table, size
from pipeline.media import Media, Output, Status
from tests.world import new_media

KEY = "renditions/p/media_1/a-rather-long-name-so-that-no-terminal-of-eighty-columns-has-room-for-it"


def media(**renditions: Output) -> Media:
    urls = {name: f"http://127.0.0.1:8333/media/{KEY}/{name}" for name in renditions}
    base = replace(new_media(), original_name="[red]film.mp4", mime_type="video/mp4", file_type="video")
    return replace(base, status=Status.READY, renditions=renditions, urls=urls)


def still(width: int) -> Output:
    return Output(key=KEY, mime_type="image/jpeg", bytes=1500, etag="e", width=width, height=width // 2)


FILM = Output(key=KEY, mime_type="video/mp4", bytes=3_400_000, etag="e", width=1280, height=720, duration=10.0)
PLAYLIST = Output(key=KEY, mime_type="application/vnd.apple.mpegurl", bytes=758, etag="e", width=1280, height=720)


def test_pictures_come_first_and_small_ones_first() -> None:
    names = [name for name, _ in ordered(media(hls=PLAYLIST, mp4=FILM, large=still(2048), thumbnail=still(300)))]
    assert names == ["thumbnail", "large", "mp4", "hls"]


def test_a_url_stands_in_one_piece_on_any_terminal_and_markup_is_text() -> None:
    file = io.StringIO()
    print_table(Console(file=file, width=80), media(mp4=FILM))
    title, _, row, *_ = file.getvalue().splitlines()
    assert title == "[red]film.mp4: ready"
    assert row == f"mp4     video/mp4  1280x720, 10.0 s  3.4 MB  http://127.0.0.1:8333/media/{KEY}/mp4"


def test_numbers_are_for_people() -> None:
    assert [size(count) for count in (0, 999, 1000, 1_250_000)] == ["0 B", "999 B", "1.0 kB", "1.2 MB"]
    assert dimensions(None, None, None) == ""
    assert dimensions(640, 480, None) == "640x480"

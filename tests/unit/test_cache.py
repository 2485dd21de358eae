"""The cache of a machine: made once, bounded, whole or not there, and never taken from who uses it."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from workers.cache import DiskCache, ForeignFolderError

FILM = b"film" * 25


def opened(folder: Path, most: int = 1000, idle: float = 60.0) -> DiskCache:
    return DiskCache.open(folder / "films", most, idle)


def writing(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def refusing(_: Path) -> None:
    raise AssertionError("made again")


def pause() -> None:
    time.sleep(0.01)


def kept(cache: DiskCache) -> int:
    """Bytes of all that is there, in the making or not."""
    return sum(path.stat().st_size for path in cache.folder.iterdir() if path.suffix != ".lock")


def test_what_was_made_once_is_linked_from_then_on(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    cache.link("a", 100, tmp_path / "1", writing(FILM), pause)
    opened(tmp_path).link("a", 100, tmp_path / "2", refusing, pause)
    assert (tmp_path / "1").samefile(tmp_path / "2")
    assert (tmp_path / "2").read_bytes() == FILM


def test_another_name_is_another_file(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    cache.link("key etag1", 100, tmp_path / "1", writing(FILM), pause)
    cache.link("key etag2", 100, tmp_path / "2", writing(b"replaced"), pause)
    assert (tmp_path / "2").read_bytes() == b"replaced"


def test_many_at_once_make_it_once_and_all_see_it_whole(tmp_path: Path) -> None:
    made: list[Path] = []

    def slowly(path: Path) -> None:
        made.append(path)
        with path.open("wb") as file:
            for byte in FILM:
                file.write(bytes([byte]))
                file.flush()
                time.sleep(0.001)

    def take(number: int) -> bytes:
        opened(tmp_path).link("a", 100, tmp_path / str(number), slowly, pause)
        return (tmp_path / str(number)).read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(take, range(8))) == {FILM}
    assert len(made) == 1


def test_the_longest_unused_goes_when_room_is_needed(tmp_path: Path) -> None:
    cache = opened(tmp_path, most=250)
    for age, name in ((30, "old"), (10, "new")):
        link = tmp_path / name
        cache.link(name, 100, link, writing(FILM), pause)
        os.utime(link, (time.time() - age,) * 2)
        link.unlink()
    cache.link("third", 100, tmp_path / "third", writing(FILM), pause)
    assert kept(cache) == 200
    cache.link("new", 100, tmp_path / "again", refusing, pause)
    assert (tmp_path / "again").read_bytes() == FILM


def test_what_is_in_use_stays_and_what_finds_no_room_is_not_kept(tmp_path: Path) -> None:
    cache = opened(tmp_path, most=150)
    cache.link("a", 100, tmp_path / "in use", writing(FILM), pause)
    cache.link("b", 100, tmp_path / "b", writing(b"b" * 100), pause)
    assert (tmp_path / "b").read_bytes() == b"b" * 100
    assert (tmp_path / "b").stat().st_nlink == 1
    assert kept(cache) == 100
    cache.link("a", 100, tmp_path / "more", refusing, pause)


def test_room_is_taken_before_it_is_filled(tmp_path: Path) -> None:
    cache = opened(tmp_path, most=150)

    def meanwhile(path: Path) -> None:
        cache.link("b", 100, tmp_path / "b", writing(b"b" * 100), pause)
        path.write_bytes(FILM)

    cache.link("a", 100, tmp_path / "a", meanwhile, pause)
    assert (tmp_path / "b").stat().st_nlink == 1
    assert kept(cache) == 100


def test_a_failure_goes_through_and_leaves_nothing(tmp_path: Path) -> None:
    cache = opened(tmp_path)

    def failing(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        cache.link("a", 100, tmp_path / "a", failing, pause)
    assert kept(cache) == 0
    assert not (tmp_path / "a").exists()
    cache.link("a", 100, tmp_path / "a", writing(FILM), pause)


def test_what_nobody_asks_for_is_deleted_but_not_what_is_in_use(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    for name in ("a", "b"):
        link = tmp_path / name
        cache.link(name, 100, link, writing(FILM), pause)
        os.utime(link, (time.time() - 100,) * 2)
    (tmp_path / "b").unlink()
    cache.expire()
    cache.link("a", 100, tmp_path / "more", refusing, pause)
    assert kept(cache) == 100


def test_who_waits_for_another_may_give_up(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    begun, over = threading.Event(), threading.Event()

    def endlessly(path: Path) -> None:
        begun.set()
        assert over.wait(30)
        path.write_bytes(FILM)

    def give_up() -> None:
        raise InterruptedError

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.link, "a", 100, tmp_path / "1", endlessly, pause)
        assert begun.wait(30)
        with pytest.raises(InterruptedError):
            opened(tmp_path).link("a", 100, tmp_path / "2", refusing, give_up)
        over.set()
        first.result()
    assert (tmp_path / "1").read_bytes() == FILM


def _die(folder: Path, ready: Path) -> None:
    def stuck(path: Path) -> None:
        path.write_bytes(b"half")
        ready.touch()
        signal.pause()

    opened(folder).link("a", 100, folder / "dead", stuck, pause)


def test_what_a_killed_process_left_is_no_hindrance_and_is_cleared_away(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    process = get_context("spawn").Process(target=_die, args=(tmp_path, ready))
    process.start()
    while not ready.exists():
        assert process.is_alive()
        pause()
    cache = opened(tmp_path, most=150)
    assert kept(cache) == 104
    cache.expire()
    assert kept(cache) == 104  # it lives
    process.kill()
    process.join()
    cache.link("b", 100, tmp_path / "b", writing(FILM), pause)
    assert (tmp_path / "b").stat().st_nlink == 2
    assert kept(cache) == 100


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films").chmod(0o777)
    with pytest.raises(ForeignFolderError, match="SCRATCH_DIR"):
        opened(tmp_path)

"""Memory for what is decoded at the same time: who gets it, in which order, and what becomes of what never fits."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.errors import LeaseLostError, UnavailableError
from pipeline.limits import Rejected
from pipeline.probes import Probe
from tests import builders
from tests.unit.test_inspection import LIMITS
from workers import decoding
from workers.confined import memory
from workers.endings import ExhaustedError
from workers.inspection import inspect
from workers.pool import Pool
from workers.processes import Children
from workers.room import Room

MB = 2**20


class GaveUpError(Exception):
    pass


def impatient() -> None:
    raise GaveUpError


def patient() -> None:
    pass


def test_what_is_taken_is_not_given_twice_and_comes_back() -> None:
    room = Room(10)
    with room.taken(4, patient), room.taken(6, patient), pytest.raises(GaveUpError), room.taken(1, impatient):
        pass
    with room.taken(10, impatient):
        pass


def test_more_than_there_is_takes_all() -> None:
    room = Room(10)
    with room.taken(99, impatient), pytest.raises(GaveUpError), room.taken(1, impatient):
        pass


def test_a_large_one_is_not_overtaken() -> None:
    room, order = Room(10), []
    waiting = threading.Semaphore(0)

    def take(name: str, amount: int) -> None:
        with room.taken(amount, waiting.release):
            order.append(name)

    with ThreadPoolExecutor(2) as threads:
        with room.taken(6, patient):
            large = threads.submit(take, "large", 8)
            waiting.acquire()
            small = threads.submit(take, "small", 3)
            waiting.acquire()
        large.result(20)
        small.result(20)
    assert order == ["large", "small"]


def test_who_gives_up_stands_in_nobodys_way() -> None:
    room = Room(10)
    with room.taken(6, patient):
        with pytest.raises(GaveUpError), room.taken(8, impatient):
            pass
        with room.taken(4, impatient):
            pass


def test_many_together_never_take_more_than_there_is() -> None:
    room, lock = Room(10), threading.Lock()
    taken, most = 0, 0

    def take(amount: int) -> None:
        nonlocal taken, most
        with room.taken(amount, patient):
            with lock:
                taken += amount
                most = max(most, taken)
            with lock:
                taken -= amount

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(take, [1, 7, 3, 9, 2, 10, 4] * 20))
    assert 0 < most <= 10


def children(most: int, *, elsewhere: bool = False) -> Children:
    return Children(elsewhere=elsewhere, pool=Pool(Room(most)))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that takes more than a child is given at first, and its compressed self less than 1 MB."""
    picture = Image.new("RGB", (9000, 8000), (10, 200, 30))
    return builders.photo(tmp_path_factory.mktemp("large") / "photo.png", picture=picture)


def test_a_large_picture_gets_what_it_needs(large: Path) -> None:
    probe = inspect(large, children(512 * MB), LIMITS)
    assert isinstance(probe, Probe)
    assert (probe.width, probe.height) == (9000, 8000)


def test_one_that_never_fits_is_refused(large: Path) -> None:
    verdict = inspect(large, children(300 * MB), LIMITS)
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "inspection_exhausted"


def test_one_that_fits_elsewhere_goes_there(large: Path) -> None:
    with pytest.raises(ExhaustedError):
        inspect(large, children(300 * MB, elsewhere=True), LIMITS)
    assert isinstance(inspect(large, replace(children(300 * MB), memory=512 * MB), LIMITS), Probe)


def test_a_stopped_task_does_not_go_on_waiting(tmp_path: Path) -> None:
    waiting = children(100 * MB)
    with waiting.pool.room.taken(100 * MB, patient), ThreadPoolExecutor(1) as threads:
        asked = threads.submit(inspect, builders.photo(tmp_path / "photo.jpg"), waiting, LIMITS)
        waiting.stop(LeaseLostError())
        with pytest.raises(LeaseLostError):
            asked.result(20)


def test_waiting_has_an_end_that_costs_no_attempt(tmp_path: Path) -> None:
    waiting = children(100 * MB)
    with waiting.pool.room.taken(1, patient), pytest.raises(UnavailableError):
        decoding.ask("inspect", {}, tmp_path, waiting, wall=0.1)


@pytest.mark.parametrize(
    ("name", "options", "least"),
    [
        ("photo.jpg", {}, 0),
        ("photo.jpg", {"progressive": True}, 3),  # all coefficients, 4:2:0
        ("photo.jpg", {"progressive": True, "subsampling": 0}, 6),
        ("photo.png", {}, 4),
        ("photo.webp", {}, 16),
        ("photo.avif", {}, 9),
    ],
)
def test_what_looking_needs_is_known_before_it_is_decoded(
    name: str, options: dict[str, Any], least: float, tmp_path: Path
) -> None:
    """In bytes for each pixel; the shipped room takes 100 MP of any kind."""
    with Image.open(builders.photo(tmp_path / name, (400, 300), **options)) as image:
        image.draft(None, (1, 1))
        spare = memory.needed(Image.new("L", (1, 1)), to_look=True)
        for_each = (memory.needed(image, to_look=True) - spare) / (400 * 300)
    assert least <= for_each * 1.01
    assert for_each * LIMITS.pixels + spare <= Pool().room.most

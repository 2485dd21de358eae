"""The transfer of one upload, against a store that tests can slow down, break and make forgetful."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.budget import Budget
from ingest.pace import Pace
from ingest.streaming import IN_FLIGHT, Storage, Transfer, part_size
from pipeline.adapters.checksums import crc64
from pipeline.errors import AlreadyStoredError, LeaseLostError, TransientError, UnavailableError
from pipeline.events import Stored
from pipeline.ports import Found, Label, Part

PART = 100
LABEL = Label("image/png")


@dataclass
class Shelf:
    """Objects in memory, as far as a transfer asks for them; `hook` is told each call before it acts."""

    hook: Callable[[str], None] = lambda _name: None
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[int, bytes] = field(default_factory=dict)
    open: bool = False
    most: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, key: str, body: memoryview, _label: Label) -> str:
        self.hook("put")
        if key in self.objects:
            raise AlreadyStoredError(key)
        self.objects[key] = bytes(body)
        return '"put"'

    def begin(self, _key: str, _label: Label) -> str:
        self.hook("begin")
        self.open = True
        return "u1"

    def put_part(self, _key: str, _upload_id: str, number: int, body: memoryview) -> Part:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            self.hook("put_part")
            self.parts[number] = bytes(body)
            return Part(number, f'"{number}"', len(body), crc64(body))
        finally:
            with self._lock:
                self._now -= 1

    def complete(self, key: str, _upload_id: str, parts: Iterable[Part]) -> str:
        self.hook("complete")
        if not self.open:
            raise AlreadyStoredError(key)
        self.objects[key] = b"".join(self.parts[part.number] for part in parts)
        self.open = False
        return '"complete"'

    def abort(self, _key: str, _upload_id: str) -> None:
        self.hook("abort")
        self.open = False

    def head(self, key: str) -> Found | None:
        return Found(len(self.objects[key]), '"head"', "image/png") if key in self.objects else None


async def transferred(
    shelf: Shelf, content: bytes, pieces: int = 37, budget: Budget | None = None, key: str = "k", *, held: bool = True
) -> Stored:
    """Move the content, in pieces of that size; whatever goes wrong is taken back as the intake does."""
    budget = budget or Budget(6 * PART)

    async def allowed() -> None:
        if not held:
            raise LeaseLostError

    with ThreadPoolExecutor(8) as threads:
        async with budget.admitted(PART):
            storage = Storage(shelf, threads, budget, Pace(8))  # type: ignore[arg-type]
            transfer = Transfer(storage, (key, LABEL), PART, PART, allowed)
            try:
                for at in range(0, len(content), pieces):
                    await transfer.write(memoryview(content)[at : at + pieces])
                assert transfer.size == len(content)
                return await transfer.finish()
            except BaseException:
                await transfer.abandon()
                raise


def move(shelf: Shelf, content: bytes, **how: Any) -> Stored:  # noqa: ANN401 - arguments of `transferred`
    return asyncio.run(asyncio.wait_for(transferred(shelf, content, **how), 20))


def failing(name: str, error: Exception, after: int = 0) -> Callable[[str], None]:
    """A hook that fails such calls, but for the first few."""
    calls = iter(range(1000))

    def hook(called: str) -> None:
        if called == name and next(calls) >= after:
            raise error

    return hook


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 12 * PART), st.integers(1, 3 * PART), st.integers(0, 8), st.randoms())
def test_content_arrives_whole_in_bounded_room(size: int, pieces: int, spare: int, random: Random) -> None:
    content, budget = random.randbytes(size), Budget(PART * (1 + spare))
    shelf = Shelf()
    stored = asyncio.run(asyncio.wait_for(transferred(shelf, content, pieces, budget), 20))
    assert shelf.objects == {"k": content}
    assert stored.size == size
    assert stored.checksum is not None
    assert stored.checksum == f"crc64nvme:{crc64(content)}"
    assert shelf.most <= min(IN_FLIGHT, 1 + spare)
    assert all(len(part) == PART for number, part in shelf.parts.items() if number < len(shelf.parts))
    assert bool(shelf.parts) == (size > PART)
    assert budget.free == PART * (1 + spare)


def test_parts_fly_together_but_no_more_than_allowed() -> None:
    together = threading.Barrier(IN_FLIGHT)

    def hook(name: str) -> None:
        if name == "put_part":
            together.wait(10)

    shelf = Shelf(hook)
    move(shelf, bytes(2 * IN_FLIGHT * PART))
    assert shelf.most == IN_FLIGHT


def test_many_uploads_share_a_little_room_and_all_end() -> None:
    async def scenario() -> None:
        budget, shelf = Budget(3 * PART), Shelf()
        shelves = [Shelf() for _ in range(30)]
        await asyncio.gather(*(transferred(each, bytes(7 * PART), 64, budget) for each in shelves))
        assert all(each.objects == {"k": bytes(7 * PART)} for each in shelves)
        assert budget.free == 3 * PART
        assert not shelf.objects

    asyncio.run(asyncio.wait_for(scenario(), 60))


@pytest.mark.parametrize(
    ("name", "size"), [("put", 10), ("begin", 5 * PART), ("put_part", 5 * PART), ("complete", 5 * PART)]
)
def test_a_failure_is_told_and_the_parts_forgotten(name: str, size: int) -> None:
    for after in range(3 if name == "put_part" else 1):
        shelf = Shelf(hook=failing(name, UnavailableError("s3"), after))
        budget = Budget(6 * PART)
        with pytest.raises(UnavailableError):
            move(shelf, bytes(size), budget=budget)
        assert shelf.objects == {}
        assert not shelf.open
        assert budget.free == 6 * PART


def test_an_abort_that_fails_hides_nothing() -> None:
    broken = failing("put_part", UnavailableError("first"))

    def hook(name: str) -> None:
        broken(name)
        if name == "abort":
            raise UnavailableError("second")

    with pytest.raises(UnavailableError, match="first"):
        move(Shelf(hook=hook), bytes(5 * PART))


@pytest.mark.parametrize("size", [10, 5 * PART])
def test_an_object_that_is_there_already_is_ours_if_it_is_whole(size: int) -> None:
    """S3 did it, and its answer was lost: the second try is told that the key is taken."""
    shelf = Shelf()

    def hook(name: str) -> None:
        if name in {"put", "complete"}:
            shelf.objects["k"] = bytes(size)
            shelf.open = False

    shelf.hook = hook
    assert move(shelf, bytes(size)).etag == '"head"'
    shelf.hook = lambda name: shelf.objects.update(k=b"other") if name in {"put", "complete"} else None
    shelf.open = False
    with pytest.raises(TransientError):
        move(shelf, bytes(10))


def test_nothing_is_written_without_the_lease() -> None:
    for size in (10, 5 * PART):
        shelf = Shelf(hook=pytest.fail)
        with pytest.raises(LeaseLostError):
            move(shelf, bytes(size), held=False)


def test_a_cancelled_upload_waits_for_its_calls_and_forgets_the_parts() -> None:
    reached, release = threading.Event(), threading.Event()
    shelf = Shelf()

    def hook(name: str) -> None:
        if name == "begin":
            reached.set()
            release.wait(10)

    shelf.hook = hook

    async def scenario() -> None:
        upload = asyncio.create_task(transferred(shelf, bytes(5 * PART)))
        await asyncio.to_thread(reached.wait, 10)
        upload.cancel()
        asyncio.get_running_loop().call_later(0.05, release.set)
        with pytest.raises(asyncio.CancelledError):
            await upload
        assert not shelf.open
        assert shelf.parts == {}

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_parts_are_as_small_as_s3_takes_them_unless_there_would_be_too_many() -> None:
    mib = 1024 * 1024
    assert [part_size(most) for most in (0, 5 * mib, 50_000 * mib)] == [5 * mib] * 3
    for most in (50_000 * mib + 1, 10**12, 5 * 10**12):
        part = part_size(most)
        assert part % mib == 0
        assert -(-most // part) <= 10_000
        assert (part - mib) * 10_000 < most

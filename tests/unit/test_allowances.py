"""Allowances: together over Redis, each for itself while that is away, and never in an upload's way."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from ingest import allowances
from ingest.allowances import Allowances
from ingest.callers import Caller, Right
from ingest.problems import ProblemError, reply
from ops import ports
from pipeline.adapters.quotas import Rates, SharedBytes
from tests.backends import Starter  # noqa: F401 - the fixtures' types

LIMIT = 2**40


def caller(name: str = "key:1", **bounds: object) -> Caller:
    return Caller(id=name, rights=frozenset(Right), **bounds)  # type: ignore[arg-type]


def away() -> Allowances:
    return over(f"redis://127.0.0.1:{next(ports.free())}")


def over(url: str, rate: tuple[int, int] = (3, 60), most: int = 100) -> Allowances:
    return Allowances(Rates(url), SharedBytes(url), rate, most, LIMIT)


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


async def refused(asked: Awaitable[None]) -> ProblemError:
    with pytest.raises(ProblemError) as refusal:
        await asked
    return refusal.value


async def enter(one: Allowances, who: Caller, size: int) -> None:
    async with one.room(who, size):
        pass


def test_each_caller_has_so_many_requests() -> None:
    async def work() -> None:
        one = away()
        for _ in range(3):
            await one.count(caller())
        problem = await refused(one.count(caller()))
        assert (problem.code, problem.status) == ("rate_exceeded", 429)
        assert 1 <= int(reply(problem).headers["retry-after"]) <= 60
        await one.count(caller("key:2"))
        for _ in range(5):
            await one.count(caller("key:3", rate="5/m"))
        await refused(one.count(caller("key:3", rate="5/m")))

    run(work)


def test_each_caller_has_so_many_bytes_at_once() -> None:
    async def work() -> None:
        one = away()
        async with one.room(caller(), 60):
            await enter(one, caller(), 40)
            assert (await refused(enter(one, caller(), 41))).code == "bytes_at_once_exceeded"
            await enter(one, caller("key:2"), 41)
            await enter(one, caller(bytes_at_once=200), 100)
        await enter(one, caller(), 1000)  # larger than all it may have: alone

    run(work)


def test_a_redis_that_is_away_is_asked_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        one, begun = away(), time.monotonic()
        for number in range(200):
            await one.count(caller(f"key:{number}"))
            await enter(one, caller(f"key:{number}"), 10)
        assert one._away_until > begun  # noqa: SLF001 - that is what is tested

    monkeypatch.setattr(allowances, "REST", 3600.0)
    run(work)


@pytest.mark.usefixtures("redis_url")
class TestTogether:
    """Two processes, one Redis."""

    def test_requests_are_counted_together(self, redis_url: str) -> None:
        async def work() -> None:
            one, two, who = over(redis_url), over(redis_url), caller("key:together")
            await one.count(who)
            await two.count(who)
            await one.count(who)
            assert (await refused(two.count(who))).code == "rate_exceeded"

        run(work)

    def test_bytes_are_counted_together(self, redis_url: str) -> None:
        async def work() -> None:
            one, two, who = over(redis_url), over(redis_url), caller("key:bytes")
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(one.room(who, 60))
                assert (await refused(enter(two, who, 41))).code == "bytes_at_once_exceeded"
                await enter(two, who, 40)
            await enter(two, who, 100)

        run(work)

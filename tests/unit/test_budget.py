"""Room for parts: who gets it, in which order, and that none is lost."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ingest.budget import Budget
from ingest.problems import ProblemError


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 10))


async def pause() -> None:
    """Let everything that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_newcomers_are_let_in_in_their_order_and_before_anybody_gets_more() -> None:
    async def scenario() -> None:
        budget, entered = Budget(10), []
        leave = {name: asyncio.Event() for name in "abc"}

        async def upload(name: str, size: int) -> None:
            async with budget.admitted(size):
                entered.append(name)
                await leave[name].wait()

        tasks = [asyncio.create_task(upload(name, size)) for name, size in (("a", 6), ("b", 5), ("c", 1))]
        await pause()
        assert entered == ["a"]  # c would fit, but b was first
        assert not budget.spare(1)
        leave["a"].set()
        await pause()
        assert entered == ["a", "b", "c"]
        assert budget.spare(4)
        assert not budget.spare(1)
        budget.give(4)
        leave["b"].set()
        leave["c"].set()
        await asyncio.gather(*tasks)
        assert budget.free == 10

    run(scenario)


def test_who_waited_too_long_is_told_to_come_again_and_costs_nobody_their_turn() -> None:
    async def scenario() -> None:
        budget = Budget(10)
        async with budget.admitted(6):
            with pytest.raises(ProblemError) as refused:
                async with budget.admitted(5, patience=0.01):
                    pass
            assert (refused.value.code, refused.value.status) == ("busy", 503)
            async with budget.admitted(4):
                assert budget.free == 0
        assert budget.free == 10

    run(scenario)


def test_whoever_stands_behind_a_leaver_comes_in_if_it_fits() -> None:
    async def scenario() -> None:
        budget = Budget(10)
        async with budget.admitted(6):
            large = asyncio.create_task(budget.admitted(5).__aenter__())
            await pause()
            admission = budget.admitted(2)
            small = asyncio.create_task(admission.__aenter__())
            await pause()
            assert not small.done()
            large.cancel()
            await pause()
            assert small.done()
        assert budget.free == 8

    run(scenario)


def test_an_admission_that_comes_as_its_owner_leaves_is_given_back() -> None:
    async def scenario() -> None:
        budget = Budget(10)
        assert budget.spare(10)
        waiting = asyncio.create_task(budget.admitted(5).__aenter__())
        await pause()
        budget.give(10)
        waiting.cancel()
        await pause()
        assert waiting.cancelled()
        assert budget.free == 10

    run(scenario)

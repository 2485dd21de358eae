"""Who listens on Redis for others stops by itself."""

import asyncio

from pipeline.adapters.bells import Bells
from pipeline.adapters.feed import Feed


def test_nobody_listens_longer_than_is_wanted(redis_url: str) -> None:
    wanted = iter([True, False])

    async def heard() -> list[object]:
        rung: list[object] = [each async for each in Bells(redis_url).heard(lambda: next(wanted))]
        return [*rung, *[news async for news in Feed(redis_url).follow(set)]]

    assert asyncio.run(heard()) == []

"""Watches: bounded, put together while nobody takes them, and listened for only while there are any."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from ingest import events, watching
from ingest.problems import ProblemError
from ingest.watching import Watch, Watches
from pipeline.adapters.feed import Feed, News
from pipeline.progress import Report


@dataclass
class Lines:
    """A feed of what the test puts in; None breaks the line."""

    news: asyncio.Queue[News | None] = field(default_factory=asyncio.Queue)
    begun: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, wanted: Callable[[], set[str]]) -> AsyncIterator[News]:
        self.begun += 1
        try:
            yield News(next(iter(wanted())), None)
            while (news := await self.news.get()) is not None:
                yield news
            raise ConnectionError("redis: gone")
        finally:
            self.ended.set()


def test_news_of_others_are_not_heard_and_several_are_one() -> None:
    async def run() -> None:
        watch = Watch("p1", "m1")
        watch.hear(News("p1", "m2"))
        assert await watch.news(0.01) == (set(), {})
        for news in (News("p1", "m1"), *(News("p1", "m1", {"audio": Report(part)}) for part in (0.1, 0.2))):
            watch.hear(news)
        assert await watch.news(1) == ({"m1"}, {"m1": {"audio": Report(0.2)}})
        assert await watch.news(0.01) == (set(), {})

    asyncio.run(run())


def test_a_client_that_takes_nothing_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_MOST_NEWS", 10)

    async def run() -> None:
        watch = Watch("p1", None)
        for number in range(1000):
            watch.hear(News("p1", f"m{number}"))
        assert (await watch.news(1))[0] is None

    asyncio.run(run())


def test_one_line_serves_all_and_ends_with_the_last() -> None:
    async def run() -> None:
        lines = Lines()
        watches = Watches(cast("Feed", lines))
        with watches.watch("p1", "m1") as one, watches.watch("p1") as two:
            assert (await one.news(5))[0] is None  # listened to from now on: look again
            assert (await two.news(5))[0] is None
            assert watches.live
            assert watches.patience == watching.CALM
            lines.news.put_nowait(News("p1", "m1"))
            assert await one.news(5) == ({"m1"}, {})
            assert await two.news(5) == ({"m1"}, {})
        async with asyncio.timeout(5):
            await lines.ended.wait()
        assert lines.begun == 1
        assert not watches.live

    asyncio.run(run())


def test_a_broken_line_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_AGAIN", 0.01)

    async def run() -> None:
        lines = Lines()
        watches = Watches(cast("Feed", lines))
        with watches.watch("p1") as watch:
            await watch.news(5)
            lines.news.put_nowait(None)
            assert (await watch.news(5))[0] is None
            assert lines.begun == 2

    asyncio.run(run())


def test_only_so_many_may_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST", 1)

    async def run() -> None:
        watches = Watches(cast("Feed", Lines()))
        watches.admit()
        with watches.watch("p1"), pytest.raises(ProblemError, match="too_many_followers"):
            watches.admit()
        watches.admit()

    asyncio.run(run())


def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PING", 0.01)

    async def told(go_on: asyncio.Event) -> AsyncIterator[str]:
        yield "one"
        await go_on.wait()
        yield "two"

    async def run() -> None:
        go_on = asyncio.Event()
        heard = []
        async for event in events.with_pings(told(go_on)):
            heard.append(event)
            if heard.count(": ping\n\n") == 2:
                go_on.set()
        assert heard[0] == "one"
        assert heard[-1] == "two"
        assert set(heard[1:-1]) == {": ping\n\n"}

    asyncio.run(run())

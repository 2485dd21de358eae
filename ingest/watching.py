"""Who waits for news of which project, and the one listener that wakes them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import structlog

from ingest.problems import ProblemError
from pipeline.adapters.feed import Feed, News
from pipeline.progress import Report

log = structlog.get_logger()

MOST = 500
"""Clients that one process lets follow at once."""
CALM, SLOW = 15.0, 3.0
"""Seconds between two looks at the records without any news: while Redis brings them, and while it is away."""
_AGAIN = 1.0
_MOST_NEWS = 1000


@dataclass(eq=False)
class Watch:
    """One client's. News are put together until it takes them: a slow client gets fewer of them, not a queue."""

    project_id: str
    media_id: str | None
    _changed: set[str] = field(default_factory=set)
    _reported: dict[str, dict[str, Report]] = field(default_factory=dict)
    _all: bool = False
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, news: News) -> None:
        """Keep what concerns this client."""
        if news.media_id is None or len(self._changed) + len(self._reported) > _MOST_NEWS:
            self._all = True
        elif self.media_id in {None, news.media_id}:
            if news.reports:
                self._reported.setdefault(news.media_id, {}).update(news.reports)
            else:
                self._changed.add(news.media_id)
        else:
            return
        self._woken.set()

    async def news(self, patience: float) -> tuple[set[str] | None, dict[str, dict[str, Report]]]:
        """Which media changed, None for perhaps any, and what was reported of them; after some seconds, nothing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._woken.wait()
        self._woken.clear()
        taken = (None if self._all else self._changed, self._reported)
        self._all, self._changed, self._reported = False, set(), {}
        return taken


@dataclass
class Watches:
    """All of one process. The listener runs while anybody watches."""

    feed: Feed
    live: bool = False
    _open: set[Watch] = field(default_factory=set)
    _listening: asyncio.Task[None] | None = None

    @property
    def patience(self) -> float:
        """Seconds without news after which a watch looks by itself."""
        return CALM if self.live else SLOW

    def admit(self) -> None:
        """Return if one more may watch; raises `ProblemError`."""
        if len(self._open) >= MOST:
            raise ProblemError("too_many_followers")

    @contextmanager
    def watch(self, project_id: str, media_id: str | None = None) -> Iterator[Watch]:
        """Watch a project, or one media of it."""
        watch = Watch(project_id, media_id)
        self._open.add(watch)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
        try:
            yield watch
        finally:
            self._open.discard(watch)
            if not self._open and self._listening is not None:
                self._listening.cancel()
                self._listening, self.live = None, False

    async def _listen(self) -> None:
        while self._open:
            try:
                async for news in self.feed.follow(lambda: {watch.project_id for watch in self._open}):
                    self.live = True
                    for watch in self._open:
                        if watch.project_id == news.project_id:
                            watch.hear(news)
            except ConnectionError as error:
                if self.live:
                    log.warning("news_not_heard", error=str(error))
            self.live = False
            await asyncio.sleep(_AGAIN)

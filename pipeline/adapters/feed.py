"""What others publish about the media of some projects, as it comes: one connection to Redis, whoever listens."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from redis import RedisError
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from pipeline.adapters.broker import CHANGES, report_of
from pipeline.progress import Report

_TIMEOUT = 2.0
_LOOK = 0.2
"""Seconds after which a project that was added is listened to, at most."""


class News(NamedTuple):
    """A media's record has changed, or its tasks have reported, by their keys; without a media anything may have."""

    project_id: str
    media_id: str | None
    reports: Mapping[str, Report] = MappingProxyType({})


@dataclass(frozen=True)
class Feed:
    """`url` is that of Redis. Nothing is ever lost by it that a look at the record would not tell."""

    url: str

    async def follow(self, wanted: Callable[[], set[str]]) -> AsyncIterator[News]:
        """News of the projects that `wanted` names now, the first of each saying that it is listened to.

        Ends when it names none. Raises `ConnectionError` when Redis is away.
        """
        client: Redis = Redis.from_url(
            self.url, socket_connect_timeout=_TIMEOUT, socket_timeout=_TIMEOUT, decode_responses=True
        )
        try:
            async with client.pubsub() as line:
                await line.subscribe(CHANGES)  # nobody publishes there: a line must have a channel
                heard: set[str] = set()
                while projects := wanted():  # never for ever: the Redis client was seen to swallow a cancellation
                    heard = await _adjusted(line, heard, projects)
                    news = _news(await line.get_message(timeout=_LOOK))
                    if news is not None:
                        yield news
        except (RedisError, OSError) as error:
            raise ConnectionError(f"redis: {error}") from error
        finally:
            await asyncio.shield(client.aclose())


async def _adjusted(line: PubSub, heard: set[str], wanted: set[str]) -> set[str]:
    if new := wanted - heard:
        await line.subscribe(*(CHANGES + project_id for project_id in new))
    if old := heard - wanted:
        await line.unsubscribe(*(CHANGES + project_id for project_id in old))
    return wanted


def _news(message: dict[str, str] | None) -> News | None:
    project_id = "" if message is None else (message["channel"] or "").removeprefix(CHANGES)
    if message is None or not project_id:
        return None
    if message["type"] == "subscribe":
        return News(project_id, None)
    if message["type"] != "message":
        return None
    media_id, *reported = json.loads(message["data"])
    return News(project_id, media_id, {key: report_of(told) for each in reported for key, told in each.items()})

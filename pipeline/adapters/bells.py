"""A bell between ingest processes: a request tells whoever holds its upload that it is waiting. Redis carries it.

Nothing depends on it: the row says the same, and its holder looks there at every renewal.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass

from redis import RedisError
from redis.asyncio import Redis

CHANNEL = "darkroom:wanted"
_TIMEOUT = 1.0
_LOOK = 5.0


@dataclass(frozen=True)
class Bells:
    """`url` is that of Redis."""

    url: str

    async def ring(self, media_id: str) -> None:
        """Say that somebody waits for the upload; best effort."""
        client = self._client()
        with suppress(RedisError, OSError):
            await client.publish(CHANNEL, media_id)
        with suppress(RedisError, OSError):
            await client.aclose()

    async def heard(self, wanted: Callable[[], bool]) -> AsyncIterator[str]:
        """Uploads that somebody waits for, as it is said, until it is no longer `wanted`.

        Raises `ConnectionError` when Redis is away.
        """
        client = self._client()
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as line:
                await line.subscribe(CHANNEL)
                while wanted():  # never for ever: the Redis client was seen to swallow a cancellation
                    message = await line.get_message(timeout=_LOOK)
                    if message is not None:
                        yield str(message["data"])
        except (RedisError, OSError) as error:
            raise ConnectionError(f"redis: {error}") from error
        finally:
            await asyncio.shield(client.aclose())

    def _client(self) -> Redis:
        return Redis.from_url(
            self.url, socket_connect_timeout=_TIMEOUT, socket_timeout=2 * _LOOK, decode_responses=True
        )

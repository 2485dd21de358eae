"""What each caller has used of its allowances, counted in Redis for all ingest processes together.

Requests are counted by the `limits` library. Bytes under way are a sorted set for each caller: a member for each
upload, scored by when it is taken for dead unless it is renewed.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Any, cast

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from redis import RedisError
from redis.asyncio import Redis

_TIMEOUT = 0.25
"""Seconds that a request waits for Redis to be counted."""
_KEPT = 60_000
RENEWED = 20.0
"""Seconds between two renewals; an upload counts for a minute after the last."""
_RESERVE = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local used = 0
for _, each in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if each == ARGV[1] then used = used - tonumber(string.match(each, '%d+$')) end
  used = used + tonumber(string.match(each, '%d+$'))
end
if used > 0 and used + tonumber(ARGV[2]) > tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""


class AwayError(Exception):
    """Redis cannot count now."""


class Rates:
    """Requests of each caller, in a window that slides. Counts in Redis, or in this process when there is no `url`."""

    def __init__(self, url: str | None = None) -> None:
        """Nothing is contacted yet."""
        storage: Storage = MemoryStorage()
        if url is not None:
            timeouts: dict[str, Any] = {"socket_timeout": _TIMEOUT, "socket_connect_timeout": _TIMEOUT}
            storage = RedisStorage(
                f"async+{'redis+' if url.startswith('unix') else ''}{url}",
                wrap_exceptions=True,
                implementation="redispy",
                key_prefix="darkroom:rate",
                **timeouts,
            )
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    async def count(self, caller: str, most: int, seconds: int) -> int:
        """Count one request; returns 0, or the seconds after which there is room if `most` came in the last `seconds`.

        Raises `AwayError`.
        """
        item = RateLimitItemPerSecond(most, seconds)
        try:
            if await self._limiter.hit(item, caller):
                return 0
            reset_at, _ = await self._limiter.get_window_stats(item, caller)
        except (StorageError, OSError) as error:
            raise AwayError(str(error)) from error
        return max(1, math.ceil(reset_at - time.time()))


@dataclass
class SharedBytes:
    """Bytes under way of each caller, in all processes; raises `AwayError`."""

    url: str
    _client: Redis | None = field(default=None, repr=False)

    async def reserve(self, caller: str, ticket: str, size: int, most: int) -> bool:
        """Whether there is room for the upload, or nothing else under way; again with its ticket to renew it."""
        if self._client is None:
            timeouts: dict[str, Any] = {"socket_timeout": _TIMEOUT, "socket_connect_timeout": _TIMEOUT}
            self._client = Redis.from_url(self.url, **timeouts)
        try:
            answer = await cast(
                "Any",
                self._client.eval(_RESERVE, 1, _place(caller), _member(ticket, size), str(size), str(most), str(_KEPT)),
            )
        except (RedisError, OSError) as error:
            raise AwayError(str(error)) from error
        return bool(answer)

    async def release(self, caller: str, ticket: str, size: int) -> None:
        """It is over."""
        if self._client is not None:
            try:
                await self._client.zrem(_place(caller), _member(ticket, size))
            except (RedisError, OSError) as error:
                raise AwayError(str(error)) from error


def _place(caller: str) -> str:
    return f"darkroom:uploading:{caller}"


def _member(ticket: str, size: int) -> str:
    return f"{ticket}:{size}"

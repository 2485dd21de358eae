"""The API keys as this process knows them: read again every few seconds, so that a revoked one ends soon."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

import structlog

from ingest.problems import ProblemError
from pipeline import apikeys
from pipeline.apikeys import ApiKey
from pipeline.errors import DarkroomError
from pipeline.ports import Records

log = structlog.get_logger()

FRESH = 5.0
"""Seconds for which a look at the rows is good: the longest that a revoked key still opens anything."""
AGAIN = 0.05
"""Seconds between two looks for keys that are not known: one that is new works at once, and guessing costs little."""
STALE = 60.0
"""Seconds for which known keys open something while the records are away."""


@dataclass
class Keyring:
    """One caller at a time reads the rows; the others go by what is known, or wait when nothing is."""

    records: Records
    threads: Executor
    _known: Mapping[str, ApiKey] = field(default_factory=dict)
    _read_at: float | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, given: str) -> ApiKey | None:
        """The key that this is, None if it is none; raises `ProblemError` when the records are away for too long."""
        asked = time.monotonic()
        found = apikeys.recognised(await self._keys(), given)
        if found is not None or not apikeys.WHOLE.fullmatch(given):
            return found
        return apikeys.recognised(await self._keys_since(asked), given)

    async def named(self, key_id: str) -> ApiKey | None:
        """The key of that id, if it has not been revoked."""
        found = (await self._keys()).get(key_id)
        return found if found is not None and found.revoked_at is None else None

    async def used(self) -> bool:
        """Whether a key was ever made, be it revoked: from then on callers have to show one."""
        return bool(await self._keys())

    async def _keys(self) -> Mapping[str, ApiKey]:
        """The keys as they were a few seconds ago at most; while somebody reads them anew, as they were before."""
        if self._age() <= FRESH or (self._age() <= STALE and self._reading.locked()):
            return self._known
        return await self._keys_since(time.monotonic() - FRESH)

    async def _keys_since(self, asked: float) -> Mapping[str, ApiKey]:
        """The keys as somebody read them after that time of the monotonic clock."""
        async with self._reading:
            if self._read_at is None or self._read_at < asked:
                await asyncio.sleep(AGAIN - min(self._age(), AGAIN))
                await self._read()
        return self._known

    async def _read(self) -> None:
        begun = time.monotonic()
        loop = asyncio.get_running_loop()
        try:
            listed = await loop.run_in_executor(self.threads, apikeys.listed, self.records)
        except DarkroomError as error:
            if self._age() > STALE:
                raise ProblemError("records_unavailable") from error
            log.warning("keys_not_read", error=str(error))
            return
        self._known = {each.id: each for each in listed}
        self._read_at = begun

    def _age(self) -> float:
        return float("inf") if self._read_at is None else time.monotonic() - self._read_at

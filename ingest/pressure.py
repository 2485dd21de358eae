"""Whether the workers are so far behind that taking more in would only be a promise to wait."""

import asyncio
import time
from concurrent.futures import Executor
from dataclasses import dataclass, field

import structlog

from ingest.problems import ProblemError
from pipeline.errors import DarkroomError
from pipeline.ports import Records
from pipeline.pressure import oldest_waiting

log = structlog.get_logger()

FRESH = 5.0
"""Seconds for which a look at the backlog is good."""


@dataclass
class Pressure:
    """Lets uploads in while the oldest waiting task is younger than `most` seconds."""

    records: Records
    threads: Executor
    most: float
    _age: float = 0.0
    _looked_at: float = -FRESH
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def check(self) -> None:
        """Raise `ProblemError` (429) when the backlog is too old; one caller looks, the others go by the last look."""
        if time.monotonic() - self._looked_at >= FRESH and not self._looking.locked():
            async with self._looking:
                await self._look()
        if self._age > self.most:
            raise ProblemError("overloaded")

    async def _look(self) -> None:
        self._looked_at = time.monotonic()
        try:
            self._age = await asyncio.get_running_loop().run_in_executor(self.threads, oldest_waiting, self.records)
        except DarkroomError as error:  # the intent that follows will say so if it matters
            log.warning("backlog_not_seen", error=str(error))

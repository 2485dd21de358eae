"""How often and how patiently a stage is tried again: `[retries.*]` of pipeline.toml as numbers."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LONGEST_MESSAGE_DELAY = 60.0
"""Seconds. Longer waits live in the row's `wakeAt` alone: a delayed message sits in one worker's memory meanwhile."""


@dataclass(frozen=True)
class Terms:
    """`attempts` in all, the first included; `first` and `most` seconds between two of them.

    `listed`, where it is given, has every wait in seconds, the last one for all that follow.
    """

    attempts: int
    first: float
    most: float
    listed: tuple[float, ...] = ()

    def delay(self, attempt: int, chance: Callable[[], float] = random.random) -> int:
        """Milliseconds to wait after the given attempt (from 1): doubling up to `most` or as listed, half by chance.

        "Equal jitter" of Brooker, Exponential Backoff And Jitter (AWS Architecture Blog, 2015): never at once, never
        all together.
        """
        doubled = min(self.most, self.first * 2.0 ** min(attempt - 1, 64))
        whole = self.listed[min(attempt, len(self.listed)) - 1] if self.listed else doubled
        return round(1000 * whole * (1 + chance()) / 2)

    def options(self) -> dict[str, Any]:
        """The same as Dramatiq's actor options, in milliseconds."""
        return {
            "max_retries": self.attempts - 1,
            "min_backoff": round(1000 * self.first),
            "max_backoff": round(1000 * self.most),
        }

"""A remote store's clock, read off the `Date` of its replies."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from threading import Lock

RESOLUTION = 1000
"""Milliseconds: `Date` tells whole seconds (RFC 9110, section 5.6.7)."""


@dataclass
class StoreClock:
    """Milliseconds since the epoch as the store counts them: our monotonic clock plus an offset.

    A reply dated D, asked for at `sent` and here at `received`, says that the offset lies between D - received and
    D + 1 s - sent. The offset starts at the lower end, so that no live lease looks lapsed, and moves no further than a
    reply demands: many replies pin it to a few ms, and a drift or a suspended machine is put right by the next one.
    """

    offset: int | None = None
    _lock: Lock = field(default_factory=Lock, repr=False)

    def now(self) -> int | None:
        """The store's time, or None before the first reply."""
        return None if self.offset is None else monotonic() + self.offset

    def observe(self, sent: int, headers: Mapping[str, str]) -> None:
        """Learn from a reply to a request begun at `sent`, ms of our monotonic clock; undated ones teach nothing."""
        try:
            dated = int(parsedate_to_datetime(headers["date"]).timestamp()) * 1000
        except (KeyError, ValueError):
            return
        lowest, highest = dated - monotonic(), dated + RESOLUTION - sent
        with self._lock:
            self.offset = lowest if self.offset is None else min(max(self.offset, lowest), highest)


def monotonic() -> int:
    """Our monotonic clock in milliseconds."""
    return time.monotonic_ns() // 1_000_000

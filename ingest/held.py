"""The uploads that this process holds, and an ear for the other processes' requests that want one of them."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from ingest.holding import Holding
from pipeline.adapters.bells import Bells

_AGAIN = 1.0
"""Seconds until Redis is tried again."""


@dataclass
class Held:
    """By media id. It listens while there is anything to be asked for."""

    bells: Bells
    _holdings: dict[str, Holding] = field(default_factory=dict)
    _listening: asyncio.Task[None] | None = None

    def add(self, holding: Holding) -> None:
        """This process holds it from now on."""
        self._holdings[holding.media.id] = holding
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())

    def remove(self, holding: Holding) -> None:
        """It does so no longer."""
        if self._holdings.get(holding.media.id) is holding:
            del self._holdings[holding.media.id]

    def want(self, media_id: str) -> bool:
        """Ask for an upload; whether it is held here."""
        holding = self._holdings.get(media_id)
        if holding is not None:
            holding.want()
        return holding is not None

    async def ring(self, media_id: str) -> None:
        """Ask the other processes for it; best effort."""
        await self.bells.ring(media_id)

    async def _listen(self) -> None:
        while self._holdings:
            with suppress(ConnectionError):
                async for media_id in self.bells.heard(lambda: bool(self._holdings)):
                    self.want(media_id)
            await asyncio.sleep(_AGAIN)

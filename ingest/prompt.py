"""An answer that does not wait for S3 to make an object of what it has."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from starlette.background import BackgroundTask

from pipeline.media import Media

log = structlog.get_logger()

T = TypeVar("T")
Rest = Callable[[], Awaitable[None]]
"""What is still to be awaited when the answer is out."""


@dataclass(frozen=True)
class Receipt:
    """An upload that has come: its record, and what is still to be awaited when S3 takes long to make the object."""

    media: Media
    rest: Rest | None = None

    def status(self, whole: int) -> int:
        """Of the answer: `whole` if the object is made, 202 as long as it is not known how it ends."""
        return 202 if self.rest else whole

    @property
    def behind(self) -> BackgroundTask | None:
        """What the server does after the answer."""
        return behind(self.rest)


def behind(rest: Rest | None) -> BackgroundTask | None:
    """The rest as what the server does after an answer."""
    return BackgroundTask(rest) if rest else None


async def promptly(finishing: "asyncio.Task[T]", brought: asyncio.Event, patience: float, media_id: str) -> Rest | None:
    """None once it is finished, and its result to be asked for; the rest, if it is not so `patience` after `brought`.

    `patience` in seconds, from when every byte is in S3.

    Whoever is cancelled meanwhile cancels it, and waits for it.
    """
    bringing = asyncio.create_task(brought.wait())
    try:
        await asyncio.wait([finishing, bringing], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([finishing], timeout=patience)
    except asyncio.CancelledError:
        await _cancelled(finishing)
        raise
    finally:
        bringing.cancel()
    if finishing.done():
        return None

    async def rest() -> None:
        try:
            await asyncio.wait([finishing])
        except asyncio.CancelledError:
            await _cancelled(finishing)
            raise
        if error := finishing.exception():
            log.warning("upload_failed_late", media_id=media_id, error=repr(error))

    return rest


async def _cancelled(finishing: "asyncio.Task[T]") -> None:
    finishing.cancel()
    await asyncio.wait([finishing])
    if not finishing.cancelled():
        finishing.exception()  # which nobody else will ask for

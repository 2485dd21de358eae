"""The row of an upload while one request brings its bytes: renewed, told what is safe, and asked for by others."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog

from ingest.leases import RETRY
from ingest.problems import ProblemError
from pipeline import granting
from pipeline.errors import DarkroomError, LeaseLostError
from pipeline.ledger import Claimed, Ledger
from pipeline.media import Media
from pipeline.reception import Reception, reception_of
from pipeline.tasks import Task

log = structlog.get_logger()

R = TypeVar("R")
Safe = tuple[int, Reception]
"""How many bytes are where no crash can take them, and what else the row has to say then."""


class Holding:
    """Ours since `began` (s, monotonic); `want` is called when another request asks for the upload.

    `over` once the row is somebody else's, or nobody's; `tail` is what the request before had left.
    """

    def __init__(self, claimed: Claimed, began: float, ledger: Ledger, threads: Executor) -> None:
        """The row as it was taken."""
        self.task: Task = claimed.task
        self.media: Media = claimed.media
        self.tail = reception_of(claimed.task.reception or {"part_size": 1}).tail
        self._interrupt: Callable[[], None] | None = None
        self.wanted = self.over = False
        self._ledger, self._threads = ledger, threads
        self._until = began + ledger.lease.length / 1000
        self._lost = False
        self._writing = asyncio.Lock()

    def want(self) -> None:
        """Another request asks for it: what is `interruptible` ends."""
        self.wanted = True
        if self._interrupt is not None:
            self._interrupt()

    @asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """What ends when another request asks for the upload; raises `ProblemError` then."""
        try:
            async with asyncio.timeout(None) as bound:
                self._interrupt = lambda: bound.reschedule(0)
                if self.wanted:
                    self._interrupt()
                try:
                    yield
                finally:
                    self._interrupt = None
        except TimeoutError:
            raise ProblemError("upload_interrupted") from None

    async def check(self) -> None:
        """Return if the row is surely still ours; raises `ProblemError`, `LeaseLostError`."""
        if self._lost:
            raise LeaseLostError
        if time.monotonic() >= self._until:
            raise ProblemError("records_unavailable")

    async def note(self, safe: Callable[[], Safe]) -> None:
        """Say in the row what is safe by then and hold it for another lease; raises `DarkroomError`."""
        async with self._writing:
            if self.over:
                raise LeaseLostError
            began = time.monotonic()
            try:
                self.task = await self._call(granting.advanced, *safe())
            except LeaseLostError:
                self._lost = True
                raise
            self._until = began + self._ledger.lease.length / 1000
        if self.task.wanted_at is not None:
            self.want()

    async def lay_down(self, safe: Safe, until: int) -> None:
        """End the holding: whoever comes next goes on there. Raises `DarkroomError`."""
        async with self._writing:
            self.over = self._lost = True
            await self._call(granting.lay_down, *safe, until)

    @asynccontextmanager
    async def kept(self, safe: Callable[[], Safe]) -> AsyncIterator[None]:
        """Note what is safe every so often until the block ends."""
        keeping = asyncio.create_task(self._keep(safe))
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])

    async def _keep(self, safe: Callable[[], Safe]) -> None:
        pause = usual = self._ledger.lease.renewal / 1000
        while not self._lost:
            await asyncio.sleep(pause)
            try:
                # Shielded: a write that is under way has to be known of before the row is laid down.
                await asyncio.shield(self.note(safe))
            except LeaseLostError:
                return
            except DarkroomError as error:
                log.warning("upload_renewal_failed", media_id=self.task.media_id, error=str(error))
                pause = RETRY
            else:
                pause = usual

    async def _call(self, function: Callable[..., R], *args: object) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, self._ledger, self.task, *args)

"""How much of an upload is stored, told to whoever follows it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial

from pipeline.ledger import Ledger
from pipeline.media import Media
from pipeline.progress import Report

EVERY = 1.0
"""Seconds between two reports; small files are done before the first."""


@asynccontextmanager
async def reported(media: Media, stored: Callable[[], int], ledger: Ledger, threads: Executor) -> AsyncIterator[None]:
    """Tell it while the block lasts; `stored` says how many bytes are in S3 by now."""
    reporting = asyncio.create_task(_report(media, stored, ledger, threads))
    try:
        yield
    finally:
        reporting.cancel()


async def _report(media: Media, stored: Callable[[], int], ledger: Ledger, threads: Executor) -> None:
    told = 0
    while True:
        await asyncio.sleep(EVERY)
        if (now := stored()) > told:
            told = now
            report = partial(ledger.queue.report, media.project_id, media.id, "upload", Report(0.0, stored=told))
            await asyncio.get_running_loop().run_in_executor(threads, report)

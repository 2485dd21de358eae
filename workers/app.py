"""The worker's composition root: `python -m workers.app QUEUE...` works on these queues, each by threads of its own."""

import os
import shutil
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dramatiq
import structlog

from pipeline.adapters import logs
from pipeline.adapters.broker import make_broker
from pipeline.adapters.signals import stop_event
from pipeline.adapters.wiring import Services, connect
from pipeline.config import Cache, ConfigError
from pipeline.settings import SettingsError, read_settings
from workers.actors import bind
from workers.cache import DiskCache, ForeignFolderError
from workers.confine import landlock
from workers.encoder import find_ffmpeg
from workers.holding import Shift
from workers.pool import Pool
from workers.room import Room
from workers.tools import Tools

log = structlog.get_logger()

PUT_DOWN = 4_000
"""Milliseconds that threads have to come to an end after SIGTERM; within three seconds all rows are given back."""


def main(queues: Sequence[str]) -> None:
    """Work until SIGTERM or Ctrl-C; exits with every mistake of the settings listed."""
    try:
        settings = read_settings()
        logs.configure(json=settings.json_logs, role="worker")
        services = connect(settings)
        tools = _tools(services)
    except (SettingsError, ConfigError) as error:
        sys.exit(str(error))
    if sys.platform == "linux" and landlock() < 1:
        log.warning("children_not_fenced", error="this kernel has no Landlock: decoders can read what this user can")
    over = stop_event()
    if tools.cache:
        threading.Thread(target=_tidy, args=[tools.cache, over], name="tidy-cache", daemon=True).start()
    crews = [_crew(services, tools, queue) for queue in queues]
    for crew in crews:
        crew.start()
    over.wait()
    tools.shift.close()
    with ThreadPoolExecutor(len(crews)) as pool:
        list(pool.map(lambda crew: crew.stop(PUT_DOWN), crews))


def _crew(services: Services, tools: Tools, queue: str) -> dramatiq.Worker:
    """Dramatiq's worker for one queue, with a broker of its own: it holds no message that another could work on."""
    rules, broker = services.pipeline, make_broker(services.settings.redis_url, [queue])
    bind(broker, tools)
    timeout, threads = round(1000 * rules.poll[queue]), rules.threads[queue]
    crew = dramatiq.Worker(broker, queues={queue}, worker_timeout=timeout, worker_threads=threads)
    crew.queue_prefetch = threads
    return crew


def _tidy(cache: DiskCache, over: threading.Event) -> None:
    """Delete what the cache keeps for too long, so that nothing stays on the disk of a worker without work."""
    while not over.wait(cache.idle / 4):
        cache.expire()


def _tools(services: Services) -> Tools:
    settings = services.settings
    return Tools(
        services.ledger,
        services.objects,
        services.pieces,
        services.queue,
        services.pipeline,
        _scratch(settings.scratch),
        find_ffmpeg(settings.ffmpeg),
        Shift(),
        services.webhooks,
        _cache(settings.scratch, services.pipeline.cache),
        Pool(Room(services.pipeline.room), services.pipeline.files),
    )


def _scratch(root: Path) -> Path:
    """This process's folder; those of processes that were killed are emptied on the way."""
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob("worker-*"):
        if not _at_work(int(left.name.removeprefix("worker-"))):
            shutil.rmtree(left, ignore_errors=True)
    mine = root / f"worker-{os.getpid()}"
    mine.mkdir()
    return mine


def _cache(root: Path, terms: Cache) -> DiskCache:
    """The folder that all processes of this user share."""
    try:
        return DiskCache.open(root / f"films-{os.getuid()}", terms.most, terms.idle)
    except ForeignFolderError as error:
        raise SettingsError(str(error)) from error


def _at_work(pid: int) -> bool:
    """Whether another process has that id; a folder with our own id is that of a process before us."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


if __name__ == "__main__":
    main(sys.argv[1:])

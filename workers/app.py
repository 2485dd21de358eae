"""The worker's composition root: `dramatiq workers.app:main -Q QUEUE`."""

import os
import shutil
import sys
from pathlib import Path

import dramatiq

from pipeline.adapters import logs
from pipeline.adapters.wiring import Services, connect
from pipeline.config import Cache, ConfigError
from pipeline.settings import SettingsError, read_settings
from workers.actors import bind
from workers.cache import DiskCache, ForeignFolderError
from workers.encoder import find_ffmpeg
from workers.holding import Shift
from workers.middleware import HandBack, Tidy
from workers.pool import Pool
from workers.room import Room
from workers.tools import Tools


def main() -> None:
    """Wire this process and make its broker Dramatiq's; exits with every mistake of the settings listed."""
    try:
        settings = read_settings()
        logs.configure(json=settings.json_logs, role="worker")
        services = connect(settings)
        tools = _tools(services)
    except (SettingsError, ConfigError) as error:
        sys.exit(str(error))
    services.broker.add_middleware(HandBack(tools.shift))
    if tools.cache:
        services.broker.add_middleware(Tidy(tools.cache))
    bind(services.broker, tools)
    dramatiq.set_broker(services.broker)


def _tools(services: Services) -> Tools:
    settings = services.settings
    return Tools(
        services.ledger,
        services.objects,
        services.queue,
        services.pipeline,
        _scratch(settings.scratch),
        find_ffmpeg(settings.ffmpeg),
        Shift(),
        services.webhooks,
        _cache(settings.scratch, services.pipeline.cache),
        Pool(Room(services.pipeline.room)),
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

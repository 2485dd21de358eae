"""The processes of a deployment that become another program: what `darkroom ingest`, `sweeper` and `worker` do.

Little is imported here: that program begins anew.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from ops import processes
from pipeline import config
from pipeline.settings import SettingsError, read_settings
from workers.confine import give_way

ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""glibc's: else every thread keeps freed memory of its own."""
HEAP = {"MALLOC_TRIM_THRESHOLD_": str(16 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(2**20)}
"""glibc's, in bytes: else each chunk of an upload, a quarter of a MB, goes back to the system and comes anew."""


class UnknownQueueError(Exception):
    """No such queue in pipeline.toml; the text names those there are."""


class MixedQueuesError(Exception):
    """One process cannot work on these queues together; the text says why."""


EXPECTED = (config.ConfigError, SettingsError, UnknownQueueError, MixedQueuesError)
"""Errors whose text is meant for the person at the terminal."""


def told(become: Callable[[], None]) -> int:
    """Call it; when it goes wrong, say so and return 1."""
    try:
        become()
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def ingest() -> None:
    """Become the HTTP server."""
    _become("ingest.app", env=HEAP)


def sweeper() -> None:
    """Become the sweeper."""
    _become("workers.sweeping")


def worker(queues: Sequence[str]) -> None:
    """Become the worker of these queues, each with threads of its own.

    Raises:
        UnknownQueueError: pipeline.toml has no such queue.
        MixedQueuesError: some of them give way to others, some do not.
    """
    rules = config.load(read_settings().pipeline)
    if unknown := [queue for queue in queues if queue not in rules.threads]:
        raise UnknownQueueError(f"pipeline.toml has no queue {', '.join(unknown)}; it has {', '.join(rules.threads)}")
    steps = {rules.nice[queue] for queue in queues}
    if len(steps) > 1:
        raise MixedQueuesError(f"{', '.join(queues)} are not equally `nice`: start workers for each of them")
    give_way(steps.pop())
    _become("workers.app", *queues)


def _become(module: str, *words: str, env: Mapping[str, str] = MappingProxyType({})) -> None:
    """Run a composition root in our place: it has imported nothing that it does not need."""
    processes.replace([sys.executable, "-m", module, *words], {**ARENAS, **env, **os.environ})

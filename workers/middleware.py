"""What a worker process does beside its tasks, when it starts and when it stops."""

import threading

from dramatiq import Broker, Middleware, Worker

from workers.cache import DiskCache
from workers.holding import Shift


class HandBack(Middleware):
    """Closes the shift when Dramatiq begins to stop, while its threads still run."""

    def __init__(self, shift: Shift) -> None:
        self._shift = shift

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Dramatiq's hook: SIGTERM has come."""
        self._shift.close()


class Tidy(Middleware):
    """Deletes what the cache keeps for too long, so that nothing stays on the disk of a worker without work."""

    def __init__(self, cache: DiskCache) -> None:
        self._cache = cache
        self._over = threading.Event()

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Dramatiq's hook: begin."""
        threading.Thread(target=self._run, name="tidy-cache", daemon=True).start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Dramatiq's hook: SIGTERM has come."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(self._cache.idle / 4):
            self._cache.expire()

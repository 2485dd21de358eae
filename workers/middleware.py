"""Shutting a worker process down: what it holds is given back before the process goes."""

from dramatiq import Broker, Middleware, Worker

from workers.holding import Shift


class HandBack(Middleware):
    """Closes the shift when Dramatiq begins to stop, while its threads still run."""

    def __init__(self, shift: Shift) -> None:
        self._shift = shift

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Dramatiq's hook: SIGTERM has come."""
        self._shift.close()

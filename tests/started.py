"""Processes that tests start: they end with their test, and with the tests' own process should that be killed."""

import atexit
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from ops import processes
from ops.processes import Process
from ops.warden import Warden


@contextmanager
def started(command: Sequence[str], *, grace: float = 20.0, **options: Any) -> Iterator[Process]:  # noqa: ANN401 - Popen's
    """Start a process as leader of its own session; when the context is left its whole group has ended.

    Between SIGTERM and SIGKILL it has `grace` seconds; it may have ended before.
    """
    process = subprocess.Popen(command, start_new_session=True, **options)
    _warden().guard(process.pid)
    try:
        yield process
    finally:
        processes.end([process], grace)
        _warden().release(process.pid)


@cache
def _warden() -> Warden:
    warden = Warden()
    atexit.register(warden.dismiss)
    return warden

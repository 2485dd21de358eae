"""Workers for a queue that nobody works on all day, for as long as they are wanted."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ops import processes
from ops.downloads import PROJECT
from ops.leftovers import MARK
from ops.rundir import RunDir
from ops.warden import Warden

GRACE = 6.0
"""Seconds for a group of workers to end after SIGTERM."""


@contextmanager
def borrowed(run_dir: RunDir, queue: str) -> Iterator[Callable[[], None]]:
    """Let workers of the queue join the stack that runs in the folder, whose environment must be ours.

    A deployment has workers of its own: then nothing is started. What is yielded raises CommandFailedError once they
    have gone.
    """
    if run_dir.running() is None:
        yield lambda: None
        return
    log = run_dir.path / f"worker-{queue}.log"
    argv = [sys.executable, "-m", "ops.cli", "worker", queue]
    env = {**os.environ, MARK: str(run_dir.path.resolve())}
    warden = Warden()
    process = processes.start(argv, env=env, cwd=PROJECT, log=log)
    warden.guard(process.pid)

    def look() -> None:
        warden.look()
        if process.poll() is not None:
            raise processes.CommandFailedError(f"The workers have ended; {log} says why.")

    try:
        yield look
    finally:
        processes.end([process], GRACE)
        warden.release(process.pid)
        warden.dismiss()

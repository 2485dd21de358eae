"""`darkroom run`: the stack in the foreground."""

import os

from ops import local
from ops.display import choose
from ops.rundir import RunDir
from ops.supervisor import StopRequestedError
from pipeline.adapters.signals import stop_event


def run(run_dir: RunDir) -> int:
    """Run the stack until Ctrl-C or SIGTERM; the last thing printed before it serves is its address.

    Raises:
        What `local.started` does, but for `StopRequestedError`.
    """
    stop = stop_event()
    display = choose()
    try:
        with local.started(run_dir, os.environ, display, stop) as running:
            print(f"logs: {run_dir.path / 'logs'}")
            print(f"interface: {running.stack.url}/docs")
            print(f"ready: {running.stack.url}", flush=True)
            running.supervisor.watch()
    except StopRequestedError:
        return 0
    finally:
        display.settle()
    return 0

"""One more worker beside those of a running stack: a process of its own, as on another machine, and what it did."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.serving import wait_for
from tests.stack import ROOT, STARTING, STOPPING, Running
from tests.started import started


@dataclass(frozen=True)
class Hand:
    """The worker, leader of its own process group, and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def committed(self, stage: str) -> int:
        """How many tasks of a stage it brought to their commit."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        ended = (line for line in lines if line.get("event") == "task_ended" and line["outcome"] == "done")
        return sum(line["task"].partition("#")[0] == stage for line in ended)

    def kill(self) -> None:
        """As the kernel does it when memory runs out: at once, and all of it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOPPING)


@contextmanager
def hired(stack: Running, queue: str, folder: Path) -> Iterator[Hand]:
    """A worker of one queue, at work until the context is left."""
    folder.mkdir(parents=True)
    scratch = folder / "scratch"
    env = {**stack.env, "PATH": os.environ["PATH"], "LOG_FORMAT": "json", "SCRATCH_DIR": str(scratch)}
    log = folder / "log"
    command = [sys.executable, "-m", "ops.cli", "worker", queue]
    with (
        log.open("wb") as output,
        started(command, grace=STOPPING, cwd=ROOT, env=env, stdout=output, stderr=output) as process,
    ):
        wait_for(lambda: any(scratch.glob("worker-*")) or process.poll() is not None, STARTING)
        assert process.poll() is None, log.read_text()
        yield Hand(process, log)

"""`python -m tests.chaos.victims FOLDER`: lives the lives of FOLDER/jobs.json, each in a process that dies as told.

The processes are forked off this one, which has imported everything and contacted nobody. Each opens its own records,
and has a process of its own to fork decoders from, as a worker has. What it testifies stands in FOLDER/{project}.jsonl,
a line at a time, written before the process goes on.
"""

import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.adapters import logs
from pipeline.adapters.sqlite import MEMORY
from pipeline.adapters.wiring import Services, connect, records
from pipeline.settings import Settings, read_settings
from tests.chaos.crashpoints import Point, Watch, watched_children
from tests.chaos.decoders import pool
from tests.chaos.lives import LIVES
from tests.chaos.mortal import mortal

AT_ONCE = 3

LATE = (
    *(f"workers.confined.{name}" for name in ("inspect", "stills", "develop", "films", "animation")),
    "valkey.asyncio",  # by the counter of requests
)
"""What is else imported when it is first needed."""


def main(folder: Path) -> None:
    """Run all jobs, some at once."""
    logs.configure(json=True, role="victim")
    for module in LATE:
        import_module(module)
    settings = read_settings()
    shared = connect(replace(settings, records="sqlite", sqlite_path=Path(MEMORY)))
    # Importing the SDK and reading what it knows of S3 costs most lives more than all else that they do.
    shared.objects.client.get_paginator("list_multipart_uploads")
    gc.freeze()  # shared with all children for as long as nobody counts through it
    running = 0
    for job in json.loads((folder / "jobs.json").read_text()):
        if running == AT_ONCE:
            os.wait()
            running -= 1
        if not os.fork():
            _live(folder, settings, shared, **job)
        running += 1
    for _ in range(running):
        os.wait()


def _live(
    folder: Path, settings: Settings, shared: Services, *, life: str, project: str, point: Sequence[Any] | None
) -> None:
    """Live one life, in a process of its own: up to the point if there is one, else naming all points on its way."""
    testimony = os.open(folder / f"{project}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    target = Point(*point) if point else None

    def testify(**said: object) -> None:
        os.write(testimony, json.dumps(said).encode() + b"\n")

    def reached(at: Point) -> None:
        if target is None:
            testify(point=at)
        elif at == target:
            testify(struck=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def meets(turn: str) -> bool:
        return LIVES[life].renews if target is None else target.renewing and target.turn == turn

    try:
        decoders = pool()  # forked while there is one thread
        watch = Watch(reached, meets)
        watched_children(watch)
        services = replace(shared, settings=settings, ledger=replace(shared.ledger, records=records(settings)))
        LIVES[life].live(mortal(services, decoders, folder, project, watch, testify))
        testify(lived=True)
    except BaseException:  # noqa: BLE001 - nothing of this process may go on as its parent
        testify(failed=traceback.format_exc())
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What every program here does that makes stills: warm up, say so, and for each line go once round the files.

The job is JSON, the first argument: `files`, `folder` for what is made, `stills` with `name`, `width`, `height`,
`format`, `quality`, `effort` (the encoder's own number) and `progressive`, `style`, and `repeat`.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SUFFIXES = {"jpeg": ".jpg", "webp": ".webp", "avif": ".avif"}

Job = dict[str, Any]


def serve(work: Callable[[str, Job], None]) -> None:
    """Run the job until the standard input ends."""
    job: Job = json.loads(sys.argv[1])
    work(job["files"][0], job)
    print("ready", flush=True)
    for _ in sys.stdin:
        for _ in range(job["repeat"]):
            for file in job["files"]:
                work(file, job)
        print("done", flush=True)


def target(job: Job, still: dict[str, Any]) -> str:
    """Where a still goes."""
    return str(Path(job["folder"]) / f"{still['name'].partition('.')[0]}{SUFFIXES[still['format']]}")

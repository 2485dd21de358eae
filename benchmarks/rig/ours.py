"""Darkroom's own stills, as `peers/laps.py` has it: `bare` in this process, `child` as a worker has them made."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from benchmarks.peers.laps import Job, serve
from ops.downloads import PROJECT
from pipeline.config import load
from pipeline.renditions import Still
from workers.confined.stills import answer
from workers.images import stills
from workers.pool import Pool
from workers.processes import Children

PIXELS = 100_000_000


def bare(file: str, job: Job) -> None:
    """The function that the confined child runs."""
    answer({"source": file, "folder": job["folder"], "pixels": PIXELS, "stills": job["stills"]})


def childlike() -> Callable[[str, Job], None]:
    """What the stage calls; the children are those of one worker, kept as it keeps them."""
    children = Children(pool=Pool(files=load(PROJECT / "pipeline.toml").files))

    def make(file: str, job: Job) -> None:
        wanted = [Still.from_dict(each) for each in job["stills"]]
        stills(Path(file), wanted, pixels=PIXELS, scratch=Path(job["folder"]), children=children)

    return make


def main() -> None:
    """Serve the style that the job names."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    child = childlike()
    styles: dict[Any, Callable[[str, Job], None]] = {"bare": bare, "child": child}
    serve(lambda file, job: styles[job["style"]](file, job))


if __name__ == "__main__":
    main()

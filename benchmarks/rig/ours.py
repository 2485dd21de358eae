"""Darkroom's own stills, as `peers/laps.py` has it: `bare` in this process, `child` as a worker has them made."""

import json
import logging
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import structlog

from benchmarks.peers.laps import Job, serve
from pipeline.renditions import Still
from workers.images import stills
from workers.pool import Pool
from workers.processes import Children

PIXELS = 100_000_000
FILES = 50
"""As the shipped `pipeline.toml` has it, which is not read here: a worker's stages are what is measured."""


def wanted(job: Job) -> bool:
    """Whether to make the placeholder: with a set, as everybody here does; not with a lone still, as for a backfill."""
    return len(job["stills"]) > 1


def bare() -> Callable[[str, Job], None]:
    """The function that the confined child runs; imported only here, as no worker imports decoders."""
    answer = import_module("workers.confined.stills").answer

    def make(file: str, job: Job) -> None:
        told = {"source": file, "folder": job["folder"], "stills": job["stills"], "placeholder": wanted(job)}
        answer(told | {"pixels": PIXELS})

    return make


def childlike() -> Callable[[str, Job], None]:
    """What the stage calls; the children are those of one worker, kept as it keeps them."""
    children = Children(pool=Pool(files=FILES))

    def make(file: str, job: Job) -> None:
        order = [Still.from_dict(each) for each in job["stills"]]
        folder = Path(job["folder"])
        stills(Path(file), order, pixels=PIXELS, scratch=folder, children=children, placeholder=wanted(job))

    return make


def main() -> None:
    """Serve the style that the job names."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    serve({"bare": bare, "child": childlike}[json.loads(sys.argv[1])["style"]]())


if __name__ == "__main__":
    main()

"""What asking a warm child costs over the bare function: CPU of worker, template and child together. Linux."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.rig.meter import cpu
from pipeline.config import load
from tests import builders
from workers.decoding import ask
from workers.inspection import question
from workers.pool import Pool
from workers.processes import Children

ROUNDS = 3


def main() -> None:
    """Print one line for each question, the best of some rounds, in ms."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--files", type=int, help="that a child sees, instead of what pipeline.toml says")
    options = parser.parse_args()
    rules = load(Path("pipeline.toml"))
    children = Children(pool=Pool(files=options.files or rules.files))
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = options.file or builders.photo(folder / "photo.jpg", (64, 48))
        request = question(source, rules.limits, rules.metadata) | {
            "folder": name,
            "pixels": rules.limits.pixels,
            "stills": [still.to_dict() for still in rules.stills],
        }
        for asked in ("inspect", "stills", "develop"):
            ask(asked, request, folder, children)  # starts the template
            template = children.pool.template(asked).pid or 0
            warm = best(options.times, partial(ask, asked, request, folder, children), partial(cpu, [template]))
            bare = alone(asked, request, options.times)
            sys.stdout.write(
                f"{asked:8} warm {warm:7.2f} ms, bare {bare:7.2f} ms, more by {warm - bare:5.2f} ms of CPU\n"
            )


def best(times: int, act: Callable[[], object], also: Callable[[], float] = lambda: 0.0) -> float:
    """The least CPU in ms that one of so many calls took on average, with what others took of it."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time() + also()
        for _ in range(times):
            act()
        rounds.append(1000 * (time.process_time() + also() - began) / times)
    return min(rounds)


def alone(asked: str, request: dict[str, object], times: int) -> float:
    """The same of the function itself, in a process that does nothing else."""
    reader, writer = os.pipe()
    if not os.fork():
        answer = import_module(f"workers.confined.{asked}").answer
        answer(request)
        os.write(writer, json.dumps(best(times, lambda: answer(request))).encode())
        os._exit(0)
    os.wait()
    return float(json.loads(os.read(reader, 100)))


if __name__ == "__main__":
    main()

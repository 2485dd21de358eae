"""Asking the confined child: the parent's side of everything in `workers/confined/`."""

import json
import signal
from pathlib import Path
from typing import Any

from pipeline.limits import Rejected, reject
from workers.endings import ChildFailedError
from workers.processes import Children

# Enough for every picture within the default limit of 100 MP; a bomb that was let in by its header ends here.
_MEMORY = 2 * 2**30
_MEMORY_OF = {"films": 512 * 2**20}  # demuxers need little; track bombs find their end here within half a second
_CPU = 60  # seconds
_WALL = 300  # seconds: five times as much, for a machine that is busy
_FILE_SIZE = 256 * 2**20

_EXHAUSTED = -signal.SIGXCPU
_CRASHED = frozenset(
    -number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
)


def ask(
    question: str, request: dict[str, Any], folder: Path, children: Children, *, cpu: int = _CPU, wall: float = _WALL
) -> dict[str, Any] | Rejected:
    """The answer of `workers.confined.QUESTION`, run confined in `folder` for so many seconds at most.

    A file that is refused, that exhausts its decoder or that crashes it is rejected. Raises what `Children.ask` raises
    for all that may be the machine's fault.
    """
    try:
        said = children.ask(
            question,
            json.dumps(request).encode(),
            cwd=folder,
            deadline=wall,
            memory=_MEMORY_OF.get(question, _MEMORY),
            cpu=cpu,
            file_size=_FILE_SIZE,
        )
    except ChildFailedError as failed:
        if failed.returncode == _EXHAUSTED:
            return reject("inspection_exhausted")
        if failed.returncode in _CRASHED:
            return reject("decoder_crashed")
        raise
    answer: dict[str, Any] = json.loads(said)
    return reject(answer["refused"]) if "refused" in answer else answer

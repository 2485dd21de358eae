"""Asking the confined child: the parent's side of everything in `workers/confined/`."""

import json
import signal
from pathlib import Path
from typing import Any

from pipeline.limits import Rejected, reject
from workers.endings import ChildFailedError, ExhaustedError
from workers.processes import Children

# Bytes of memory that a child is given at first: enough for most photos. What is larger says so and asks for more.
_SHARE = 256 * 2**20
# Demuxers need little, and get no more: track bombs find their end here within half a second.
_SHARES = {"films": 512 * 2**20, "packets": 512 * 2**20, "discontinuities": 512 * 2**20}
CPU = 60
"""Seconds that a child has."""
WALL = 300
"""Seconds: five times as much, for a machine that is busy."""
_FILE_SIZE = 256 * 2**20

_EXHAUSTED = -signal.SIGXCPU
_CRASHED = frozenset(
    -number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
)


def ask(
    question: str, request: dict[str, Any], folder: Path, children: Children, *, cpu: int = CPU, wall: float = WALL
) -> dict[str, Any] | Rejected:
    """The answer of `workers.confined.QUESTION`, run confined in `folder` for so many seconds at most.

    A file that is refused, that exhausts its decoder or that crashes it is rejected. Waits while the worker's memory is
    taken by others.

    Raises:
        ExhaustedError: it needs more memory than there is here, and there are workers with more.
        TransientError: all that may be the machine's fault, as `Children.ask` raises it.
    """
    most = max(children.memory or 0, _SHARES.get(question, children.pool.room.most))
    shares = [min(_SHARES.get(question, _SHARE), most)]
    try:
        while (answer := _asked(question, request, folder, children, shares[-1], cpu, wall)).get("needs", 0) != 0:
            # What needs more than it said takes all there is, and then it has had its chance.
            more = most if answer["needs"] is None or len(shares) > 1 else answer["needs"]
            if more > most or shares[-1] >= most:
                return _exhausted(children)
            shares.append(max(more, shares[-1]))
    except ChildFailedError as failed:
        if failed.returncode == _EXHAUSTED:
            return reject("inspection_exhausted")
        if failed.returncode in _CRASHED:
            return reject("decoder_crashed")
        raise
    return reject(answer["refused"]) if "refused" in answer else answer


def _exhausted(children: Children) -> Rejected:
    if children.elsewhere:
        raise ExhaustedError("not enough memory here")
    return reject("inspection_exhausted")


def _asked(
    question: str, request: dict[str, Any], folder: Path, children: Children, memory: int, cpu: int, wall: float
) -> dict[str, Any]:
    said = children.ask(
        question,
        json.dumps(request).encode(),
        cwd=folder,
        deadline=wall,
        memory=memory,
        cpu=cpu,
        file_size=_FILE_SIZE,
    )
    answer: dict[str, Any] = json.loads(said)
    return answer

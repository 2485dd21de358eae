"""Ends the children of a supervisor that was itself killed.

Run as a script of its own, in its own session, with a pipe from the supervisor as standard input and the seconds
between SIGTERM and SIGKILL as argument. The supervisor writes `+GROUP` and `-GROUP` lines; when the pipe ends, however
that came, every group still listed is ended. Unlike PR_SET_PDEATHSIG this reaches whole process groups, knows a grace
period and works on macOS.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable


def main() -> None:
    """Keep the list; end what is on it when the supervisor is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (groups.add if line.startswith("+") else groups.discard)(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.kill(group, signal.SIGTERM)  # its leader, who passes it on
    left = _signal(groups, 0)
    deadline = time.monotonic() + float(sys.argv[1])
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = _signal(left, 0)
    _signal(left, signal.SIGKILL)


def _signal(groups: Iterable[int], number: int) -> list[int]:
    """Signal each group; return those that had somebody in them."""
    reached = []
    for group in groups:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            continue
        reached.append(group)
    return reached


if __name__ == "__main__":
    main()

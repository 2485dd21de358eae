"""The only file of the operator tools that starts processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Process = subprocess.Popen[bytes]

KILLED_WAIT = 2.0
"""Seconds that a group is given to disappear after SIGKILL."""


class CommandFailedError(Exception):
    """A command that was run to its end exited with an error; the text is what it said last."""


def start(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path | None) -> Process:
    """Start a process as leader of its own session, its output appended to `log` (None: it is ours)."""
    with log.open("ab") if log else contextlib.nullcontext() as output:
        return subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def start_with_pipe(argv: Sequence[str]) -> Process:
    """Start a process in its own session that reads what we write; it sees end of file when we die."""
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)


def run(argv: Sequence[str], *, cwd: Path | None = None, timeout: float) -> str:
    """Run a command to its end, at most `timeout` seconds, and return what it wrote, errors included.

    Raises:
        CommandFailedError: it is missing, took too long or exited with an error.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailedError(f"{argv[0]}: {error}") from error
    if done.returncode:
        raise CommandFailedError(f"{argv[0]} exited with {done.returncode}\n{done.stdout[-2000:]}")
    return done.stdout


def replace(argv: list[str], env: Mapping[str, str]) -> None:
    """Become another program: nothing of this one stays in between to forward signals."""
    sys.stdout.flush()
    os.execve(argv[0], argv, env)  # noqa: S606 - no shell is wanted


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group (0 only asks); False when nobody is left in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return False
    return True


def end(processes: Iterable[Process], grace: float) -> list[Process]:
    """End process groups: SIGTERM to their leaders, SIGKILL after `grace` seconds to what is left; leaders are reaped.

    A leader passes the signal on if its processes need one. Returns the processes whose groups had to be killed.
    """
    left = list(processes)
    for process in left:
        process.send_signal(signal.SIGTERM)
    left = _wait(left, grace)
    for process in left:
        signal_group(process.pid, signal.SIGKILL)
    _wait(left, KILLED_WAIT)
    return left


def _wait(processes: list[Process], bound: float) -> list[Process]:
    """Wait until the groups are empty, at most `bound` seconds; return those that are not."""
    deadline = time.monotonic() + bound
    while (left := [p for p in processes if p.poll() is None or signal_group(p.pid, 0)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.02)
    return left

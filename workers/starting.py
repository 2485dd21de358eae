"""The one file in `workers/` that starts programs: each by way of `confine.py`, and with nothing that it needs not."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from socket import socket

Process = subprocess.Popen[bytes]
StillRunningError = subprocess.TimeoutExpired

_CONFINE = Path(__file__).with_name("confine.py")
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def start(  # noqa: PLR0913 - the terms of a program belong together, and the caller names each
    argv: Sequence[str],
    *,
    cwd: Path,
    folder: Path | None = None,
    memory: int | None = None,
    cpu: int | None = None,
    file_size: int | None = None,
    nice: int = 0,
    stdin: socket | None = None,
    tunables: str | None = None,
) -> Process:
    """A program in a session of its own, its standard streams pipes, but for a given `stdin`; terms as `Children.run`.

    `folder`: where all its files are, if it is to reach no others; `tunables` are those of glibc, which others ignore.
    It dies with the calling thread (Linux).
    """
    limits = {"memory": memory, "cpu": cpu, "file_size": file_size, "nice": nice}
    terms = limits | {"parent": os.getpid(), "folder": str(folder) if folder else ""}
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_CONFINE), json.dumps(terms), *argv],
        cwd=cwd,
        env=_environment(cwd) | ({"GLIBC_TUNABLES": tunables} if tunables else {}),
        stdin=subprocess.PIPE if stdin is None else stdin.fileno(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )


def _environment(cwd: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "HOME": str(cwd), "TMPDIR": str(cwd), "LC_ALL": "C.UTF-8"}

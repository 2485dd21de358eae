"""Our side of the warden: the process that ends our children should we be killed."""

import contextlib
import os
import sys
from pathlib import Path

from ops import processes, warden_script


class Warden:
    """Tells the warden which process groups to end; starts it when there is something to tell.

    `grace` is how many seconds those groups have between SIGTERM and SIGKILL.
    """

    def __init__(self, grace: float = 6.0) -> None:
        self._grace = grace
        self._groups: set[int] = set()
        self._process: processes.Process | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process else None

    def guard(self, group: int) -> None:
        """Have a group ended with us."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        """Forget a group that has ended."""
        if group in self._groups:
            self._groups.discard(group)
            self._tell(f"-{group}\n")

    def look(self) -> None:
        """Replace the warden if it was killed itself."""
        if self._process and self._process.poll() is not None:
            self._process = None
            self._tell("".join(f"+{group}\n" for group in self._groups))

    def dismiss(self) -> None:
        """Let it go; it ends the groups that were not released and then itself."""
        if self._process and self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait(self._grace + 1)
            self._process = None

    def _tell(self, lines: str) -> None:
        if self._process is None:
            script = str(Path(warden_script.__file__))
            self._process = processes.start_with_pipe([sys.executable, "-I", "-S", script, str(self._grace)])
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):  # killed: the next look starts another
                os.write(self._process.stdin.fileno(), lines.encode())

"""`python -I -m workers.confined.template MODULE...`: has imported the decoders, and is forked for children.

It decodes nothing and reads nothing of anybody's: a byte on its standard input, a socket to the worker, brings the four
lines of a child (`workers/forked.py`). It has one thread, so that a fork is safe. When the worker is gone it ends, and
its children with it.
"""

import gc
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import NoReturn

from workers.confined.child import live

_LINES = 4  # of a child: its leash, requests, answers, errors
_WAKING = 4096  # bytes; a read of so many empties the pipe, or is followed by another


class Template:
    """The loop: fork when asked to, kill what is let go, and tell how each child ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._leashes: dict[int, int] = {}  # the descriptor, by the child's id
        self._lines = selectors.DefaultSelector()

    def serve(self) -> None:
        """Return when the worker is gone."""
        waking, awake = os.pipe()
        os.set_blocking(waking, False)
        os.set_blocking(awake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # else none would be reported to the descriptor
        signal.set_wakeup_fd(awake, warn_on_full_buffer=False)
        self._lines.register(self._control, selectors.EVENT_READ, self._fork)
        self._lines.register(waking, selectors.EVENT_READ, partial(self._reap, waking))
        while True:
            for key, _ in self._lines.select():
                act: Callable[[], None] = key.data
                act()

    def _fork(self) -> None:
        asked, lines, _, _ = socket.recv_fds(self._control, 1, _LINES)
        if not asked:
            self._end()
        parent, leash = os.getpid(), lines[0]
        with suppress(OSError):  # no process to be had: the worker sees its lines closed
            child = os.fork()
            if not child:
                live(parent, *lines[1:])
            self._leashes[child] = os.dup(leash)
            self._lines.register(self._leashes[child], selectors.EVENT_READ, partial(self._kill, child))
            self._tell(child, child)
        for line in lines:
            os.close(line)

    def _kill(self, child: int) -> None:
        """The worker never says anything on a leash: it has let go."""
        self._lines.unregister(self._leashes[child])
        for kill in (os.kill, os.killpg):  # it may not lead a group yet
            with suppress(ProcessLookupError, PermissionError):
                kill(child, signal.SIGKILL)

    def _reap(self, waking: int) -> None:
        with suppress(BlockingIOError):
            os.read(waking, _WAKING)
        for child in list(self._leashes):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                with suppress(ProcessLookupError, PermissionError):  # what it started, where it could start anything
                    os.killpg(child, signal.SIGKILL)
                self._tell(child, os.waitstatus_to_exitcode(status))
                leash = self._leashes.pop(child)
                with suppress(KeyError):
                    self._lines.unregister(leash)
                os.close(leash)

    def _tell(self, child: int, number: int) -> None:
        with suppress(OSError):
            os.write(self._leashes[child], b"%d\n" % number)

    def _end(self) -> NoReturn:
        for child in self._leashes:
            for kill in (os.kill, os.killpg):
                with suppress(ProcessLookupError, PermissionError):
                    kill(child, signal.SIGKILL)
        sys.exit()


def main(modules: list[str]) -> None:
    """Import all, then fork until the worker is gone."""
    for module in modules:
        import_module(f"workers.confined.{module}")
    gc.collect()
    gc.freeze()  # shared with all children for as long as nobody counts through it
    with socket.socket(fileno=0) as control:
        Template(control).serve()


if __name__ == "__main__":
    main(sys.argv[1:])

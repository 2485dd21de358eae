"""Decoders for a process that will die: forked off one that has imported them, where a worker starts a program."""

import gc
import os
import socket
import sys
from threading import Event

from workers import pool as pools
from workers.confine import tie
from workers.confined import template
from workers.pool import Pool


class Prepared(pools.Template):
    """The product's template, but for its beginning: importing the decoders anew for each life costs half a second."""

    def __init__(self) -> None:
        """Call it while the process has one thread."""
        self._control, theirs = socket.socketpair()
        self._started = []
        self._over = Event()
        parent = os.getpid()
        if not os.fork():
            try:
                self._control.close()
                gc.freeze()
                if sys.platform == "linux":
                    tie(parent)
                template.Template(theirs).serve()
            finally:
                os._exit(1)  # nothing of this process may go on as its parent
        theirs.close()


def pool() -> Pool:
    """A pool whose questions all lead to one such template."""
    prepared = Prepared()
    return Pool(_templates=dict.fromkeys(pools._WARM, prepared))  # noqa: SLF001 - there is nothing else to prepare

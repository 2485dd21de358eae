"""The warm pool: processes that have imported the decoders already, from which a child is forked for each file.

Forking costs 10 ms where starting Python and importing costs 100 to 200; a child that lives for one file can neither
see the next nor keep memory from the last.
"""

import sys
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket, socketpair

import structlog

from workers.forked import Forked, fork
from workers.room import Room
from workers.starting import Process, start

log = structlog.get_logger()

_WARM = (("inspect", "stills", "develop"), ("films", "animation"))
"""Questions that share a template. ffmpeg's libraries have one of their own: a fork that copies them costs twice."""

_ROOM = 2 * 2**30  # bytes; enough for any picture within the default limit of 100 MP
_FOLDER = Path("/")
_TAIL = 4096  # bytes kept of what a template says


@dataclass(frozen=True)
class Pool:
    """The templates of one worker process, each started when it is first needed and again when it has died.

    `room` is the memory of all its children together, `program` what Python runs as a template. Threads may share a
    pool; one that is dropped ends its templates, and they end with the process.
    """

    room: Room = field(default_factory=lambda: Room(_ROOM))
    program: tuple[str, ...] = ("-m", "workers.confined.template")
    _templates: "dict[tuple[str, ...], Template]" = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def template(self, question: str) -> "Template":
        """A living template for `workers.confined.QUESTION`; at once, it may have to start yet."""
        modules = next((group for group in _WARM if question in group), _WARM[0])
        with self._lock:
            known = self._templates.get(modules)
            if known is None or not known.alive:
                known = self._templates[modules] = Template(self.program, modules)
            return known


class Template:
    """One process to fork from. It is started, heard and reaped by a thread of its own."""

    def __init__(self, program: tuple[str, ...], modules: tuple[str, ...]) -> None:
        """Not waited for: what is sent meanwhile lies in the socket."""
        self._control, theirs = socketpair()
        self._started: list[Process] = []
        self._over = threading.Event()
        weakref.finalize(self, self._control.close)  # which ends the process
        keeping = ([sys.executable, "-I", *program, *modules], theirs, self._started, self._over)
        threading.Thread(target=_keep, args=keeping, name=f"template-{modules[0]}", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it has not been seen to end."""
        return not self._over.is_set()

    @property
    def pid(self) -> int | None:
        """The process's id, once it was started."""
        return self._started[0].pid if self._started else None

    def forget(self) -> None:
        """Take it for dead."""
        self._over.set()

    def fork(self) -> Forked:
        """A child to ask. That there is none, because the template has just died, is found out when it is asked."""
        return fork(self._control)


def _keep(argv: list[str], theirs: socket, started: list[Process], over: threading.Event) -> None:
    """Start a template and wait for its end; it dies with this thread, which lasts as long as the worker does."""
    tail = bytearray()
    try:
        with theirs:
            process = start(argv, cwd=_FOLDER, stdin=theirs)
        started.append(process)
        with process:
            while process.stderr and (said := process.stderr.read(_TAIL)):
                tail += said
                del tail[:-_TAIL]
        if process.returncode:
            log.warning("template_died", status=process.returncode, error=tail.decode(errors="replace")[-500:])
    except OSError as error:
        log.warning("template_not_started", error=str(error))
    finally:
        over.set()

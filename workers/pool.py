"""The warm pool: processes that have imported the decoders already, children forked from them, some of them kept.

Starting Python and importing costs 100 to 200 ms, forking 10 to 20, asking a child that is there already less than 1.
"""

import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from socket import socket, socketpair

import structlog

from workers.forked import Forked, fork
from workers.room import Room
from workers.starting import Process, start
from workers.waiting import Waiting

log = structlog.get_logger()

_WARM = _PHOTOS, _FILMS = ("inspect", "stills", "develop"), ("films", "packets", "discontinuities", "animation")
"""Questions that share a template. ffmpeg's libraries have one of their own: a fork that copies them costs twice."""

_KEPT = 4  # children that wait at once
_ROOM = 2 * 2**30  # bytes; enough for any picture within the default limit of 100 MP
_FOLDER = Path("/")
# One arena: what libvips' thread frees is used again. Huge pages, where the system gives them to who asks: fewer page
# faults. Decision 22 has the figures.
_TUNABLES = "glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1"
_TAIL = 4096  # bytes kept of what a template says


@dataclass(frozen=True)
class Terms:
    """What a child is given for its whole life, and for whose files: `owner` is a project, limits as `Children.ask`.

    `home` is the folder that its files are in; empty: it may be anywhere.
    """

    owner: str
    home: str
    memory: int
    cpu: int
    file_size: int


@dataclass(frozen=True)
class Pool:
    """The templates of one worker process, each started when it is first needed and again when it has died.

    `room` is the memory of all their children together, `files` how many one of them may see, `program` what Python
    runs as a template. Threads may share a pool; one that is dropped ends its templates, and they end with the process.
    """

    room: Room = field(default_factory=lambda: Room(_ROOM))
    files: int = 1
    program: tuple[str, ...] = ("-m", "workers.confined.template")
    _templates: "dict[tuple[str, ...], Template]" = field(default_factory=dict, repr=False)
    _waiting: Waiting[tuple[tuple[str, ...], Terms]] = field(default_factory=lambda: Waiting(_KEPT), repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def template(self, question: str) -> "Template":
        """A living template for `workers.confined.QUESTION`; at once, it may have to start yet."""
        modules = _modules(question)
        with self._lock:
            known = self._templates.get(modules)
            if known is None or not known.alive:
                known = self._templates[modules] = Template(self.program, modules)
            return known

    def fresh(self, question: str, terms: Terms, patience: Callable[[], None]) -> Forked:
        """A child that has seen nothing, once there is room for it; `patience` is called meanwhile, and may raise.

        It has its room until it is buried. Children that wait make room for it.
        """

        def wait() -> None:
            if not self._waiting.dismiss():
                patience()

        ticket = self.room.take(terms.memory, wait)
        return self.template(question).fork(partial(self.room.free, ticket))

    def used(self, question: str, terms: Terms) -> Forked | None:
        """A child that has answered before, on the same terms and nothing but soundly; None if there is none."""
        return self._waiting.take((_modules(question), terms))

    @property
    def waiting(self) -> int:
        """How many children wait for more."""
        return len(self._waiting)

    def stays(self, question: str, terms: Terms, child: Forked) -> bool:
        """Whether a child may wait for more after its next answer: none for films, none that takes most of the room."""
        return question not in _FILMS and 2 * terms.memory <= self.room.most and child.asked + 1 < self.files

    def release(self, question: str, terms: Terms, child: Forked) -> None:
        """Keep a child that waits for more; bury any other."""
        if child.waits:
            self._waiting.put((_modules(question), terms), child)
        else:
            child.bury()


def _modules(question: str) -> tuple[str, ...]:
    return _FILMS if question in _FILMS else _PHOTOS


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

    def fork(self, after: Callable[[], object]) -> Forked:
        """A child to ask. That there is none, because the template has just died, is found out when it is asked.

        `after` is called when it has been buried.
        """
        return fork(self._control, after)


def _keep(argv: list[str], theirs: socket, started: list[Process], over: threading.Event) -> None:
    """Start a template and wait for its end; it dies with this thread, which lasts as long as the worker does."""
    tail = bytearray()
    try:
        with theirs:
            process = start(argv, cwd=_FOLDER, stdin=theirs, tunables=_TUNABLES)
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

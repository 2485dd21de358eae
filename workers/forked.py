"""The worker's side of a child that was forked from a template: its questions, its answers, its end.

Four lines lead to it. On the leash its template says first the child's id and last how it ended, and kills it when the
worker lets go; the others are pipes for requests, answers, and what decoders print. An answer that speaks against
nobody is followed by a word: that the child waits for more, or that it has done.
"""

import json
import math
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from workers.endings import ChildDeadlineError, ChildOutputError, TemplateLostError, failure

_WAITS = b"\nmore\n"  # `workers/confined/child.py`
_ANSWER = 4 * 2**20  # bytes accepted
_TAIL = 4 * 2**10  # bytes kept
_READ = 2**16  # bytes, what a pipe holds
_TICK = 0.5  # seconds between looks at the clock
_DRAIN = 1.0  # seconds to wait for the pipes of a child that is gone
_KILLED = 5.0  # seconds to wait for a child that is being killed


class NotForkedError(TemplateLostError):
    """The template died before it had forked the child: nobody has seen the request."""


def fork(control: socket.socket, after: Callable[[], object]) -> "Forked":
    """A child of the template at the other end of `control`; if that is gone, the child will be found missing.

    `after` is called when it has been buried.
    """
    leash, far_leash = socket.socketpair()
    (far_requests, requests), (answers, far_answers), (errors, far_errors) = os.pipe(), os.pipe(), os.pipe()
    far = [far_leash.detach(), far_requests, far_answers, far_errors]
    with suppress(OSError):
        socket.send_fds(control, [b"f"], far)
    for descriptor in far:
        os.close(descriptor)
    return Forked((leash.detach(), requests, answers, errors), after)


class Forked:
    """One child, watched by the thread that asks it. The four descriptors are its own: `bury` closes them.

    `asked` counts its questions; `sound`: its last answer spoke against nobody; `waits`: it can be asked again.
    """

    def __init__(self, lines: tuple[int, int, int, int], after: Callable[[], object]) -> None:
        self.asked, self.sound, self.waits = 0, False, False
        self._leash, self._requests, self._answers, self._errors = lines
        self._after = after
        self._mutex = threading.Lock()
        self._ending: BaseException | None = None
        self._over_at = math.inf  # when to stop listening, once it is gone or should be
        self._leashed, self._answer, self._noted = bytearray(), bytearray(), bytearray()

    def end(self, error: BaseException) -> None:
        """Have it killed; `attend` then raises `error`. The first error stays."""
        with self._mutex:
            if self._ending is None:
                self._ending = error
                self._over_at = time.monotonic() + _KILLED
                with suppress(OSError), socket.socket(fileno=os.dup(self._leash)) as leash:
                    leash.shutdown(socket.SHUT_WR)

    def attend(self, question: str, terms: dict[str, Any], request: bytes, deadline: float) -> bytes:
        """Ask, listen, and hold it to its time in seconds, until it waits for more or is gone; returns the answer."""
        self.asked += 1
        self.sound = self.waits = False
        asked = json.dumps({"question": question, **terms}).encode()
        self._converse(bytearray(b"\n".join((asked, request, b""))), deadline)
        if self._ending is not None:
            raise self._ending
        self.waits = self._answer.endswith(_WAITS)
        if not self.waits:
            self._mourn()
        answer, _, word = bytes(self._answer).partition(b"\n")
        self.sound = word != b""
        return answer

    def idle(self) -> bool:
        """Whether it waits for more, as far as is known."""
        with suppress(BlockingIOError):  # nothing was said of its end
            self.waits = self._heed() and len(self._leashed.split()) == 1
        return self.waits and self._ending is None

    def bury(self) -> None:
        """Let go of it, once it is gone: the template kills it if it still runs."""
        if self.waits:
            self.end(TemplateLostError("dismissed"))
            self._converse(bytearray(), _KILLED)
        with self._mutex:
            self._ending = self._ending or TemplateLostError("buried")
            for descriptor in (self._leash, self._requests, self._answers, self._errors):
                os.close(descriptor)
        self._after()

    def _mourn(self) -> None:
        """Raise what its end says against it."""
        match self._leashed.split():
            case []:
                raise NotForkedError("the template died before it could fork")
            case [_]:
                raise TemplateLostError("the template died, and its children with it")
            case [_, status] if int(status):  # as `subprocess` has it
                raise failure(int(status), self._noted.decode(errors="replace"))

    def _converse(self, unsent: bytearray, deadline: float) -> None:
        ends_at = time.monotonic() + deadline
        self._answer.clear()
        self._noted.clear()
        with selectors.DefaultSelector() as lines:
            for line, event, handle in (
                (self._leash, selectors.EVENT_READ, self._heed),
                (self._requests, selectors.EVENT_WRITE, lambda: self._feed(unsent)),
                (self._answers, selectors.EVENT_READ, self._hear),
                (self._errors, selectors.EVENT_READ, self._note),
            ):
                os.set_blocking(line, False)
                lines.register(line, event, handle)
            while lines.get_map() and time.monotonic() < self._over_at and not self._answer.endswith(_WAITS):
                for key, _ in lines.select(_TICK):
                    goes_on: Callable[[], bool] = key.data
                    if not goes_on():
                        lines.unregister(key.fileobj)
                if time.monotonic() > ends_at:
                    self.end(ChildDeadlineError("child passed its deadline"))

    def _heed(self) -> bool:
        with suppress(ConnectionError):
            if said := os.read(self._leash, _READ):
                self._leashed += said
                return True
        self._over_at = min(self._over_at, time.monotonic() + _DRAIN)
        return False

    def _feed(self, unsent: bytearray) -> bool:
        with suppress(BrokenPipeError):  # it may do without the rest
            del unsent[: os.write(self._requests, unsent[:_READ])]
            return bool(unsent)
        return False

    def _hear(self) -> bool:
        data = os.read(self._answers, _READ)
        self._answer += data
        if len(self._answer) > _ANSWER:
            self._answer.clear()
            self.end(ChildOutputError(f"child wrote more than {_ANSWER} bytes"))
        return bool(data)

    def _note(self) -> bool:
        data = os.read(self._errors, _READ)
        self._noted += data
        del self._noted[:-_TAIL]
        return bool(data)

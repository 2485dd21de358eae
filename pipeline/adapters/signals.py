"""Signals that ask for the end, as an event."""

import os
import signal
import threading
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_event() -> threading.Event:
    """Return an event that Ctrl-C, SIGTERM and a closed terminal set; to be called from the main thread, and once.

    Python's own handlers run when the main thread comes to it, which may be never: the system may hand a signal to any
    thread (one that starts a process takes it from a main thread that is slow to wake), and the wait goes on as if
    nothing had been. Nor may a handler set an event: it can interrupt the very code that holds the event's lock. So a
    thread listens on the pipe to which Python writes the signal's number at once, whichever thread gets it.
    """
    stop = threading.Event()
    heard, told = os.pipe()
    os.set_blocking(told, False)  # as `set_wakeup_fd` wants it
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for number in ENDINGS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup means what it says
            signal.signal(number, _leave)
    threading.Thread(target=_listen, args=[heard, stop], name="signals", daemon=True).start()
    return stop


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Leave a signal to the pipe; without a handler Python would not write there."""


def _listen(heard: int, stop: threading.Event) -> None:
    while not stop.is_set():
        if os.read(heard, 1)[0] in ENDINGS:
            stop.set()

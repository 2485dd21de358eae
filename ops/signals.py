"""Signals that ask for the end, as an event."""

import signal
import threading
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_event() -> threading.Event:
    """Return an event that Ctrl-C, SIGTERM and a closed terminal set; to be called from the main thread."""
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in ENDINGS:
        signal.signal(number, ask)
    return stop

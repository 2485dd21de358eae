"""How a child process ends when it does not end well, as errors of the pipeline."""

import signal

from pipeline.errors import OutOfMemoryError, TransientError

_STARVED = ("Cannot allocate memory", "MemoryError", "bad_alloc")  # what libc, Python and C++ say


class ChildFailedError(TransientError):
    """The child ended with an error. Transient, for it may be the machine's fault; a stage that knows better says so.

    `returncode` is as in `subprocess`: negative for a signal. `stderr_tail` is for logs, never for the public.
    """

    def __init__(self, returncode: int, stderr_tail: str) -> None:
        """Keep both, and name the signal."""
        how = signal.Signals(-returncode).name if returncode < 0 else f"exit status {returncode}"
        super().__init__(f"child ended with {how}: {stderr_tail[-200:]}")
        self.returncode = returncode
        self.stderr_tail = stderr_tail


class ChildOutOfMemoryError(ChildFailedError, OutOfMemoryError):
    """The child could not get the memory it asked for, or was killed for taking it."""


class ExhaustedError(OutOfMemoryError):
    """The question needs more memory than this worker may ever give, and others may."""


class ChildDeadlineError(TransientError):
    """The child was killed at its deadline. Counts an attempt: a hostile file and a loaded machine look alike."""


class ChildStalledError(TransientError):
    """The child was killed because it showed no progress for too long."""


class ChildOutputError(TransientError):
    """The child was killed because it wrote more to its standard output than is read."""


class TemplateLostError(TransientError):
    """The process that the child was forked from is gone, and the child with it, or could not be started."""


def failure(returncode: int, stderr_tail: str) -> ChildFailedError:
    """The error that tells of such an end."""
    starved = returncode == -signal.SIGKILL or any(sign in stderr_tail for sign in _STARVED)
    return (ChildOutOfMemoryError if starved else ChildFailedError)(returncode, stderr_tail)

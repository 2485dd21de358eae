"""The last step before a decoder runs: take the rights away, then become it.

Run as `python -I -S confine.py TERMS COMMAND...`, TERMS being JSON. It is a program, not a function called between fork
and exec, because Python code in that gap can deadlock in a process that has threads.
"""

import json
import os
import resource
import signal
import sys
import time
from contextlib import suppress

# Linux, sys/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

_OPEN_FILES = 256

_SOON, _TRIES = 0.05, 20  # seconds between tries; the kernel lets others than root write `autogroup` ten times a second


def main() -> None:
    """Set the limits of TERMS on this process, tie its life to its parent's, and execute the command."""
    terms = json.loads(sys.argv[1])
    command = sys.argv[2:]
    if sys.platform == "linux":
        tie(terms["parent"])
        limit(resource.RLIMIT_AS, terms["memory"])
        expose()
    limit(resource.RLIMIT_CPU, terms["cpu"], margin=1)  # the soft limit's SIGXCPU says what it was, SIGKILL does not
    limit(resource.RLIMIT_FSIZE, terms["file_size"])
    limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    limit(resource.RLIMIT_CORE, 0)
    give_way(terms["nice"])
    # Python ignores these two, and a process hands on what it ignores.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def tie(parent: int) -> None:
    """Die when the thread that started this process does, and never gain a right again (Linux)."""
    import ctypes  # noqa: PLC0415 - costs 5 ms, and is of use on Linux alone

    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_PDEATHSIG, signal.SIGKILL), (_PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {option}")
    if os.getppid() != parent:  # it died before the signal was asked for
        sys.exit(1)


def expose() -> None:
    """Be killed before the worker when memory runs out, so that it lives to tell what its child died of (Linux).

    proc(5), `oom_score_adj`: anybody may raise their own, and 1000 comes before whoever has less. Forks inherit it.
    """
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as adjustment:  # noqa: PTH123 - no import
        adjustment.write("1000")


def give_way(nice: int) -> None:
    """Leave the processor to others.

    sched(7), "The autogroup feature": where Linux shares the processor by sessions first, the nice value counts within
    one alone, and the session has another. Only its leader changes that, so that nobody's terminal is slowed down.
    """
    os.nice(nice)
    if not nice or sys.platform != "linux" or os.getsid(0) != os.getpid():
        return
    for _ in range(_TRIES):
        try:
            with open("/proc/self/autogroup", "w") as group:  # noqa: PTH123 - no import
                group.write(str(nice))
        except BlockingIOError:
            time.sleep(_SOON)
        except OSError:  # there are no such groups here
            return
        else:
            return


def limit(what: int, most: int | None, margin: int = 0) -> None:
    """Bound a resource, softly to `most` and for good to `margin` more; None leaves it as it is."""
    if most is None:
        return
    _, hard = resource.getrlimit(what)
    given = hard if hard != resource.RLIM_INFINITY else sys.maxsize
    resource.setrlimit(what, (min(most, given), min(most + margin, given)))


if __name__ == "__main__":
    main()

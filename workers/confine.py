"""The last step before a decoder runs: take the rights away, then become it.

Run as `python -I -S confine.py TERMS COMMAND...`, TERMS being JSON. It is a program, not a function called between fork
and exec, because Python code in that gap can deadlock in a process that has threads.
"""

import json
import os
import resource
import signal
import stat
import struct
import sys
import time
from contextlib import suppress

# Linux, sys/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

_OPEN_FILES = 256

# linux/landlock.h; the numbers of its system calls are the same everywhere
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE, _READ, _LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FOLDER, _REMOVE, _MAKE_FOLDER, _MAKE = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_FIRST_RIGHTS, _REFER, _TRUNCATE = (1 << 13) - 1, 1 << 13, 1 << 14  # of versions 1, 2 and 3
_TCP, _OUTSIDE = 0b11, 0b11  # of version 4: bind, connect; of version 6: abstract sockets, signals
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE
_LOOK = _EXECUTE | _READ | _LIST
_OWN = _READ | _LIST | _WRITE | _TRUNCATE | _REMOVE | _REMOVE_FOLDER | _MAKE | _MAKE_FOLDER  # and no symbolic links

_SYSTEM = (
    *("/usr", "/bin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/localtime"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/sys/vm/overcommit_memory", "/sys/devices/system/cpu"),
    *("/dev/random", "/dev/urandom", "/dev/zero"),
)
"""What programs and their libraries read wherever they run; no home, no `/etc`, no other process."""

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
    if terms["folder"]:
        fence(terms["folder"], with_libraries(command[0]))
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


def fence(folder: str, also: list[str]) -> bool:
    """Reach no file any more but those of the system, what is named `also`, and, to write as well, those of a folder.

    landlock(7), from Linux 5.13 on, where the kernel was started with it; False where it is not there. Also no TCP, and
    no signals to others, where it knows of them. Needs `no_new_privs`, and one thread; holds for good, also for what is
    executed. Raises OSError.
    """
    import ctypes  # noqa: PLC0415

    version = landlock()
    if version < 1:
        return False
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number: int, *arguments: object) -> int:
        done: int = libc.syscall(ctypes.c_long(number), *arguments)
        if done < 0:
            raise OSError(ctypes.get_errno(), f"landlock {number}")
        return done

    handled = _FIRST_RIGHTS | (_REFER if version > 1 else 0) | (_TRUNCATE if version > 2 else 0)  # noqa: PLR2004
    terms = struct.pack("=QQQ", handled, _TCP if version > 3 else 0, _OUTSIDE if version > 5 else 0)  # noqa: PLR2004
    terms = terms[: 8 if version < 4 else 16 if version < 6 else 24]  # noqa: PLR2004
    rules = call(_CREATE_RULESET, terms, ctypes.c_size_t(len(terms)), ctypes.c_uint(0))
    places = [(each, _LOOK) for each in (*_SYSTEM, *also)]
    for path, rights in (*places, ("/dev/null", _READ | _WRITE), (folder, _OWN)):
        with suppress(FileNotFoundError):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = rights & handled & (-1 if stat.S_ISDIR(os.fstat(place).st_mode) else _OF_FILES)
            call(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", allowed, place), ctypes.c_uint(0))
            os.close(place)
    call(_RESTRICT_SELF, rules, ctypes.c_uint(0))
    os.close(rules)
    return True


def landlock() -> int:
    """The version of Landlock that this kernel has; 0 or less where it has none."""
    import ctypes  # noqa: PLC0415

    if sys.platform != "linux":
        return 0
    asked: int = ctypes.CDLL(None).syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), _VERSION)
    return asked


def python() -> list[str]:
    """Where this Python's modules and our own are, some of which are imported late."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - no import
    return [*{sys.prefix, sys.base_prefix}, here, os.path.join(os.path.dirname(here), "pipeline")]  # noqa: PTH118, PTH120


def with_libraries(program: str) -> list[str]:
    """A program, the libraries that lie beside it, as in `/opt/ffmpeg`, and those that the environment names."""
    real = os.path.realpath(program)
    beside, folder = os.path.split(os.path.dirname(real))  # noqa: PTH120
    libraries = [os.path.join(beside, name) for name in ("lib", "lib64")] if folder == "bin" else []  # noqa: PTH118
    return [real, *libraries, *filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))]


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

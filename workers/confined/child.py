"""A child's life: give up every right that decoding does not need, answer one question, end."""

import json
import os
import resource
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from workers.confine import limit, tie
from workers.confined.memory import SHARE
from workers.confined.serving import serve
from workers.confined.syscalls import give_up

_ANSWERS = 3
_DESCRIPTORS = 256  # more than a template ever has


def live(parent: int, requests: int, answers: int, errors: int) -> NoReturn:
    """Answer the question that comes by `requests`; called in a fresh fork of the process `parent`."""
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        if sys.platform == "linux":
            tie(parent)
        _keep_only(requests, answers, errors)
        with open(0, "rb", closefd=False) as lines:
            terms, request = json.loads(lines.readline()), json.loads(lines.readline())
        _confine(**terms["limits"])
        _settle(terms["cwd"])
        give_up()
        answer = serve(import_module(f"workers.confined.{terms['question']}").answer, request)
        with open(_ANSWERS, "wb", closefd=False) as reply:
            reply.write(answer)
    except BaseException:  # noqa: BLE001 - nothing of this process may go on as its parent
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    # Libraries' threads need no tidy end, and a decoder that crashes while ending must not spoil the answer.
    os._exit(0)


def memory_in_use() -> int:
    """Bytes of address space that this process has taken (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _keep_only(requests: int, answers: int, errors: int) -> None:
    """Decoders write what they like to the standard output: it leads where their errors go."""
    for descriptor, kept_as in ((requests, 0), (errors, 1), (errors, 2), (answers, _ANSWERS)):
        os.dup2(descriptor, kept_as)
    os.closerange(_ANSWERS + 1, _DESCRIPTORS)


def _confine(memory: int, cpu: int, file_size: int) -> None:
    if sys.platform == "linux":
        limit(resource.RLIMIT_AS, memory_in_use() + memory)
    SHARE.most = memory
    limit(resource.RLIMIT_CPU, cpu, margin=1)
    limit(resource.RLIMIT_FSIZE, file_size)


def _settle(folder: str) -> None:
    sys.dont_write_bytecode = True  # of a module that the template has not imported: it would be cut off at the limit
    os.chdir(folder)
    os.environ.update(HOME=folder, TMPDIR=folder)

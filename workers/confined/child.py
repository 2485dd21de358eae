"""A child's life: give up every right that decoding does not need, answer questions one after the other, end.

It ends by its own choice after an answer that speaks against a file, so that whoever met such a file sees no other, and
when it has used up so much of what it was given that the next question might want for it.
"""

import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from workers.confine import fence, limit, python, tie
from workers.confined.memory import SHARE
from workers.confined.serving import serve
from workers.confined.syscalls import give_up

_ANSWERS = 3
_DESCRIPTORS = 256  # more than a template ever has
_MORE, _DONE = b"\nmore\n", b"\ndone\n"  # behind an answer: `workers/forked.py`
_PATIENCE = 30.0  # seconds until a child that nobody asks gives its memory back
_MOST_CPU, _MOST_MEMORY = 0.5, 0.75  # of what it was given


def live(parent: int, requests: int, answers: int, errors: int) -> NoReturn:
    """Answer the questions that come by `requests`; called in a fresh fork of the process `parent`."""
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        if sys.platform == "linux":
            tie(parent)
        _keep_only(requests, answers, errors)
        with open(0, "rb", closefd=False) as lines, open(_ANSWERS, "wb", closefd=False) as replies:
            _serve(lines, replies)
    except BaseException:  # noqa: BLE001 - nothing of this process may go on as its parent
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    # Libraries' threads need no tidy end, and a decoder that crashes while ending must not spoil the answer.
    os._exit(0)


@dataclass(frozen=True)
class _Means:
    """What the child was given for all its life, and what it had when it began."""

    memory: int
    cpu: int
    taken: int
    descriptors: int

    @classmethod
    def given(cls, memory: int, cpu: int, file_size: int) -> "_Means":
        """Bound this process for good."""
        taken = 0
        if sys.platform == "linux":
            taken = memory_in_use()
            limit(resource.RLIMIT_AS, taken + memory)
        SHARE.most = memory
        limit(resource.RLIMIT_CPU, cpu, margin=1)
        limit(resource.RLIMIT_FSIZE, file_size)
        return cls(memory, cpu, taken, _open_descriptors())

    def suffice(self) -> bool:
        """Whether there is enough left for another file, and nothing left over from the last."""
        if time.process_time() > _MOST_CPU * self.cpu or _open_descriptors() != self.descriptors:
            return False
        return sys.platform != "linux" or memory_in_use() < self.taken + _MOST_MEMORY * self.memory


def _serve(lines: BinaryIO, replies: BinaryIO) -> None:
    means = None
    while (asked := lines.readline()) and (request := lines.readline()):
        terms: dict[str, Any] = json.loads(asked)
        if means is None:
            means = _Means.given(**terms["limits"])
            _settle(terms["cwd"])
            if terms["home"]:
                fence(terms["home"], python())
            give_up()
        else:
            _settle(terms["cwd"])
            os.scandir(".").close()  # raises where its fence is around another folder of that name, which was deleted
        answer, sound = serve(import_module(f"workers.confined.{terms['question']}").answer, json.loads(request))
        stays = sound and terms["stays"] and means.suffice()
        replies.write(answer + (b"" if not sound else _MORE if stays else _DONE))
        replies.flush()
        if not stays:
            return
        _settle("/")
        if not select.select([lines], [], [], _PATIENCE)[0]:
            return


def _open_descriptors() -> int:
    listed = Path("/proc/self/fd")
    return sum(1 for _ in listed.iterdir()) if listed.exists() else 0


def memory_in_use() -> int:
    """Bytes of address space that this process has taken (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _keep_only(requests: int, answers: int, errors: int) -> None:
    """Decoders write what they like to the standard output: it leads where their errors go."""
    for descriptor, kept_as in ((requests, 0), (errors, 1), (errors, 2), (answers, _ANSWERS)):
        os.dup2(descriptor, kept_as)
    os.closerange(_ANSWERS + 1, _DESCRIPTORS)


def _settle(folder: str) -> None:
    sys.dont_write_bytecode = True  # of a module that the template has not imported: it would be cut off at the limit
    os.chdir(folder)
    os.environ.update(HOME=folder, TMPDIR=folder)

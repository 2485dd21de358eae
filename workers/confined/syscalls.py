"""What a decoder never asks the kernel for, refused by a seccomp filter: the network, other processes, other programs.

It needs no rights beyond `no_new_privs`. Elsewhere than on Linux, and on processors that are not in the table, there is
none: the resource limits and the empty environment remain.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping
from types import MappingProxyType

# linux/prctl.h, linux/seccomp.h, linux/bpf_common.h
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_REFUSE, _ALLOW = 0x00050000, 0x7FFF0000  # SECCOMP_RET_ERRNO | errno, SECCOMP_RET_ALLOW
_LOAD, _IF_EQUAL, _IF_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_IF_FROM = 0x35
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # where they stand in `struct seccomp_data`, little-endian
_X32 = 0x40000000  # a second set of system calls on x86-64
_CLONE_THREAD = 0x00010000  # linux/sched.h

_COLUMNS: Mapping[str, tuple[int, int]] = MappingProxyType({"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)})
"""By machine: the column of the numbers below, and its AUDIT_ARCH of linux/audit.h."""

_NEVER: Mapping[str, tuple[int | None, int | None]] = MappingProxyType(
    {
        "socket": (41, 198),
        "socketpair": (53, 199),
        "connect": (42, 203),
        "bind": (49, 200),
        "listen": (50, 201),
        "accept": (43, 202),
        "accept4": (288, 242),
        "sendto": (44, 206),
        "sendmsg": (46, 211),
        "sendmmsg": (307, 269),
        "fork": (57, None),
        "vfork": (58, None),
        "execve": (59, 221),
        "execveat": (322, 281),
        "tkill": (200, 130),
        "pidfd_open": (434, 434),
        "pidfd_getfd": (438, 438),
        "pidfd_send_signal": (424, 424),
        "ptrace": (101, 117),
        "process_vm_readv": (310, 270),
        "process_vm_writev": (311, 271),
        "kcmp": (312, 272),
        "shmget": (29, 194),
        "semget": (64, 190),
        "msgget": (68, 186),
        "mq_open": (240, 180),
        "mount": (165, 40),
        "umount2": (166, 39),
        "pivot_root": (155, 41),
        "chroot": (161, 51),
        "open_tree": (428, 428),
        "move_mount": (429, 429),
        "fsopen": (430, 430),
        "fsmount": (432, 432),
        "mount_setattr": (442, 442),
        "open_by_handle_at": (304, 265),
        "unshare": (272, 97),
        "setns": (308, 268),
        "add_key": (248, 217),
        "request_key": (249, 218),
        "keyctl": (250, 219),
        "bpf": (321, 280),
        "perf_event_open": (298, 241),
        "userfaultfd": (323, 282),
        "io_uring_setup": (425, 425),
        "io_uring_enter": (426, 426),
        "io_uring_register": (427, 427),
        "init_module": (175, 105),
        "finit_module": (313, 273),
        "delete_module": (176, 106),
        "kexec_load": (246, 104),
        "personality": (135, 92),
    }
)
_CLONE, _CLONE3 = (56, 220), (435, 435)
_KILL, _TGKILL = (62, 129), (234, 131)


def give_up() -> bool:
    """Refuse all of that to this process, from now on and for good; returns whether it could be done."""
    known = _COLUMNS.get(platform.machine()) if sys.platform == "linux" else None
    if known is None:
        return False
    steps = _program(*known, os.getpid())
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    return bool(ctypes.CDLL(None).prctl(_PR_SET_SECCOMP, _MODE_FILTER, program, 0, 0) == 0)


def _program(column: int, architecture: int, pid: int) -> list[tuple[int, int, int, int]]:
    """Instructions of classic BPF (code, steps to jump if true, if false, operand).

    Threads may be started and the process may signal itself, as `abort` does; nothing else is cloned or killed.
    `clone3` hides its flags in memory: the C library falls back to `clone` when it hears ENOSYS.
    """
    refuse = (_RETURN, 0, 0, _REFUSE | errno.EPERM)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        refuse,
        (_LOAD, 0, 0, _NUMBER),
        (_IF_FROM, 0, 1, _X32),
        refuse,
        (_IF_EQUAL, 0, 1, _CLONE3[column]),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
    ]
    for numbers in _NEVER.values():
        if (number := numbers[column]) is not None:
            steps += [(_IF_EQUAL, 0, 1, number), refuse]
    for number, test, operand in (
        (_CLONE[column], _IF_BITS, _CLONE_THREAD),
        (_KILL[column], _IF_EQUAL, pid),
        (_TGKILL[column], _IF_EQUAL, pid),
    ):
        steps += [(_IF_EQUAL, 0, 3, number), (_LOAD, 0, 0, _FIRST_ARGUMENT), (test, 1, 0, operand), refuse]
        # The number is loaded anew for the next test; an allowed call is none of those that follow.
        steps.append((_LOAD, 0, 0, _NUMBER))
    return [*steps, (_RETURN, 0, 0, _ALLOW)]

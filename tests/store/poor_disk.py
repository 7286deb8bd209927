"""A limited file system, simulated: the kernel refuses system calls of a process as it would on such a disk.

A seccomp filter returns the errors to the real SQLite and the real `flock`, so no such disk is needed.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Callable

from tests.store.child import in_child

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _AND, _EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_FLAGS, _DESCRIPTOR = 16 + 3 * 8, 16 + 4 * 8
"""Offsets of two arguments of mmap(2) in the `seccomp_data` of the filter."""
_SHARED, _NO_FILE = 0x01, 0xFFFFFFFF
_NUMBERS = {"x86_64": {"flock": 73, "mmap": 9}, "aarch64": {"flock": 32, "mmap": 222}}
_Instruction = tuple[int, int, int, int]


def no_locks() -> list[_Instruction]:
    """Return a filter with which flock(2) fails like on NFS without a lock service."""
    return [
        (_LOAD, 0, 0, 0),
        (_EQUAL, 0, 1, _NUMBERS[platform.machine()]["flock"]),
        (_RETURN, 0, 0, _ERROR | errno.ENOLCK),
        (_RETURN, 0, 0, _ALLOW),
    ]


def no_shared_memory() -> list[_Instruction]:
    """Return a filter with which a shared mmap(2) of a file fails like on 9p and on FUSE with direct I/O."""
    return [
        (_LOAD, 0, 0, 0),
        (_EQUAL, 0, 6, _NUMBERS[platform.machine()]["mmap"]),
        (_LOAD, 0, 0, _FLAGS),
        (_AND, 0, 0, 0x0F),
        (_EQUAL, 0, 3, _SHARED),
        (_LOAD, 0, 0, _DESCRIPTOR),
        (_EQUAL, 1, 0, _NO_FILE),
        (_RETURN, 0, 0, _ERROR | errno.ENODEV),
        (_RETURN, 0, 0, _ALLOW),
    ]


def on_limited_disk(limit: Callable[[], list[_Instruction]], work: Callable[[], str]) -> str:
    """Return the result of `work` in a fork of this process that has this filter."""

    def restricted() -> str:
        _install(limit())
        return work()

    return in_child(restricted)


def _install(instructions: list[_Instruction]) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(instructions), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _FILTER, ctypes.addressof(program), 0, 0)):
        if libc.prctl(*(ctypes.c_ulong(argument) for argument in call)):
            raise OSError(ctypes.get_errno(), "the kernel rejects the filter")

"""Landlock: the kernel lets a program open only what was named before. Standard library only.

Raw system calls, because the C library has no functions for them. Needs no rights; a kernel before 5.13, or one that
was built or started without it, answers with an error, and then ``ruleset`` returns None.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

# The numbers are the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
# What each version of Landlock can forbid about files; the last one of the list also holds for later versions.
_FILES_BY_ABI = ((1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1, (1 << 15) - 1, (1 << 16) - 1)
_NETWORK_ABI, _BIND_AND_CONNECT = 4, 0b11
_SCOPE_ABI, _ABSTRACT_SOCKETS_AND_SIGNALS = 6, 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def abi(libc: ctypes.CDLL) -> int:
    """The version that the kernel offers; 0 for none."""
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)))


def ruleset(libc: ctypes.CDLL, *, places: Iterable[str], reads: Iterable[str], writes: Iterable[str]) -> int | None:
    """A descriptor for ``restrict``, or None where the kernel has no Landlock.

    places: files and folders that may be read and run; reads: only read; writes: files that may be read and written.
    Whatever does not exist is passed over. TCP is closed from version 4 on, abstract sockets and signals from 6 on.
    """
    version = abi(libc)
    if version == 0:
        return None
    files = _FILES_BY_ABI[min(version, len(_FILES_BY_ABI)) - 1]
    attributes = _Ruleset(files, _BIND_AND_CONNECT if version >= _NETWORK_ABI else 0,
                          _ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPE_ABI else 0)  # fmt: skip
    rules = int(libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(ctypes.sizeof(attributes)), 0))
    if rules < 0:
        return None
    for paths, rights in (
        (places, _EXECUTE | _READ_FILE | _READ_DIR),
        (reads, _READ_FILE | _READ_DIR),
        (writes, _READ_FILE | _WRITE_FILE | _TRUNCATE),
    ):
        for path in paths:
            _allow(libc, rules, path, rights & files)
    return rules


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= ~_READ_DIR
        rule = _PathBeneath(rights, descriptor)
        libc.syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)


def restrict(libc: ctypes.CDLL, rules: int) -> bool:
    """For the rest of this process and of whatever it becomes. Needs "no new privileges" before."""
    return bool(libc.syscall(_RESTRICT_SELF, rules, 0) == 0)

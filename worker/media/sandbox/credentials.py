"""Who the program is: root becomes a user that nobody else is, without rights. Standard library only.

A user of its own can signal nobody, write nobody's files and has a number of processes of its own. One right may stay,
to read files of others, and only where Landlock says which: the library, and often Python itself, are private to root.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Sequence

_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2
_CAPABILITY_VERSION = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH, _KILL = 1, 2, 5
_HOLDS_TRUNCATION = 3  # the Landlock version that does; before it the wider right would let a program empty files


def _capabilities(libc: ctypes.CDLL) -> int:
    """Bits of the permitted capabilities."""
    header, data = struct.pack("Ii", _CAPABILITY_VERSION, 0), ctypes.create_string_buffer(24)
    if libc.capget(ctypes.c_char_p(header), data) != 0:
        return 0
    words = struct.unpack("6I", data.raw)
    return int(words[1] | words[4] << 32)


def _keep(libc: ctypes.CDLL, bits: int) -> bool:
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    data = struct.pack("6I", low, low, low, high, high, high)
    return bool(libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(data)) == 0)


def _numbers(pid: int) -> tuple[int, int]:
    """Users that nobody is: far above all ranges in use; and one for containers, which know 65536 of them."""
    return 2_000_000_000 + pid, 61_184 + pid % 4096


def _can_read(user: int, paths: Sequence[str]) -> bool:
    group = os.getegid()
    os.setgroups([])
    os.setegid(user)
    os.seteuid(user)
    try:
        for path in paths:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    finally:
        os.seteuid(0)
        os.setegid(group)
    return True


def _right_to_read(held: int, landlock: int) -> int | None:
    """Which of root's rights the new user keeps for reading, as a bit; None when Landlock cannot bound it."""
    if landlock and held >> _DAC_READ_SEARCH & 1:
        return 1 << _DAC_READ_SEARCH
    if landlock >= _HOLDS_TRUNCATION and held >> _DAC_OVERRIDE & 1:
        return 1 << _DAC_OVERRIDE
    return None


def become_nobody(libc: ctypes.CDLL, *, program: str, reads: Sequence[str], writes: Sequence[str],
                  landlock: int) -> bool:  # fmt: skip
    """Root only: takes a user of its own, which then owns ``writes``. False: stays root, without root's rights.

    landlock: the version that will hold afterwards, 0 for none. It stays root where the new user could not read
    ``reads`` (without Landlock) or run ``program``, and where this one could not kill it.
    """
    held = _capabilities(libc)
    kept = _right_to_read(held, landlock)
    for user in _numbers(os.getpid()):
        try:
            if not held >> _KILL & 1 or not os.stat(program).st_mode & stat.S_IXOTH:
                break
            if kept is None and not _can_read(user, reads):
                break
            for path in writes:
                os.chown(path, user, user)
            libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        except OSError:
            continue  # no such user here
        bits = kept or 0
        _keep(libc, bits)
        if bits:
            libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, bits.bit_length() - 1, 0, 0)
        return True
    _keep(libc, held & (1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH))
    return False

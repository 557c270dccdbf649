"""Runs first inside a child process: takes rights away, then becomes the program. Standard library only.

``python -I -S launcher.py LIMITS_JSON PARENT_PID PROGRAM ARGUMENT...``

It is a program of its own, and not a ``preexec_fn``, because Python code between fork and exec can deadlock
in a process that has threads, and because forking a process that holds a model is slow.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def lower(which: int, value: int, grace: int = 0) -> None:
    """Lowers one limit; a hard limit that is lower already stays. ``grace``: hard limit above the soft one."""
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value, grace = min(value, hard), 0
    resource.setrlimit(which, (value, value + grace))


def leave_network(libc: ctypes.CDLL) -> bool:
    """Moves into an empty network namespace where that is permitted. Where it is not (containers without
    user namespaces), the protocol whitelist is what keeps FFmpeg from the network."""
    if libc.unshare(CLONE_NEWNET) == 0:
        return True
    if os.geteuid() == 0:  # a new user namespace would take root's right to read other people's files
        return False
    return bool(libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)


def main(argv: list[str]) -> None:
    limits = json.loads(argv[1])
    parent = int(argv[2])
    libc = ctypes.CDLL(None, use_errno=True)
    leave_network(libc)
    # After unshare: a change of credentials clears the death signal.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it died before the signal was armed
        os._exit(1)
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_CPU, int(limits["cpu_seconds"]), grace=5)  # SIGXCPU first, which tells why
    lower(resource.RLIMIT_FSIZE, int(limits["output_bytes"]))
    lower(resource.RLIMIT_NOFILE, int(limits["open_files"]))
    lower(resource.RLIMIT_AS, int(limits["memory_bytes"]))
    # A write past RLIMIT_FSIZE then fails with an error that can be reported, instead of killing the program.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    os.execv(argv[3], argv[3:])  # noqa: S606  (no shell is what we want)


if __name__ == "__main__":
    main(sys.argv)

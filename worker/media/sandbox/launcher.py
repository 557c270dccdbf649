"""Runs first inside a child process: takes rights away, then becomes the program. Standard library only.

Started as ``main([PROJECT, ORDER_JSON, PARENT_PID, PROGRAM, ARGUMENT...])``; ORDER_JSON is that of ``runner``. Each
layer stands alone: where the kernel refuses one, the others still hold. ``manage.py doctor`` says which do.

It is a program of its own, and not a ``preexec_fn``, because Python code between fork and exec can deadlock
in a process that has threads, and because forking a process that holds a model is slow.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
from collections.abc import Container

from worker.media.sandbox import credentials, landlock, seccomp

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWNET = 0x40000000
STATUS_FD = 3  # /proc/self/status of the program, which could not open it itself
_PROCESSES_OF_A_NAMESPACE = (5, 14)  # since this Linux a user namespace counts its own processes


def lower(which: int, value: int, grace: int = 0) -> None:
    """Lowers one limit; a hard limit that is lower already stays. ``grace``: hard limit above the soft one."""
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value, grace = min(value, hard), 0
    resource.setrlimit(which, (value, value + grace))


def enter_namespaces(libc: ctypes.CDLL, without: Container[str]) -> bool:
    """Moves into an empty network namespace, and without root into a user namespace, where that is permitted.

    Where it is not (many containers), the other layers hold. True: in a new user namespace.
    """
    network = 0 if "network" in without else CLONE_NEWNET | CLONE_NEWIPC
    if os.geteuid() == 0:  # a new user namespace would take root's right to read other people's files
        libc.unshare(network)
        return False
    if "user" in without and not network:
        return False
    return bool(libc.unshare(CLONE_NEWUSER | network) == 0)


def _kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(character for character in minor if character.isdigit()) or 0)


def _hand_over_status() -> None:
    with contextlib.suppress(OSError):
        status = os.open("/proc/self/status", os.O_RDONLY)
        if status != STATUS_FD:
            os.dup2(status, STATUS_FD)
            os.close(status)
        os.set_inheritable(STATUS_FD, True)


def main(argv: list[str]) -> None:
    order, parent, program = json.loads(argv[1]), int(argv[2]), argv[3:]
    limits, without = order["limits"], order["without"]
    libc = ctypes.CDLL(None, use_errno=True)
    _hand_over_status()
    own_user = enter_namespaces(libc, without)
    rules = None
    if "landlock" not in without:
        rules = landlock.ruleset(libc, places=order["places"], reads=order["reads"], writes=order["writes"])
    if os.geteuid() == 0 and "user" not in without:
        held = landlock.abi(libc) if rules is not None else 0
        own_user = credentials.become_nobody(libc, program=program[0], reads=[*order["places"], *order["reads"]],
                                             writes=order["writes"], landlock=held)  # fmt: skip
    elif own_user and _kernel() < _PROCESSES_OF_A_NAMESPACE:
        own_user = False
    # After unshare and setresuid: a change of credentials clears the death signal.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it died before the signal was armed
        os._exit(1)
    if rules is not None:
        landlock.restrict(libc, rules)
        os.close(rules)
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_CPU, int(limits["cpu_seconds"]), grace=5)  # SIGXCPU first, which tells why
    lower(resource.RLIMIT_FSIZE, int(limits["output_bytes"]))
    lower(resource.RLIMIT_NOFILE, int(limits["open_files"]))
    lower(resource.RLIMIT_AS, int(limits["memory_bytes"]))
    if own_user:  # the limit counts all processes of a user; it would hit others of the server's user
        lower(resource.RLIMIT_NPROC, int(limits["processes"]))
    # A write past RLIMIT_FSIZE then fails with an error that can be reported, instead of killing the program.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if "seccomp" not in without:
        seccomp.install(libc, writing=bool(order["writes"]))
    os.execv(program[0], program)  # noqa: S606  (no shell is what we want)

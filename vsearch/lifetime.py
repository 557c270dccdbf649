"""Processes that must not outlive the one that started them. Standard library only: the database keeper uses it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """From now on the kernel sends ``number`` to this process when its parent ends (Linux; elsewhere nothing)."""
    _prctl(_PR_SET_PDEATHSIG, number)


def preparing(number: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """A ``preexec_fn`` that ties the child to the calling process, also when that ends before the child looked."""
    parent = os.getpid()

    def prepare() -> None:
        die_with_parent(number)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def adopt_orphans() -> None:
    """Grandchildren whose parent died become children of this process instead of init's (Linux)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


class FileLock:
    """flock on a file. The kernel releases it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._descriptor: int | None = None

    def _take(self, operation: int) -> bool:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, operation)
        except BlockingIOError:
            return False
        return True

    def share(self) -> None:
        self._take(fcntl.LOCK_SH)

    def try_share(self) -> bool:
        return self._take(fcntl.LOCK_SH | fcntl.LOCK_NB)

    def own(self) -> None:
        self._take(fcntl.LOCK_EX)

    def try_own(self) -> bool:
        return self._take(fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

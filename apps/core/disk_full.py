"""A full disk, in whatever words it is reported."""

from __future__ import annotations

import errno

MESSAGE = "There is no space left on the server's disk. Reading and searching go on; free some space, then try again."
OUT_OF_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_POSTGRES_DISK_FULL = "53100"


def is_disk_full(error: BaseException) -> bool:
    """Whether ``error``, or the one that it was raised from, says so: the system (also by quota) or Postgres."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in OUT_OF_SPACE:
            return True
        if getattr(cause, "sqlstate", None) == _POSTGRES_DISK_FULL:
            return True
        cause = cause.__cause__
    return False

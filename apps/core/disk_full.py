"""A full disk, in whatever words it is reported."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError

MESSAGE = "There is no space left on the server's disk. Reading and searching go on; free some space, then try again."
OUT_OF_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
# disk_full, and read_only_sql_transaction: the embedded database takes no writes while the disk is full
_POSTGRES_STATES = frozenset({"53100", "25006"})


def is_disk_full(error: BaseException) -> bool:
    """Whether ``error``, or the one that it was raised from, says so: the system (also by quota) or Postgres."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in OUT_OF_SPACE:
            return True
        if getattr(cause, "sqlstate", None) in _POSTGRES_STATES:
            return True
        cause = cause.__cause__
    return False


@contextmanager
def unless_disk_full() -> Iterator[None]:
    """Around a write that whoever reads can do without: a full disk leaves it undone, and the answer goes on."""
    try:
        yield
    except DatabaseError as error:
        if not is_disk_full(error):
            raise

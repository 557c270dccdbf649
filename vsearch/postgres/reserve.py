"""Space on the disk that is kept for the embedded Postgres, so that a full disk leaves a library that can be read.

A server that cannot write its log (WAL) stops, and cannot start again while the disk is full. Then this file goes, and
in its place the server starts for reading only, so that nothing uses the space up. When there is space again, the file
comes back and the server may write.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

RESERVE_BYTES = 64 * 1024**2  # four segments of the log
TIGHT_BYTES = 32 * 1024**2  # with less, a server that has stopped would hardly start
WIDE_BYTES = 4 * RESERVE_BYTES  # with so much, the reserve is made


class Reserve:
    def __init__(self, cluster: Path) -> None:
        self._file = cluster.with_name(f"{cluster.name}.reserve")
        self._folder = cluster.parent

    @property
    def disk_is_full(self) -> bool:
        return self._free() < TIGHT_BYTES

    @property
    def disk_is_wide(self) -> bool:
        return self._free() >= WIDE_BYTES

    def make(self) -> None:
        """Hold the space if there is plenty; nothing otherwise, and nothing when it is held already."""
        if self._file.exists() or not self.disk_is_wide:
            return
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        except OSError:  # somebody else was faster, or the file system cannot
            self._file.unlink()
        finally:
            os.close(descriptor)

    def release(self) -> None:
        self._file.unlink(missing_ok=True)

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free

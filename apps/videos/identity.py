"""Whether a file is still the one that was read: by size, modification time and inode. Pure but for one stat."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    size_bytes: int
    modified_ns: int
    file_id: str = ""  # "device:inode"; "" in rows that were written before it was stored

    def same_as(self, other: Identity | None) -> bool:
        """True when nothing speaks for other content. The device is not compared: network and removable disks get
        another number at every mount."""
        if other is None or (self.size_bytes, self.modified_ns) != (other.size_bytes, other.modified_ns):
            return False
        return not self.file_id or not other.file_id or self.inode == other.inode

    @property
    def device(self) -> str:
        return self.file_id.partition(":")[0]

    @property
    def inode(self) -> str:
        return self.file_id.partition(":")[2]


def identity_of(path: Path) -> Identity | None:
    """Of the file that a path leads to; None when it is no regular file. Raises OSError."""
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        return None
    return identity_from(facts)


def identity_from(facts: os.stat_result) -> Identity:
    return Identity(facts.st_size, facts.st_mtime_ns, f"{facts.st_dev}:{facts.st_ino}")

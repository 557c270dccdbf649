"""Space on the disk, checked before work starts that will need it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from worker.media.errors import MediaError


def free_disk_bytes(path: str | os.PathLike[str]) -> int:
    """Bytes that we may still write below ``path``, which need not exist yet."""
    place = Path(path).absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def ensure_space(path: str | os.PathLike[str], needed: int) -> None:
    """Raises MediaError('no_space') unless ``needed`` bytes are free where ``path`` is or will be."""
    free = free_disk_bytes(path)
    if free < needed:
        raise MediaError("no_space", detail=f"{free} bytes free, {needed} needed")

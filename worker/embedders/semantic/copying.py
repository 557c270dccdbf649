"""Copying a model out of somebody's folder: the files of the folder, nothing that a link in it leads to elsewhere."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from worker.embedders.base import EmbedderError

WEIGHTS = ".safetensors"
WANTED = (WEIGHTS, ".json", ".txt", ".model")  # never pickles, never code
MOST_FILES = 200
LARGEST_TEXT_BYTES = 128 * 1024**2  # the largest tokenizers have a quarter of this
FREE_BYTES = 1024**3  # stay free: the database writes to the same disk
BLOCK_BYTES = 4 * 1024**2


def wanted(name: str) -> bool:
    return name.endswith(WANTED) and "/" not in name and not name.startswith(("flax_", "tf_", "rust_", "."))


def sizes_check(source: str, sizes: dict[str, int], folder: Path) -> None:
    """EmbedderError unless files of these sizes are a model and find room in ``folder``. A file with holes counts with
    its whole length: so long is its copy."""
    if not any(name.endswith(WEIGHTS) for name in sizes):
        raise EmbedderError(f"{source} has no {WEIGHTS} weights; pickled weights are not loaded.")
    if len(sizes) > MOST_FILES:
        raise EmbedderError(f"{source} has {len(sizes)} files; a model has at most {MOST_FILES}.")
    for name, size in sizes.items():
        if not name.endswith(WEIGHTS) and size > LARGEST_TEXT_BYTES:
            raise EmbedderError(f"{name} in {source} has {size / 1e6:.0f} MB, which is too large for such a file.")
    room = shutil.disk_usage(folder).free - FREE_BYTES
    if sum(sizes.values()) > room:
        raise EmbedderError(
            f"{source} has {sum(sizes.values()) / 1e9:.1f} GB, but only {max(room, 0) / 1e9:.1f} GB can be used "
            "on the disk of the data directory. Free some space, then install it again."
        )


def copy_model(local: Path, folder: Path, on_progress: Callable[[float], None]) -> None:
    """Copy the model in ``local`` into ``folder``. Whole files that are there are kept. Raises EmbedderError."""
    files = {file.name: _inside(file, local) for file in sorted(local.iterdir()) if wanted(file.name)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sizes_check(str(local), {name: _size(file) for name, file in files.items()}, folder)
        for number, (name, file) in enumerate(files.items(), start=1):
            _copy(file, folder / name)
            on_progress(number / len(files))
    except OSError as error:
        raise EmbedderError(f"{local} cannot be copied: {error.strerror}.") from error


def _inside(file: Path, local: Path) -> Path:
    """The file itself, or where a link leads within the folder, or within the hub's own cache around it."""
    place = Path(os.path.realpath(file))
    folders = [Path(os.path.realpath(local))]
    blobs = folders[0].parent.parent / "blobs"  # models--name/snapshots/revision links to models--name/blobs
    if folders[0].parent.name == "snapshots" and not blobs.is_symlink():
        folders.append(blobs)
    if not any(folder in place.parents for folder in folders):
        raise EmbedderError(
            f"{file.name} in {local} is a link to a place outside of the folder. Put the file itself there."
        )
    return place


def _size(file: Path) -> int:
    with _opened(file) as source:
        return os.fstat(source.fileno()).st_size


def _copy(file: Path, target: Path) -> None:
    part = target.with_suffix(target.suffix + ".part")
    try:
        with _opened(file) as source:
            left = os.fstat(source.fileno()).st_size  # not more, if it grows meanwhile
            if target.exists() and target.stat().st_size == left:
                return
            with part.open("wb") as copy:
                while left > 0 and (block := source.read(min(BLOCK_BYTES, left))):
                    copy.write(block)
                    left -= len(block)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """A regular file, opened without following a link that took its place, and without waiting for a pipe."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as source:
        if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            raise EmbedderError(f"{file.name} is no regular file.")
        yield source

"""Where files are, what they are called, and whether there is space for them.

An uploaded original becomes MEDIA_DIR/<video id>/original<ext>; its name is ours, and only a listed extension of the
client's name survives. An imported file stays in place and is never written to or removed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePath
from uuid import UUID

from django.conf import settings

from apps.core.disk_full import OUT_OF_SPACE
from apps.core.exceptions import InvalidInput
from apps.videos.exceptions import NoSpace, WrongType
from apps.videos.paths import path_text

# What browsers should be told; the keys are all extensions that vsearch takes. Never the client's word.
CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".qt": "video/quicktime",
    ".3gp": "video/3gpp",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
    ".ts": "video/mp2t",
    ".m2ts": "video/mp2t",
    ".mts": "video/mp2t",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
    ".vob": "video/mpeg",
    ".flv": "video/x-flv",
    ".wmv": "video/x-ms-wmv",
    ".asf": "video/x-ms-asf",
    ".ogv": "video/ogg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".png": "image/png",
    ".apng": "image/apng",
    ".avif": "image/avif",
    ".f4v": "video/mp4",
    ".mxf": "application/mxf",
    ".m2v": "video/mpeg",
    ".m1v": "video/mpeg",
}
VIDEO_EXTENSIONS = frozenset(CONTENT_TYPES)
RESERVE_BYTES = 256 * 1024**2  # kept free for the database and for posters and storyboards
CHUNK_BYTES = 1024**2


def extension_of(name: str) -> str:
    """The listed extension of ``name`` in lower case, or "" for any other."""
    extension = PurePath(name).suffix.lower()
    return extension if extension in VIDEO_EXTENSIONS else ""


def type_check(name: str) -> None:
    """Raise WrongType unless the name ends like a video."""
    if not extension_of(name):
        listed = ", ".join(sorted(extension[1:] for extension in VIDEO_EXTENSIONS))
        raise WrongType(
            f"{name or 'The file'} does not look like a video. vsearch reads: {listed}.",
            field="filename",
        )


def space_check(needed_bytes: int, *, promised_bytes: int = 0) -> None:
    """Raise NoSpace unless the disk takes ``needed_bytes`` beside what other uploads were promised and a reserve."""
    free = free_bytes() - promised_bytes
    if needed_bytes > free:
        raise no_space(needed_bytes=needed_bytes, free_bytes=max(0, free))


def free_bytes() -> int:
    """What uploads may use of the disk; negative when the reserve is touched."""
    folder = Path(settings.UPLOAD_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free - RESERVE_BYTES


def no_space(*, needed_bytes: int, free_bytes: int) -> NoSpace:
    return NoSpace(
        f"There is not enough space on the server's disk: {readable(needed_bytes)} are needed and "
        f"{readable(free_bytes)} are available. Free some space or delete videos, then try again."
    )


def readable(size_bytes: float) -> str:
    """1536 -> "1.5 KB"."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TB"


def file_sha256(path: Path, *, progress: Callable[[int], None] | None = None) -> str:
    """Hash a file chunk by chunk; ``progress`` gets the bytes read so far. InvalidInput when it cannot be read."""
    digest = hashlib.sha256()
    done = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done)
    except OSError as error:
        raise InvalidInput(f"{path_text(path)} cannot be read: {error.strerror}.", field="path") from error
    return digest.hexdigest()


def original_path(video_id: UUID, name: str) -> Path:
    """Where the uploaded original of a video lies."""
    return Path(settings.MEDIA_DIR) / str(video_id) / f"original{extension_of(name)}"


def is_managed(path: str | Path) -> bool:
    """True for a file that vsearch stored itself and may remove."""
    return bool(str(path)) and Path(settings.MEDIA_DIR) in Path(path).parents


def place_into(source: Path, target: Path) -> None:
    """Give ``target`` the bytes of ``source``, whole or not at all, and leave ``source`` where it is.

    On one disk both are names of the same bytes; else, or where a disk knows no second names, it is copied. Whoever
    writes rows about it removes the source after the commit: then a kill at any moment loses nothing, and all of it can
    be done again. NoSpace when the disk is full, FileNotFoundError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.part")
    partial.unlink(missing_ok=True)
    try:
        _second_name(source, partial)
        os.replace(partial, target)
        _settle(target.parent)
    except OSError as error:
        if error.errno in OUT_OF_SPACE:
            raise no_space(needed_bytes=source.stat().st_size, free_bytes=0) from error
        raise
    finally:
        partial.unlink(missing_ok=True)  # also left by a rename between two names of the same bytes


def _second_name(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(source, target)
        _settle(target)


def _settle(path: Path) -> None:
    """Survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folder_remove(video_id: UUID) -> None:
    """Remove everything that is stored for a video: its derived files and its uploaded original."""
    shutil.rmtree(Path(settings.MEDIA_DIR) / str(video_id), ignore_errors=True)

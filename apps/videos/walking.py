"""Which files of a folder an import looks at, and why it leaves out the others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from apps.videos.storage import VIDEO_EXTENSIONS
from apps.videos.subtitle_names import is_subtitle

WITHOUT_VIDEO = "subtitles that belong to no imported video"  # unless apps.videos.subtitle_files finds one
UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".tmp", ".!qb", ".filepart")
# Where systems and servers keep what people deleted, and what is theirs alone; in lower case.
RECYCLE_BINS = ("#recycle", "@recycle", "$recycle.bin", "recycler", "recycled", ".trash", ".recycle")
PICTURES = frozenset({".webp", ".png", ".apng", ".avif"})  # names of pictures that may move
PICTURE_HEAD = 64 * 1024
SINGLE_PICTURE = "a single picture"
SETTLED_SECONDS = 2.0  # a file that was changed this recently may still be growing
TRANSPORT_STREAM_SYNC = 0x47  # .ts is also the extension of TypeScript
TRANSPORT_STREAM_STARTS = (0, 4)  # .m2ts puts a time stamp of 4 bytes first


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or a folder that an import does not look into."""

    path: Path
    reason: str


def files_under(folder: Path) -> Iterator[Path | LeftOut]:
    """All files with a video's extension and the unfinished downloads of such, sorted, and what is left out.

    Links to folders are not followed, so that a loop cannot trap us.
    """
    unreadable: list[OSError] = []
    for root, folders, names in os.walk(folder, onerror=unreadable.append):
        left_out = {name: reason for name in folders if (reason := _reason_against_folder(Path(root) / name))}
        yield from (LeftOut(Path(root) / name, reason) for name, reason in sorted(left_out.items()))
        folders[:] = sorted(name for name in folders if name not in left_out)
        for name in sorted(names):
            path = Path(root) / name
            if name.startswith("."):
                yield LeftOut(path, "a hidden name")
            elif looks_like_video(name):
                yield LeftOut(path, SINGLE_PICTURE) if _is_single_picture(path) else path
            elif is_subtitle(name):
                yield LeftOut(path, WITHOUT_VIDEO)
            else:
                yield LeftOut(path, f"unsupported type ({path.suffix.lower() or 'no extension'})")
    for error in unreadable:
        yield LeftOut(Path(os.fsdecode(error.filename)), f"unreadable folder ({error.strerror})")


def _reason_against_folder(path: Path) -> str:
    name = path.name.lower()
    if name.startswith(RECYCLE_BINS):
        return "a recycle bin"
    if name.startswith((".", "@")):
        return "a hidden folder"
    return "a link to a folder" if path.is_symlink() else ""


def looks_like_video(name: str) -> bool:
    path = Path(name.lower())
    while path.suffix in UNFINISHED:
        path = path.with_suffix("")
    return path.suffix in VIDEO_EXTENSIONS


def reason_to_skip(path: Path) -> str:
    """Why a file is left alone for now, or "". Looks at its name, its state and its first bytes."""
    if path.suffix.lower() in UNFINISHED:
        return "an unfinished download"
    try:
        if not path.is_file():
            return "a dangling link" if path.is_symlink() and not path.exists() else "not a regular file"
        facts = path.stat()
        if path.suffix.lower() in {".ts", ".m2ts", ".mts"} and facts.st_size:
            with path.open("rb") as file:
                start = file.read(8)
            if not any(len(start) > at and start[at] == TRANSPORT_STREAM_SYNC for at in TRANSPORT_STREAM_STARTS):
                return "not a video despite its name"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return SINGLE_PICTURE if _is_single_picture(path) else ""


def _is_single_picture(path: Path) -> bool:
    """True for a PNG, WebP or AVIF that does not move, by its first bytes."""
    if path.suffix.lower() not in PICTURES:
        return False
    try:
        with path.open("rb") as file:
            head = file.read(PICTURE_HEAD)
    except OSError:
        return False
    if head.startswith(b"\x89PNG"):
        return b"acTL" not in head.partition(b"IDAT")[0]
    moves = head[8:16] == b"WEBPVP8X" and any(byte & 0x02 for byte in head[20:21])
    return not (moves or head[4:12] in (b"ftypavis", b"ftypmsf1"))


def is_growing(path: Path, *, wait: Callable[[float], None] = time.sleep) -> bool:
    """True when a file that was changed just now changes again within a second. Old files cost nothing."""
    try:
        before = path.stat()
        if time.time() - before.st_mtime > SETTLED_SECONDS:
            return False
        wait(1.0)
        after = path.stat()
    except OSError:
        return True
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)

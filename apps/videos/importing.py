"""Import of folders: which files count, which are known already, and what became of each.

A file that has the size and modification time it had at the last import is not read again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from django.db import transaction

from apps.core.exceptions import VSearchError
from apps.videos.editing import tags_clean
from apps.videos.models import ImportedFile, Tag, Video
from apps.videos.paths import path_text
from apps.videos.registration import video_register
from apps.videos.storage import VIDEO_EXTENSIONS, file_sha256

UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".tmp", ".!qb", ".filepart")
SETTLED_SECONDS = 2.0  # a file that was changed this recently may still be growing
TRANSPORT_STREAM_SYNC = 0x47  # .ts is also the extension of TypeScript
TRANSPORT_STREAM_STARTS = (0, 4)  # .m2ts puts a time stamp of 4 bytes first
MANIFEST = "manifest.json"


class Outcome(StrEnum):
    NEW = "new"
    KNOWN = "already known"
    MOVED = "moved"
    COPY = "same content"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Imported:
    """What became of one file; ``note`` says why, or which other file has the same content."""

    path: Path
    outcome: Outcome
    note: str = ""
    video: Video | None = None


@dataclass(frozen=True)
class Label:
    """What a manifest says about a file."""

    title: str = ""
    tags: tuple[str, ...] = field(default=())


def files_under(folder: Path) -> Iterator[Path]:
    """All files with a video's extension and the unfinished downloads of such, sorted; hidden ones are left out.

    Links to folders are not followed, so that a loop cannot trap us.
    """
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "@")))
        for name in sorted(names):
            if not name.startswith(".") and _looks_like_video(name):
                yield Path(root) / name


def _looks_like_video(name: str) -> bool:
    path = Path(name.lower())
    while path.suffix in UNFINISHED:
        path = path.with_suffix("")
    return path.suffix in VIDEO_EXTENSIONS


def reason_to_skip(path: Path) -> str:
    """Why a file is left alone for now, or "". Looks at its name, its state and its first bytes."""
    if path.suffix.lower() in UNFINISHED:
        return "an unfinished download"
    try:
        facts = path.stat()
        if not path.is_file():
            return "not a regular file"
        if path.suffix.lower() in {".ts", ".m2ts", ".mts"} and facts.st_size:
            with path.open("rb") as file:
                start = file.read(8)
            if not any(len(start) > at and start[at] == TRANSPORT_STREAM_SYNC for at in TRANSPORT_STREAM_STARTS):
                return "not a video despite its name"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""


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


def manifest_read(folder: Path) -> dict[str, Label]:
    """Titles and tags of DIR/manifest.json by path below DIR; empty when there is none or it is of another kind.

    ``{"videos": [{"file": "a.mp4", "title": "...", "tags": ["..."]}]}``; a bare list does as well.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = content
    if isinstance(content, dict):
        entries = [entry for value in content.values() if isinstance(value, list) for entry in value]
    labels: dict[str, Label] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("file"), str):
            tags = entry.get("tags") or []
            title = entry.get("title")
            labels[os.path.normpath(entry["file"])] = Label(
                title=title if isinstance(title, str) else "",
                tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
            )
    return labels


def file_import(
    *,
    path: Path,
    tags: Iterable[str] = (),
    label: Label | None = None,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Make one file part of the library, in place. Never raises for a bad file: that is an outcome."""
    label = label or Label()
    reason = reason_to_skip(path)
    if reason:
        return Imported(path, Outcome.SKIPPED, reason)
    try:
        sha256, known = _sha256_of(path, progress)
        names = tags_clean([*tags, *label.tags])
        existing = Video.objects.filter(sha256=sha256).first()
        if existing is not None and (known or existing.state != Video.State.FAILED):
            return _known(existing, path, names)
        video, created = video_register(
            path=path,
            original_name=path.name,
            source=Video.Source.IMPORT,
            sha256=sha256,
            title=label.title,
            tags=names,
        )
        _replaced(path, sha256)
    except VSearchError as error:
        return Imported(path, Outcome.SKIPPED, error.message)
    except OSError as error:
        return Imported(path, Outcome.SKIPPED, f"cannot be read ({error.strerror})")
    if created:
        return Imported(path, Outcome.NEW, video=video)
    return Imported(path, Outcome.KNOWN, "it failed before; trying again", video)


def _sha256_of(path: Path, progress: Callable[[int], None] | None) -> tuple[str, bool]:
    """The content's hash, and whether this very file was imported before."""
    facts = path.stat()
    row = ImportedFile.objects.filter(path=str(path)).first()
    if row is not None and (row.size_bytes, row.modified_ns) == (facts.st_size, facts.st_mtime_ns):
        return row.sha256, True
    sha256 = file_sha256(path, progress=progress)
    ImportedFile.objects.update_or_create(
        path=str(path),
        defaults={"size_bytes": facts.st_size, "modified_ns": facts.st_mtime_ns, "sha256": sha256},
    )
    return sha256, False


def _known(video: Video, path: Path, tags: list[str]) -> Imported:
    """The content is in the library. The path follows a file that was moved or renamed."""
    if tags:
        Tag.objects.bulk_create([Tag(name=name) for name in tags], ignore_conflicts=True)
        video.tags.add(*Tag.objects.filter(name__in=tags))
    if video.path == path_text(path):
        return Imported(path, Outcome.KNOWN, _state_note(video), video)
    if video.path and video.file.is_file():
        return Imported(path, Outcome.COPY, f"as {video.path}", video)
    if video.state == Video.State.FAILED and video.source == Video.Source.UPLOAD:
        return Imported(path, Outcome.KNOWN, _state_note(video), video)
    before = video.path
    Video.objects.filter(id=video.id).update(path=str(path), source=Video.Source.IMPORT)
    video.path = str(path)
    ImportedFile.objects.filter(path=before).delete()
    _replaced(path, video.sha256)
    return Imported(path, Outcome.MOVED, f"was {before}" if before else "", video)


def _state_note(video: Video) -> str:
    return f"failed: {video.failure}" if video.state == Video.State.FAILED else ""


@transaction.atomic
def _replaced(path: Path, sha256: str) -> None:
    """Another video had this path: its file was overwritten, so it must not play or index what is there now."""
    for other in Video.objects.select_for_update().filter(path=str(path)).exclude(sha256=sha256):
        copies = ImportedFile.objects.filter(sha256=other.sha256).exclude(path=str(path)).values_list("path", flat=True)
        other.path = next((copy for copy in copies if Path(copy).is_file()), "")
        other.save(update_fields=["path", "updated_at"])

"""Import of folders: content decides which video a file is, and every video ends with the path of its own content.

A file that has the size, modification time and inode it had at the last import is not read again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from apps.core.exceptions import VSearchError
from apps.videos.editing import tags_add, tags_clean, text_segments_write
from apps.videos.identical import places_check
from apps.videos.ingest import ingest_again
from apps.videos.models import ImportedFile, TextSegment, Video
from apps.videos.paths import path_from, path_text, readable_name
from apps.videos.presence import LOST, READ_AT_MOST, WHOLE, Place, file_place, presence_tell, videos_mark_missing
from apps.videos.registration import video_register
from apps.videos.relocation import (
    Content,
    content_of,
    copy_elsewhere,
    displace,
    inherit,
    only_the_case_differs,
    video_place,
)
from apps.videos.walking import reason_to_skip

MANIFEST = "manifest.json"
FILE_WAS_GONE = frozenset({"missing", "replaced"})  # failures that end when the file is there


class Outcome(StrEnum):
    NEW = "new"
    KNOWN = "already known"
    MOVED = "moved"
    COPY = "same content"
    REPLACED = "replaced"
    MISSING = "missing"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Imported:
    """What became of one file; ``note`` says why, or which other file has the same content."""

    path: Path
    outcome: Outcome
    note: str = ""
    video: Video | None = None
    displaced: tuple[Video, ...] = ()  # had this path before, and no copy of their content is known
    changed: tuple[UUID, ...] = ()  # videos whose file is missing now, or there again


@dataclass(frozen=True)
class Label:
    """What a manifest says about a file."""

    title: str = ""
    tags: tuple[str, ...] = field(default=())


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
        content = content_of(path, progress)
        names = tags_clean([*tags, *label.tags])
        displaced = tuple(displace(path, content.sha256))
        lost = [video.id for video in displaced]
        existing = Video.objects.filter(sha256=content.sha256).first()
        if existing is not None and (content.known or not _failed_for_good(existing)):
            result = _known(existing, path, content, names)
            return replace(result, displaced=displaced, changed=(*result.changed, *lost))
        video, created = video_register(
            path=path,
            original_name=path.name,
            source=Video.Source.IMPORT,
            sha256=content.sha256,
            title=label.title,
            tags=names,
        )
    except VSearchError as error:
        return Imported(path, Outcome.SKIPPED, error.message)
    except OSError as error:
        return Imported(path, Outcome.SKIPPED, f"cannot be read ({error.strerror})")
    if created:
        return Imported(path, Outcome.NEW, video=video, displaced=displaced, changed=tuple(lost))
    return Imported(path, Outcome.KNOWN, "it failed before; trying again", video, changed=tuple(lost))


def _failed_for_good(video: Video) -> bool:
    return video.state == Video.State.FAILED and video.failure_code not in FILE_WAS_GONE


def _known(video: Video, path: Path, content: Content, tags: list[str]) -> Imported:
    """The content is in the library. The path follows a file that was moved, renamed or swapped with another."""
    tags_add(video, tags)
    before = path_from(video.path)
    if video.path == path_text(path):
        changed = () if video.missing_since is None else (video.id,)
        video_place(video, path, content.identity)
        return Imported(path, Outcome.KNOWN, _tried_again(video) or _state_note(video), video, changed=changed)
    if file_place(video, read_up_to=WHOLE)[0] == Place.HERE and not only_the_case_differs(before, path):
        _name_known(video, path)
        return Imported(path, Outcome.COPY, f"as {video.path}", video)
    if video.state == Video.State.FAILED and video.source == Video.Source.UPLOAD:
        return Imported(path, Outcome.KNOWN, _state_note(video), video)
    was = video.path or video.original_name
    video_place(video, path, content.identity)
    again = _tried_again(video)
    return Imported(path, Outcome.MOVED, f"was {was}" + (f"; {again}" if again else ""), video, changed=(video.id,))


def _name_known(video: Video, path: Path) -> None:
    """A video is found by the names of all its files."""
    names = video.text_segments.filter(source=TextSegment.Source.NAME)
    if not names.filter(text=readable_name(path.name)).exists():
        text_segments_write(video)


def _tried_again(video: Video) -> str:
    if video.state != Video.State.FAILED or video.failure_code not in FILE_WAS_GONE:
        return ""
    ingest_again(video)
    return "its file was gone before; trying again"


def _state_note(video: Video) -> str:
    return f"failed: {video.failure}" if video.state == Video.State.FAILED else ""


def import_end(*, folder: Path | None, present: set[str], done: Sequence[Imported]) -> list[Imported]:
    """What only the whole pass shows: files that are gone or back, and new content in the place of what is gone.

    ``folder``: that was walked, None for a single file; ``present``: the paths (as text) that were found in it. A
    folder in which nothing was found may be a share that is not there: then nothing is marked.
    """
    found = _gone_and_back(folder, present) if folder is not None and present else []
    for result in done:
        found += _in_place_of(result)
    presence_tell({video_id for result in [*done, *found] for video_id in result.changed})
    return [result for result in found if result.outcome != Outcome.KNOWN]


def _gone_and_back(folder: Path, present: set[str]) -> list[Imported]:
    found = []
    root = path_text(folder).rstrip("/") + "/"
    rows = Video.objects.filter(source=Video.Source.IMPORT, path__startswith=root)
    looked_for = [
        video_id
        for video_id, path, since in rows.values_list("id", "path", "missing_since").iterator()
        if since is not None or path not in present
    ]
    for video in Video.objects.filter(id__in=looked_for).iterator():
        is_present = video.path in present
        place, identity = file_place(video, read_up_to=WHOLE if is_present else READ_AT_MOST)
        if is_present:
            if place == Place.HERE and identity is not None:
                video_place(video, video.file, identity)
                found.append(Imported(video.file, Outcome.KNOWN, changed=(video.id,)))
        elif place in LOST:
            found.append(_gone(video))
    videos_mark_missing([id_ for result in found if result.outcome == Outcome.MISSING for id_ in result.changed])
    known = ImportedFile.objects.filter(path__startswith=root)
    places_check([row for row in known.iterator() if (row.missing_since is None) != (row.path in present)])
    return found


def _gone(video: Video) -> Imported:
    copy = copy_elsewhere(video)
    if copy is not None:
        was = video.path
        video_place(video, *copy)
        return Imported(copy[0], Outcome.MOVED, f"was {was}", video, changed=(video.id,))
    if video.missing_since is not None:
        return Imported(video.file, Outcome.MISSING, f"since {video.missing_since:%Y-%m-%d}")
    return Imported(video.file, Outcome.MISSING, "it was here before", changed=(video.id,))


def _in_place_of(result: Imported) -> list[Imported]:
    """A new video in the place of one whose content is gone takes over what people wrote about that; what else lost
    its place is said."""
    new = result.video if result.outcome == Outcome.NEW else None
    gone = [*result.displaced, *(_gone_with_another_extension(result.path) if new is not None else [])]
    found = []
    for old in gone:
        old.refresh_from_db()
        if old.missing_since is None:
            continue  # its content was found elsewhere meanwhile
        if new is not None:
            taken = inherit(new, old)
            words = f"took over {_listed(taken)}" if taken else "there was nothing to take over"
            found.append(Imported(result.path, Outcome.REPLACED, f"new content under a known name; {words}", new))
            new = None
        elif old in result.displaced:
            found.append(Imported(result.path, Outcome.MISSING, f"other content has the place of {old.title}"))
    return found


def _gone_with_another_extension(path: Path) -> list[Video]:
    """clip.avi is gone and clip.mp4 came."""
    beside = path_text(path.with_suffix("")) + "."
    gone = Video.objects.filter(missing_since__isnull=False, path__startswith=beside).order_by("-missing_since")
    return [video for video in gone if video.file.stem == path.stem and video.file != path]


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]

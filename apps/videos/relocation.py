"""Which path a video has: it follows its content when files are moved, renamed, swapped or overwritten."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from apps.core.exceptions import InvalidInput
from apps.videos.editing import TAGS_A_VIDEO, text_segments_write, video_update
from apps.videos.identity import Identity, identity_of
from apps.videos.models import ImportedFile, Video
from apps.videos.paths import path_from, path_text, readable_name
from apps.videos.registration import title_from
from apps.videos.storage import file_sha256


@dataclass(frozen=True, slots=True)
class Content:
    sha256: str
    identity: Identity
    known: bool  # this very file was read by an import before


def content_of(path: Path, progress: Callable[[int], None] | None = None) -> Content:
    """What is at a path now; read only when the file is not the one that an import read there before.

    Raises OSError, and InvalidInput for what cannot be read or changes meanwhile.
    """
    identity = identity_of(path)
    if identity is None:
        raise InvalidInput("not a regular file", field="path")
    row = ImportedFile.objects.filter(path=path_text(path)).first()
    known = row is not None and identity.same_as(row.identity)
    if row is not None and known and row.file_id == identity.file_id and row.missing_since is None:
        return Content(row.sha256, identity, True)
    sha256 = row.sha256 if row is not None and known else file_sha256(path, progress=progress)
    if identity_of(path) != identity:
        raise InvalidInput("it changed while it was read", field="path")
    ImportedFile.objects.update_or_create(
        path=path_text(path),
        defaults={
            "size_bytes": identity.size_bytes,
            "modified_ns": identity.modified_ns,
            "file_id": identity.file_id,
            "sha256": sha256,
            "missing_since": None,
        },
    )
    return Content(sha256, identity, known)


@transaction.atomic
def video_place(video: Video, path: Path, identity: Identity) -> None:
    """The content of the video is at ``path``. A title that was taken from the name of the file follows it."""
    text = path_text(path)
    if (video.path, video.identity, video.missing_since) == (text, identity, None):
        return
    before = video.path
    if before != text and video.title == title_from(None, video.original_name):
        video.title = title_from(None, path.name)
    if before != text:
        video.original_name = readable_name(path.name)[:300]
        video.source = Video.Source.IMPORT
    video.path, video.missing_since = text, None
    video.size_bytes, video.modified_ns, video.file_id = identity.size_bytes, identity.modified_ns, identity.file_id
    video.save(
        update_fields=["title", "original_name", "path", "source", "missing_since", "size_bytes", "modified_ns",
                       "file_id", "updated_at"]
    )  # fmt: skip
    if before != text:
        if before and not os.path.lexists(path_from(before)):
            ImportedFile.objects.filter(path=before).delete()
        text_segments_write(video)


def copy_elsewhere(video: Video) -> tuple[Path, Identity] | None:
    """Another path at which an import has read this content, and which has not changed since."""
    for row in ImportedFile.objects.filter(sha256=video.sha256).exclude(path=video.path).order_by("path"):
        path = path_from(row.path)
        try:
            identity = identity_of(path)
        except OSError:
            continue
        if identity is not None and identity.same_as(row.identity):
            return path, identity
    return None


def displace(path: Path, sha256: str) -> list[Video]:
    """Other videos had this path, which has the content ``sha256`` now: they must not play or index it.

    Returns those of which no copy is known; their path is empty until an import finds their content.
    """
    lost = []
    for other in Video.objects.filter(path=path_text(path)).exclude(sha256=sha256):
        copy = copy_elsewhere(other)
        if copy is not None:
            video_place(other, *copy)
        else:
            other.path, other.missing_since = "", other.missing_since or timezone.now()
            other.save(update_fields=["path", "missing_since", "updated_at"])
            lost.append(other)
    return lost


def inherit(video: Video, old: Video) -> list[str]:
    """``video`` took the place of ``old``, whose content is gone: take over what people wrote. Returns what it was.

    What reviewers decided follows when the two turn out to be copies of each other: apps.duplicates.review.decisions.
    """
    Video.objects.filter(id=video.id).update(successor_of=old)
    video.successor_of = old
    taken = []
    title = description = tags = None
    if old.title != title_from(None, old.original_name) and video.title == title_from(None, video.original_name):
        title = old.title
        taken.append("title")
    if old.description and not video.description:
        description = old.description
        taken.append("description")
    mine, theirs = ([tag.name for tag in one.tags.all()] for one in (video, old))
    if set(theirs) - set(mine):
        tags = list(dict.fromkeys([*mine, *theirs]))[:TAGS_A_VIDEO]
        taken.append("tags")
    if taken:
        video_update(video_id=video.id, title=title, description=description, tags=tags)
    return taken


def only_the_case_differs(old: Path, new: Path) -> bool:
    """True when both lead to one file whose name was written otherwise, on a disk that takes the old name as well."""

    def folded(path: Path) -> str:
        return unicodedata.normalize("NFC", str(path)).casefold()

    try:
        return folded(old) == folded(new) and old.samefile(new) and old.name not in os.listdir(old.parent)
    except OSError:
        return False

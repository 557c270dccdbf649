"""Whether the file of a video is where the video says, and still has its content.

``missing_since`` of a video is what was found last. It is set when the path leads to nothing or to other content, and
cleared when the file is there again. A folder that cannot be reached (a share that is not mounted) says nothing about
its files, so nothing is marked then. Nothing is ever deleted.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from django.utils import timezone

from apps.core.exceptions import InvalidInput
from apps.videos.identity import Identity, identity_of
from apps.videos.models import Video
from apps.videos.storage import file_sha256

# While somebody waits for a page, a file of the same size with another time is read only up to this size.
READ_AT_MOST = 64 * 1024**2
WHOLE = math.inf

_listeners: list[Callable[[set[UUID]], None]] = []


class Place(StrEnum):
    HERE = "here"
    MISSING = "missing"
    REPLACED = "replaced"  # something else has its path
    AWAY = "away"  # its folder cannot be reached

    @property
    def words(self) -> str:
        return _WORDS[self]


LOST = frozenset({Place.MISSING, Place.REPLACED})
_WORDS = {
    Place.HERE: "",
    Place.MISSING: "The file of this video is missing: it was moved or removed. "
    "Put it back where it was, or import its new folder.",
    Place.REPLACED: "The file of this video is missing: another file has its place now. Import its folder again.",
    Place.AWAY: "The folder of this video cannot be reached now. Is its disk or share connected?",
}


def file_place(video: Video, *, read_up_to: float = READ_AT_MOST) -> tuple[Place, Identity | None]:
    """Where the file is, and its identity when that is known to belong to the video's content.

    Costs one stat. A file of the same size whose time or inode differ is read, if it has at most ``read_up_to`` bytes;
    a larger one counts as the same, but its identity is not returned.
    """
    if not video.path:
        return Place.MISSING, None
    try:
        now = identity_of(video.file)
    except (FileNotFoundError, NotADirectoryError):
        return (Place.AWAY if folder_is_away(video.file, video.identity) else Place.MISSING), None
    except OSError:
        return Place.AWAY, None
    if now is None:
        return Place.REPLACED, None
    if now.same_as(video.identity):
        return Place.HERE, now
    if video.size_bytes and now.size_bytes != video.size_bytes:
        return Place.REPLACED, None
    if video.identity is None and read_up_to < WHOLE and video.missing_since is None:
        return Place.HERE, now  # an old row: nothing is known but the path and the size
    if now.size_bytes > read_up_to or (video.missing_since and read_up_to < WHOLE):
        return (Place.REPLACED if video.missing_since else Place.HERE), None
    try:
        same = file_sha256(video.file) == video.sha256
    except InvalidInput:
        return Place.AWAY, None
    return (Place.HERE, now) if same else (Place.REPLACED, None)


def folder_is_away(file: Path, known: Identity | None) -> bool:
    """True when the folder of a file that is not there cannot be reached, or is the empty one that a mount leaves.

    ``known``: the identity that the file had."""
    folder = Path(os.path.realpath(file)).parent
    try:
        device = str(folder.stat().st_dev)
        with os.scandir(folder) as entries:
            empty = next(entries, None) is None
    except OSError:
        return True
    return empty and (known is None or known.device != device)


def video_check(video: Video, *, read_up_to: float = READ_AT_MOST) -> Place:
    """Look for the file and store what was found, in the row and in ``video``."""
    place, identity = file_place(video, read_up_to=read_up_to)
    if place == Place.AWAY:
        return place
    here, was_missing = place == Place.HERE, video.missing_since is not None
    found = identity if here and identity is not None else video.identity
    if found == video.identity and here != was_missing:
        return place
    known = {} if found is None else asdict(found)
    values = {**known, "missing_since": None if here else video.missing_since or timezone.now()}
    # An import may have given the video another path since its row was read: then this look says nothing.
    if Video.objects.filter(id=video.id, path=video.path).update(**values):
        for name, value in values.items():
            setattr(video, name, value)
        if here == was_missing:
            presence_tell([video.id])
    return place


def missing_check() -> None:
    """Look again for what is missing, so that it ends by itself when a file or a share is back."""
    videos_check(Video.objects.filter(missing_since__isnull=False).exclude(path="").iterator(), read_up_to=WHOLE)


def videos_check(videos: Iterable[Video], *, read_up_to: float = READ_AT_MOST) -> dict[UUID, Place]:
    return {video.id: video_check(video, read_up_to=read_up_to) for video in videos}


def videos_mark_missing(video_ids: Collection[UUID]) -> None:
    Video.objects.filter(id__in=video_ids, missing_since=None).update(missing_since=timezone.now())


def presence_listener_register(listener: Callable[[set[UUID]], None]) -> None:
    """``listener`` gets the ids of videos whose files are missing now, or back; its app registers it in ready()."""
    if listener not in _listeners:
        _listeners.append(listener)


def presence_tell(video_ids: Collection[UUID]) -> None:
    """Call it outside a transaction that has changed videos: who listens takes locks of its own."""
    if video_ids:
        for listener in _listeners:
            listener(set(video_ids))

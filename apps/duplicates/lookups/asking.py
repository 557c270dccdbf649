"""Asks where a video exists already: a file, a video of the library, or a span of one."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path, PurePath
from uuid import UUID, uuid4, uuid5

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from apps.core.exceptions import Conflict, InvalidInput, NotFound
from apps.core.jobs import enqueue
from apps.core.timespan import timecode
from apps.duplicates.job_kinds import LOOKUP
from apps.duplicates.lookups.files import lookups_folder
from apps.duplicates.models import Lookup
from apps.videos.models import Video
from apps.videos.paths import readable_name
from apps.videos.storage import extension_of, place_into

MIN_SPAN_SECONDS = 2.0
END_SLACK_SECONDS = 1.0  # people type whole seconds, videos end between them


def lookup_create(
    *,
    path: str | Path | None = None,
    file_name: str = "",
    video_id: UUID | None = None,
    start: float | None = None,
    end: float | None = None,
    owner: User | None = None,
    session_key: str = "",
) -> Lookup:
    """Ask where a file, or a video of the library, exists already: the row and its job in one transaction.

    The file at ``path`` must be ours (in UPLOAD_DIR), and the caller removes it after its own transaction; its bytes
    are kept until the lookup expires, and never enter the library by themselves. With ``start`` or ``end`` (seconds of
    a library video) only that span asks; the other one is then the beginning or the end of the video. Raises
    InvalidInput, NotFound or Conflict.
    """
    if (path is None) == (video_id is None):
        raise InvalidInput("Send either a file or the id of a video in the library.", field="file")
    if video_id is None and (start is not None or end is not None):
        raise InvalidInput("A part can be chosen only of a video in the library.", field="start")
    if owner is None and not session_key:
        raise InvalidInput("A lookup belongs to a person or to a session.")
    lookup = Lookup(
        id=uuid4() if path is None else _id_for(Path(path)),
        owner=owner,
        session_key="" if owner is not None else session_key,
        expires_at=timezone.now() + timedelta(days=settings.LOOKUP_DAYS),
        stage="waiting",
    )
    if video_id is not None:
        video = Video.objects.filter(id=video_id).first()
        if video is None:
            raise NotFound("There is no such video. It may have been deleted.")
        if video.state != Video.State.READY:
            raise Conflict("This video is not indexed yet. Try again when it is ready.")
        lookup.video, lookup.file_name = video, video.original_name
        if start is not None or end is not None:
            span = span_checked(start, end, video.duration_seconds or 0.0)
            lookup.start_seconds, lookup.end_seconds = span
    else:
        lookup.file_name = readable_name(PurePath(file_name.replace("\\", "/")).name).strip()[:300] or "video"
        lookup.path = str(lookups_folder() / f"{lookup.id}{extension_of(lookup.file_name)}")
    with transaction.atomic():
        lookup.save(force_insert=True)
        enqueue(kind=LOOKUP, subject_id=lookup.id, title=lookup.file_name)
        if path is not None:
            # Before the commit: the worker that sees the row finds the file.
            place_into(Path(path), Path(lookup.path))
    return lookup


def _id_for(path: Path) -> UUID:
    """The same in every attempt for one upload, whose id is the name of its file: see apps.videos.registration."""
    try:
        return uuid5(UUID(path.stem), "lookup")
    except ValueError:
        return uuid4()


def span_checked(start: float | None, end: float | None, duration: float) -> tuple[float, float]:
    """The span in seconds, from the beginning and to the end where nothing is said. Raises InvalidInput."""
    first, last = (0.0 if start is None else start), (duration if end is None else end)
    if not math.isfinite(first) or first < 0:
        raise InvalidInput("The part must start at 0 seconds or later.", field="start")
    if first >= duration:
        raise InvalidInput(f"The part starts after the end of the video ({timecode(duration)}).", field="start")
    if not math.isfinite(last) or last > duration + END_SLACK_SECONDS:
        raise InvalidInput(f"The part ends after the end of the video ({timecode(duration)}).", field="end")
    last = min(last, duration)
    if last <= first:
        raise InvalidInput("The part must end after it starts.", field="end")
    if last - first < MIN_SPAN_SECONDS <= duration:
        raise InvalidInput("Choose at least 2 seconds: less cannot be recognised.", field="end")
    return first, last

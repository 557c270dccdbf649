"""Lookups: asking, following, expiring, and adding the asked file to the library."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.core.exceptions import Conflict, Expired, InvalidInput, NotFound
from apps.core.models import Job
from apps.core.services import jobs_drop
from apps.core.timespan import timecode
from apps.duplicates.answers import answer_matches
from apps.duplicates.assets import found_assets
from apps.duplicates.matches import FoundMatch
from apps.duplicates.models import Lookup
from apps.duplicates.pictures import Drawn, lookup_pictures_store
from apps.duplicates.wording import OURS, SPAN, YOURS
from apps.videos.indexing import TRANSIENT_FAILURES
from apps.videos.models import Video
from apps.videos.services import video_register
from apps.videos.storage import extension_of, move_into
from vsearch.jobs import JobKind, enqueue

FOLDER = "lookups"  # inside UPLOAD_DIR
MIN_SPAN_SECONDS = 2.0
END_SLACK_SECONDS = 1.0  # people type whole seconds, videos end between them
ORPHAN_SECONDS = 24 * 3600.0
CANCELLED = "This lookup was cancelled. Ask again whenever you like."


def lookup_create(
    *,
    path: str | Path | None = None,
    file_name: str = "",
    video_id: UUID | None = None,
    start: float | None = None,
    end: float | None = None,
    owner: Any = None,
    session_key: str = "",
) -> Lookup:
    """Ask where a file, or a video of the library, exists already: the row and its job in one transaction.

    The file at ``path`` must be ours (in UPLOAD_DIR); it is moved, kept until the lookup expires, and never enters
    the library by itself. With ``start`` or ``end`` (seconds of a library video) only that span asks; the other one
    is then the beginning or the end of the video. Raises InvalidInput, NotFound or Conflict.
    """
    if (path is None) == (video_id is None):
        raise InvalidInput("Send either a file or the id of a video in the library.", field="file")
    if video_id is None and (start is not None or end is not None):
        raise InvalidInput("A span can be chosen of a video in the library only.", field="start")
    if owner is None and not session_key:
        raise InvalidInput("A lookup belongs to a person or to a session.")
    lookup = Lookup(
        id=uuid4(),
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
            raise Conflict("This video is not indexed yet. Ask again when it is ready.")
        lookup.video, lookup.file_name = video, video.original_name
        if start is not None or end is not None:
            span = span_checked(start, end, video.duration_seconds or 0.0)
            lookup.start_seconds, lookup.end_seconds = span
    else:
        lookup.file_name = PurePath(file_name.replace("\\", "/").replace("\x00", "")).name.strip()[:300] or "video"
        lookup.path = str(lookups_folder() / f"{lookup.id}{extension_of(lookup.file_name)}")
    with transaction.atomic():
        lookup.save(force_insert=True)
        enqueue(kind=JobKind.LOOKUP, subject_id=lookup.id, title=lookup.file_name)
        if path is not None:
            # Before the commit: the worker that sees the row finds the file.
            move_into(Path(path), Path(lookup.path))
    return lookup


def span_checked(start: float | None, end: float | None, duration: float) -> tuple[float, float]:
    """The span in seconds, from the beginning and to the end where nothing is said. Raises InvalidInput."""
    first, last = (0.0 if start is None else start), (duration if end is None else end)
    if not math.isfinite(first) or first < 0:
        raise InvalidInput("The span must begin at a second of the video, 0 or later.", field="start")
    if first >= duration:
        raise InvalidInput(f"The span begins behind the end of the video ({timecode(duration)}).", field="start")
    if not math.isfinite(last) or last > duration + END_SLACK_SECONDS:
        raise InvalidInput(f"The span ends behind the end of the video ({timecode(duration)}).", field="end")
    last = min(last, duration)
    if last <= first:
        raise InvalidInput("The span must end after it begins.", field="end")
    if last - first < MIN_SPAN_SECONDS <= duration:
        raise InvalidInput("Choose at least 2 seconds: less cannot be recognised.", field="end")
    return first, last


def lookups_folder() -> Path:
    folder = Path(settings.UPLOAD_DIR) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def lookup_mark_progress(*, lookup_id: UUID, stage: str, percent: float) -> None:
    unfinished = Lookup.objects.filter(id=lookup_id, state__in=[Lookup.State.WAITING, Lookup.State.RUNNING])
    unfinished.update(state=Lookup.State.RUNNING, stage=stage, percent=round(percent, 1))


def lookup_mark_done(
    *,
    lookup_id: UUID,
    sha256: str,
    duration_seconds: float,
    found: Sequence[FoundMatch],
    note: str = "",
    pictures: Sequence[Drawn] = (),
) -> None:
    """Write the answer, once. ``note``: a code of apps.duplicates.notes; ``pictures`` of the best matches."""
    lookup = Lookup.objects.filter(id=lookup_id).exclude(state=Lookup.State.DONE).first()
    if lookup is None:
        return
    videos = Video.objects.in_bulk({match.video_id for match in found})
    matches = answer_matches(found, videos, assets=found_assets(found), asked=asked_with(lookup))
    with transaction.atomic():
        Lookup.objects.filter(id=lookup_id).update(
            state=Lookup.State.DONE,
            stage="done",
            percent=100.0,
            sha256=sha256,
            duration_seconds=duration_seconds,
            matches=matches,
            note=note,
            failure="",
            failure_code="",
        )
        lookup_pictures_store(lookup_id=lookup_id, pictures=[p for p in pictures if p.video_id in videos])


def lookup_mark_failed(*, lookup_id: UUID, code: str, message: str) -> None:
    """Record the reason. A file that can never be read is removed at once."""
    lookup = Lookup.objects.filter(id=lookup_id).exclude(state=Lookup.State.DONE).first()
    if lookup is None:
        return
    path = Path(lookup.path) if lookup.path and code not in TRANSIENT_FAILURES else None
    lookup.state, lookup.failure_code, lookup.failure = Lookup.State.FAILED, code, message
    if path is not None:
        lookup.path = ""
    lookup.save(update_fields=["state", "failure_code", "failure", "path", "updated_at"])
    if path is not None:
        transaction.on_commit(partial(path.unlink, missing_ok=True))


def asked_with(lookup: Lookup) -> tuple[str, str]:
    """What the sentences of the answer call the thing that was asked with."""
    if lookup.start_seconds is not None:
        return SPAN
    return YOURS if lookup.video_id is None else OURS


def lookup_cancelled(job: Job) -> None:
    """Hook of apps.core.services: cancelled before a worker took it."""
    if job.subject_id is not None:
        lookup_mark_failed(lookup_id=job.subject_id, code="cancelled", message=CANCELLED)


def lookup_retried(job: Job) -> None:
    """Hook of apps.core.services: a failed lookup is queued again; Conflict when its file is gone."""
    lookup = Lookup.objects.filter(id=job.subject_id).first() if job.subject_id else None
    if lookup is None:
        raise NotFound("This lookup has expired. Ask again.")
    if lookup.video_id is None and not (lookup.path and Path(lookup.path).is_file()):
        raise Conflict("The file of this lookup was not kept. Upload it again.")
    Lookup.objects.filter(id=lookup.id).update(
        state=Lookup.State.WAITING, stage="waiting", percent=0.0, failure="", failure_code=""
    )


def lookup_add_to_library(*, lookup_id: UUID, owner: Any) -> tuple[Video, bool]:
    """The asked file becomes a video of the library: (video, whether it is new). Safe to call twice.

    Raises NotFound, Conflict while the lookup is at work or failed, Expired when the file was removed.
    """
    with transaction.atomic():
        lookup = Lookup.objects.select_for_update().filter(id=lookup_id).first()
        if lookup is None:
            raise NotFound("There is no such lookup. It may have expired.")
        if lookup.video is not None:
            return lookup.video, False
        if lookup.state != Lookup.State.DONE:
            raise Conflict("Wait until the lookup is done; a file that cannot be read cannot be added either.")
        if not Path(lookup.path).is_file():
            raise Expired("The file of this lookup was removed. Upload it again.")
        video, new = video_register(
            path=lookup.path,
            original_name=lookup.file_name,
            source=Video.Source.UPLOAD,
            owner=owner,
            sha256=lookup.sha256,
        )
        lookup.path, lookup.video = "", video
        lookup.save(update_fields=["path", "video", "updated_at"])
    return video, new


def lookup_delete(*, lookup_id: UUID) -> None:
    """Forget the question and its file now."""
    with transaction.atomic():
        jobs_drop(subject_id=lookup_id)
        lookup = Lookup.objects.select_for_update().filter(id=lookup_id).first()
        if lookup is None:
            return
        path = lookup.path
        lookup.delete()
        if path:
            transaction.on_commit(partial(Path(path).unlink, missing_ok=True))


def lookups_expire(*, now: datetime | None = None) -> int:
    """Remove lookups past their day with their files, and files that no lookup names; returns how many rows went."""
    expired = list(Lookup.objects.filter(expires_at__lt=now or timezone.now()).values_list("id", flat=True))
    for lookup_id in expired:
        lookup_delete(lookup_id=lookup_id)
    named = {PurePath(path).name for path in Lookup.objects.exclude(path="").values_list("path", flat=True)}
    with os.scandir(lookups_folder()) as entries:
        for entry in entries:
            # A young one may belong to a request that has not committed yet.
            if entry.name not in named and time.time() - entry.stat().st_mtime > ORPHAN_SECONDS:
                Path(entry.path).unlink(missing_ok=True)
    return len(expired)

"""Jobs on videos, and what becomes of a video whose indexing failed, was cancelled or is tried again."""

from __future__ import annotations

import shutil
from uuid import UUID

from apps.core.exceptions import Conflict
from apps.core.jobs import job_kind
from apps.videos.models import Video
from apps.videos.presence import Place, file_place
from apps.videos.selectors import video_get
from apps.videos.storage import is_managed

# With these the file is not at fault. With any other code a retry of the same bytes cannot succeed, so an upload is
# not kept.
TRANSIENT_FAILURES = frozenset(
    "internal worker_died no_space timed_out cancelled model tool_failed missing replaced out_of_memory".split()
)
CANCELLED = "It was cancelled before it was indexed. Press Retry to index it after all."


def ingest_failed(video_id: UUID, code: str, message: str) -> None:
    """Record the reason and leave nothing behind: derived files go, and an upload of ours that can never work too."""
    video = Video.objects.filter(id=video_id).first()
    if video is None:
        return
    video.state, video.failure_code, video.failure = Video.State.FAILED, code, message
    video.save(update_fields=["state", "failure_code", "failure", "updated_at"])
    video_drop_derived(video=video, keep_original=code in TRANSIENT_FAILURES)


def video_drop_derived(*, video: Video, keep_original: bool) -> None:
    """Remove the video's folder; with ``keep_original`` the uploaded file in it stays. Imported files are not ours."""
    if not video.folder.exists():
        return
    if not (is_managed(video.file) and keep_original):
        shutil.rmtree(video.folder, ignore_errors=True)
        return
    for entry in video.folder.iterdir():
        if entry == video.file:
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def ingest_cancelled(video_id: UUID) -> None:
    ingest_failed(video_id, "cancelled", CANCELLED)


def ingest_retried(video_id: UUID) -> None:
    """Back to "waiting"; Conflict when the file is gone."""
    video = video_get(video_id=video_id)
    file_check(video)
    if video.state == Video.State.FAILED:
        Video.objects.filter(id=video_id).update(state=Video.State.UPLOADED, failure="", failure_code="")


def file_check(video: Video) -> None:
    """Conflict unless its file is there."""
    place = file_place(video)[0]
    if place == Place.HERE:
        return
    if place == Place.REPLACED:
        raise Conflict(place.words)
    if video.source == Video.Source.UPLOAD or is_managed(video.file):
        raise Conflict("The file was deleted because it cannot be read. Upload a repaired file instead.")
    raise Conflict(f"The file is no longer at {video.path or 'its old place'}. Put it back or import it again.")


# Subject: Video. Probe, decode, embed, write, ready.
INGEST = job_kind(
    "ingest",
    queue="gpu",
    library=True,
    on_failure=ingest_failed,
    on_cancel=ingest_cancelled,
    on_retry=ingest_retried,
)
# Subject: Video. A copy that browsers can play; without it the video is still found.
PROXY = job_kind("proxy", queue="decode", library=True)
# Subject: Video. The subtitle files beside it are read again; the video is found as before if that fails.
SUBTITLES = job_kind("subtitles", queue="decode", library=True)

"""A video on its way to ready: what workers write step by step, and how a person cancels or tries again.

Each step of a worker (mark, store) is idempotent; its caller holds the transaction and the job's lease.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.core.exceptions import Conflict
from apps.core.models import Job
from apps.core.services import job_cancel, job_retry
from apps.videos.models import Shot, TextSegment, Video
from apps.videos.selectors import video_get
from apps.videos.storage import is_managed
from vsearch.jobs import JobKind, enqueue

FACTS = (
    "duration_seconds", "container", "video_codec", "audio_codec", "pixel_format", "width", "height", "rotation",
    "frames_per_second", "bit_rate",
)  # fmt: skip
# With these the file is not at fault. With any other code a retry of the same bytes cannot succeed, so an upload is
# not kept.
TRANSIENT_FAILURES = frozenset(
    "internal worker_died no_space timed_out cancelled model tool_failed missing out_of_memory".split()
)
CANCELLED = "It was cancelled before it was indexed. Press Retry to index it after all."


def video_mark_probed(*, video_id: UUID, facts: Mapping[str, Any], needs_proxy: bool) -> None:
    """Store what the header says; the duration is confirmed later by decoding."""
    known = {name: facts[name] for name in FACTS}
    Video.objects.filter(id=video_id).exclude(state=Video.State.READY).update(
        state=Video.State.PROBED, failure="", failure_code="", needs_proxy=needs_proxy, **known
    )


def video_store_index(
    *,
    video_id: UUID,
    duration_seconds: float,
    shots: Iterable[tuple[float, float, float]],
    subtitles: Iterable[tuple[float, float, str, str]],
) -> None:
    """Replace shots (start, end, key time) and subtitle cues (start, end, text, language)."""
    Shot.objects.filter(video_id=video_id).delete()
    Shot.objects.bulk_create(
        Shot(video_id=video_id, ordinal=i, start=start, end=end, key_time=key)
        for i, (start, end, key) in enumerate(shots)
    )
    segments = TextSegment.objects.filter(video_id=video_id)
    segments.filter(source=TextSegment.Source.SUBTITLE).delete()
    TextSegment.objects.bulk_create(
        TextSegment(
            video_id=video_id,
            source=TextSegment.Source.SUBTITLE,
            start=start,
            end=end,
            text=text,
            language=language[:16],
        )
        for start, end, text, language in subtitles
    )
    segments.exclude(source=TextSegment.Source.SUBTITLE).update(start=0.0, end=duration_seconds)
    Video.objects.filter(id=video_id).update(duration_seconds=duration_seconds)


def video_mark_ready(*, video_id: UUID) -> None:
    Video.objects.filter(id=video_id).update(
        state=Video.State.READY, ready_at=timezone.now(), failure="", failure_code=""
    )


def video_mark_proxied(*, video_id: UUID) -> None:
    Video.objects.filter(id=video_id).update(has_proxy=True)


def video_mark_failed(*, video_id: UUID, code: str, message: str) -> None:
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
    if not (is_managed(video.path) and keep_original):
        shutil.rmtree(video.folder, ignore_errors=True)
        return
    for entry in video.folder.iterdir():
        if entry == Path(video.path):
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def video_retry(*, video_id: UUID) -> Video:
    """Index a failed video again; Conflict when it did not fail or its file is gone."""
    with transaction.atomic():
        video = video_get(video_id=video_id, locked=True)
        if video.state != Video.State.FAILED:
            raise Conflict(f"Only failed videos can be tried again; this one is {video.get_state_display()}.")
        _file_needed(video)
        ingest_again(video)
        return video


def video_cancel(*, video_id: UUID) -> Video:
    """Stop indexing; the video ends as failed with the reason "cancelled". Conflict when nothing is going on."""
    video_get(video_id=video_id)
    jobs = Job.objects.filter(
        subject_id=video_id,
        kind=JobKind.INGEST,
        state__in=[Job.State.QUEUED, Job.State.RUNNING],
    )
    job_id = jobs.values_list("id", flat=True).first()
    if job_id is None:
        raise Conflict("This video is not being indexed; there is nothing to cancel.")
    job_cancel(job_id=job_id)
    return video_get(video_id=video_id)


def video_reset(*, video_id: UUID) -> None:
    """Back to "waiting", for a job that is queued again; Conflict when the file is gone."""
    video = video_get(video_id=video_id)
    _file_needed(video)
    if video.state == Video.State.FAILED:
        Video.objects.filter(id=video_id).update(state=Video.State.UPLOADED, failure="", failure_code="")


def ingest_again(video: Video) -> None:
    """Queue a failed video again: its own failed job if there is one, so that its history stays in one row."""
    job = Job.objects.filter(kind=JobKind.INGEST, subject_id=video.id).order_by("-created_at").first()
    if job is not None and job.active:
        return
    if job is not None and job.state in {Job.State.FAILED, Job.State.CANCELLED}:
        job_retry(job_id=job.id)
    else:
        video_reset(video_id=video.id)
        enqueue(kind=JobKind.INGEST, subject_id=video.id, title=video.title)
    video.refresh_from_db()


def _file_needed(video: Video) -> None:
    if video.path and Path(video.path).is_file():
        return
    if video.source == Video.Source.UPLOAD or is_managed(video.path):
        raise Conflict("The file was not kept because it cannot be used as it is. Upload a repaired copy instead.")
    raise Conflict(f"The file is not at {video.path or 'its old place'} any more. Put it back or import it again.")


def ingest_cancelled(job: Job) -> None:
    """Hook of apps.core.services: an ingest was cancelled before a worker took it."""
    if job.subject_id is not None:
        video_mark_failed(video_id=job.subject_id, code="cancelled", message=CANCELLED)


def ingest_retried(job: Job) -> None:
    """Hook of apps.core.services: a failed ingest is queued again."""
    if job.subject_id is not None:
        video_reset(video_id=job.subject_id)

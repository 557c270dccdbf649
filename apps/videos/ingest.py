"""A video on its way to ready: what workers write step by step, and how a person cancels or tries again.

Each step of a worker (mark, store) is idempotent; its caller holds the transaction and the job's lease.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.core.exceptions import Conflict
from apps.core.jobs import enqueue, job_cancel, job_retry
from apps.core.models import Job
from apps.core.selectors import job_latest
from apps.videos.job_kinds import INGEST, file_check, ingest_retried
from apps.videos.models import Shot, TextSegment, Video
from apps.videos.selectors import video_get

FACTS = (
    "duration_seconds", "container", "video_codec", "audio_codec", "pixel_format", "width", "height", "rotation",
    "frames_per_second", "bit_rate",
)  # fmt: skip


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
    subtitles: Iterable[tuple[float, float, str, str, int]],
) -> None:
    """Replace shots (start, end, key time) and subtitle cues (start, end, text, language, track)."""
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
            track=track,
        )
        for start, end, text, language, track in subtitles
    )
    segments.exclude(source=TextSegment.Source.SUBTITLE).update(start=0.0, end=duration_seconds)
    Video.objects.filter(id=video_id).update(duration_seconds=duration_seconds)


def video_mark_ready(*, video_id: UUID, notes: Sequence[str] = ()) -> None:
    """notes: sentences about what of the file was left out."""
    Video.objects.filter(id=video_id).update(
        state=Video.State.READY, ready_at=timezone.now(), failure="", failure_code="", notes=list(notes)
    )


def video_mark_proxied(*, video_id: UUID) -> None:
    Video.objects.filter(id=video_id).update(has_proxy=True)


def video_retry(*, video_id: UUID) -> Video:
    """Index a failed video again; Conflict when it did not fail or its file is gone."""
    with transaction.atomic():
        video = video_get(video_id=video_id, locked=True)
        if video.state != Video.State.FAILED:
            raise Conflict(f"Only failed videos can be retried; this one is {video.get_state_display()}.")
        file_check(video)
        ingest_again(video)
        return video


def video_cancel(*, video_id: UUID) -> Video:
    """Stop indexing; the video ends as failed with the reason "cancelled". Conflict when nothing is running."""
    video_get(video_id=video_id)
    jobs = Job.objects.filter(
        subject_id=video_id,
        kind=INGEST.name,
        state__in=[Job.State.QUEUED, Job.State.RUNNING],
    )
    job_id = jobs.values_list("id", flat=True).first()
    if job_id is None:
        raise Conflict("This video is not being indexed; there is nothing to cancel.")
    job_cancel(job_id=job_id)
    return video_get(video_id=video_id)


def ingest_again(video: Video) -> None:
    """Queue a failed video again: its own failed job if there is one, so that its history stays in one row."""
    job = job_latest(kind=INGEST, subject_id=video.id)
    if job is not None and job.active:
        return
    if job is not None and job.state in {Job.State.FAILED, Job.State.CANCELLED}:
        job_retry(job_id=job.id)
    else:
        ingest_retried(video.id)
        enqueue(kind=INGEST, subject_id=video.id, title=video.title)
    video.refresh_from_db()

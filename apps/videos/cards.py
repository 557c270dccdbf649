"""Videos as the list shows them: with the job that indexes them and what this person may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from apps.core.models import Job
from apps.videos.models import Video
from apps.videos.selectors import may_edit
from vsearch.jobs import JobKind

UNFINISHED = (Video.State.UPLOADED, Video.State.PROBED, Video.State.INDEXED)


@dataclass(frozen=True, slots=True)
class VideoCard:
    video: Video
    job: Job | None  # the newest that indexes it; only looked up while it is unfinished
    may_edit: bool

    @property
    def unfinished(self) -> bool:
        return self.video.state in UNFINISHED

    @property
    def running(self) -> bool:
        return self.job is not None and self.job.state == Job.State.RUNNING

    @property
    def silent(self) -> bool:
        """Its worker has not been heard of for longer than it promised."""
        lease = self.job.lease_until if self.job is not None and self.running else None
        return lease is not None and lease < timezone.now()


def video_cards(videos: Iterable[Video], *, user: Any) -> list[VideoCard]:
    """One query more, and only when a video is unfinished."""
    videos = list(videos)
    waited = [video.id for video in videos if video.state in UNFINISHED]
    jobs = Job.objects.filter(kind=JobKind.INGEST, subject_id__in=waited).order_by("created_at") if waited else []
    newest = {job.subject_id: job for job in jobs}
    return [VideoCard(video, newest.get(video.id), may_edit(user, video)) for video in videos]

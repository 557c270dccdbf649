"""What ``manage.py import --wait`` shows while videos are indexed, and the table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.core.models import Job
from apps.core.plain import escaped
from apps.core.timespan import timecode
from apps.videos.importing import Outcome
from apps.videos.job_kinds import INGEST, SUBTITLES
from apps.videos.models import Video
from apps.videos.paths import path_text
from apps.videos.storage import readable

LOOK_SECONDS = 0.5
LINE_SECONDS = 10.0  # between lines in a log; a terminal line is renewed at every look
NOBODY_WORKS_SECONDS = 30.0
UNDER_WAY = (Job.State.QUEUED, Job.State.RUNNING)
ENDED = (Video.State.READY, Video.State.FAILED)


class Progress:
    def __init__(self, out: Any, *, interactive: bool, wait: Callable[[float], None] = time.sleep) -> None:
        self._out = out
        self._interactive = interactive
        self._wait = wait
        self._last_line = 0.0
        self._last_life = time.monotonic()
        self._warned = False

    def until_done(self, video_ids: list[UUID]) -> None:
        """Return when every video is ready or failed (a video that was deleted meanwhile counts as ended), with the
        subtitles beside it."""
        while True:
            reading = Job.objects.filter(kind=SUBTITLES.name, subject_id__in=video_ids, state__in=UNDER_WAY)
            unread = Q(id__in=reading.values("subject_id"))
            waiting = Video.objects.filter(~Q(state__in=ENDED) | unread, id__in=video_ids).count()
            if not waiting:
                break
            self._show(len(video_ids) - waiting, len(video_ids), video_ids)
            self._wait(LOOK_SECONDS)
        if self._interactive:
            self._out.write("\r\033[K", ending="")

    def _show(self, done: int, total: int, video_ids: list[UUID]) -> None:
        running = list(Job.objects.filter(kind=INGEST.name, subject_id__in=video_ids, state=Job.State.RUNNING)[:3])
        now = time.monotonic()
        if running:
            self._last_life, self._warned = now, False
        elif now - self._last_life > NOBODY_WORKS_SECONDS and not self._warned:
            self._warned = True
            self._out.write("\nNo worker has taken a job yet. Is vsearch running? Start it with: manage.py up")
        if not self._interactive and now - self._last_line < LINE_SECONDS:
            return
        self._last_line = now
        line = f"{done} of {total} done" + "".join(f"; {_one(job)}" for job in running)
        if self._interactive:
            self._out.write(f"\r{line[:110]}\033[K", ending="")
            self._out.flush()
        else:
            self._out.write(line)


def _one(job: Job) -> str:
    left = f", {timecode(job.seconds_left)} left" if job.seconds_left else ""
    return f"{job.title[:40]} {job.percent:.0f} %{left}"


def show_outcomes(
    out: Any, counts: Mapping[Outcome, int], skipped: Mapping[str, int], size_bytes: int, subtitles: int
) -> None:
    """The table at the end of an import: how many files became what, and why others were left out; ``subtitles``:
    how many subtitle files are beside the videos."""
    out.write("")
    for outcome in Outcome:
        if outcome != Outcome.SKIPPED:
            out.write(f"{outcome:>14}  {counts.get(outcome, 0):>6}")
    out.write(f"{'subtitles':>14}  {subtitles:>6}")
    out.write(f"{Outcome.SKIPPED:>14}  {sum(skipped.values()):>6}")
    for reason, count in sorted(skipped.items(), key=lambda item: (-item[1], item[0])):
        out.write(f"{count:>22}  {path_text(reason)}")
    out.write(f"{'in all':>14}  {readable(size_bytes)}")


def show_summary(out: Any, video_ids: list[UUID]) -> int:
    """Print a table of what is ready and each failure with its reason; returns how many failed."""
    videos = list(Video.objects.filter(id__in=video_ids).order_by("title"))
    ready = [video for video in videos if video.state == Video.State.READY]
    failed = [video for video in videos if video.state == Video.State.FAILED]
    length = sum(video.duration_seconds or 0 for video in ready)
    out.write("")
    out.write(f"  ready   {len(ready):>6}   {timecode(length)} of video")
    out.write(f"  failed  {len(failed):>6}")
    for video in failed:
        out.write(f"          {escaped(video.original_name)}: {escaped(video.failure or video.failure_code)}")
    return len(failed)

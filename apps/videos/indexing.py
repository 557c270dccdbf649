"""What the workers write about a video while it becomes ready. Each function is one idempotent step.

The caller holds the transaction and the job's lease; nothing here commits.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.videos.models import Shot, TextSegment, Video

FACTS = (
    "duration_seconds",
    "container",
    "video_codec",
    "audio_codec",
    "pixel_format",
    "width",
    "height",
    "rotation",
    "frames_per_second",
    "bit_rate",
)
# With these the file is not at fault. With any other code a retry of the same bytes cannot succeed, so an upload is
# not kept.
TRANSIENT_FAILURES = frozenset(
    {
        "internal",
        "worker_died",
        "no_space",
        "timed_out",
        "cancelled",
        "model",
        "tool_failed",
        "missing",
        "out_of_memory",
    }
)


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
    original = Path(video.path)
    managed = Path(settings.MEDIA_DIR) in original.parents
    if not video.folder.exists():
        return
    if not (managed and keep_original):
        shutil.rmtree(video.folder, ignore_errors=True)
        return
    for entry in video.folder.iterdir():
        if entry == original:
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)

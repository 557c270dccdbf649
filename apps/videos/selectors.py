"""Reading the catalogue."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import F, FloatField, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.dateparse import parse_date

from apps.accounts.permissions import may_administer, may_upload
from apps.core.exceptions import InvalidInput, NotFound
from apps.videos.models import Tag, Video

STATES = {
    "ready": [Video.State.READY],
    "failed": [Video.State.FAILED],
    "pending": [Video.State.UPLOADED, Video.State.PROBED],
}
SORTS = {
    "newest": ("-created_at", "-id"),
    "oldest": ("created_at", "id"),
    "title": ("title", "id"),
    "longest": ("-sort_duration", "-id"),
    "shortest": ("sort_duration", "id"),
    "largest": ("-size_bytes", "-id"),
}


@dataclass(frozen=True)
class VideoFilters:
    """Durations in seconds, both ends included; dates are of the registration, in UTC, both days included."""

    text: str = ""
    state: str = ""  # a key of STATES
    tags: tuple[str, ...] = field(default=())  # a video has all of them
    min_duration: float | None = None
    max_duration: float | None = None
    since: date | None = None
    until: date | None = None
    sort: str = "newest"


def filters_from(query: Mapping[str, Any]) -> VideoFilters:
    """Read the query string of a page or of the API (a QueryDict); InvalidInput names the parameter at fault."""
    state, sort = query.get("state", ""), query.get("sort") or "newest"
    if state and state not in STATES:
        raise InvalidInput(f"state must be one of {', '.join(STATES)}.", field="state")
    if sort not in SORTS:
        raise InvalidInput(f"sort must be one of {', '.join(SORTS)}.", field="sort")
    tags = query.getlist("tag") if hasattr(query, "getlist") else [query["tag"]] if "tag" in query else []
    return VideoFilters(
        text=str(query.get("text", "")).replace("\x00", "").strip()[:500],
        state=state,
        tags=tuple(tag.strip().lower().replace("\x00", "") for tag in tags if tag.strip()),
        min_duration=_seconds(query, "min_duration"),
        max_duration=_seconds(query, "max_duration"),
        since=_day(query, "since"),
        until=_day(query, "until"),
        sort=sort,
    )


def _seconds(query: Mapping[str, Any], name: str) -> float | None:
    raw = query.get(name, "")
    if raw == "":
        return None
    try:
        value = float(raw)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InvalidInput(f"{name} must be a number of seconds, for example 90.", field=name)
    return value


def _day(query: Mapping[str, Any], name: str) -> date | None:
    raw = query.get(name, "")
    if raw == "":
        return None
    try:
        value = parse_date(raw)
    except ValueError:
        value = None
    if value is None:
        raise InvalidInput(f"{name} must be a day like 2026-11-21.", field=name)
    return value


def video_list(filters: VideoFilters | None = None) -> QuerySet[Video]:
    """Videos of the library with their tags, filtered and sorted. Each word of ``text`` is in the title,
    description, file name or a tag."""
    filters = filters or VideoFilters()
    videos = Video.objects.annotate(
        sort_duration=Coalesce(F("duration_seconds"), Value(0.0), output_field=FloatField())
    ).prefetch_related("tags")
    for word in filters.text.split()[:20]:
        tagged = Tag.objects.filter(name__icontains=word).values("videos")
        videos = videos.filter(
            Q(title__icontains=word)
            | Q(description__icontains=word)
            | Q(original_name__icontains=word)
            | Q(id__in=tagged.filter(videos__isnull=False))
        )
    if filters.state:
        videos = videos.filter(state__in=STATES[filters.state])
    for tag in filters.tags:
        videos = videos.filter(tags__name=tag)
    bounds = {
        "duration_seconds__gte": filters.min_duration,
        "duration_seconds__lte": filters.max_duration,
        "created_at__date__gte": filters.since,
        "created_at__date__lte": filters.until,
    }
    videos = videos.filter(**{name: value for name, value in bounds.items() if value is not None})
    return videos.order_by(*SORTS[filters.sort])


def video_get(*, video_id: UUID, locked: bool = False) -> Video:
    """NotFound without it. ``locked``: until the caller's transaction ends."""
    videos = Video.objects.select_for_update() if locked else Video.objects.all()
    video = videos.filter(id=video_id).first()
    if video is None:
        raise NotFound("There is no such video. It may have been deleted.")
    return video


def may_edit(person: User | None, video: Video) -> bool:
    """Administrators change every video; people who upload change their own."""
    return may_administer(person) or (person is not None and may_upload(person) and video.owner_id == person.id)


def thumbnail_url(video: Video | UUID, start: float, end: float) -> str:
    """Address of the picture nearest to the middle of [start, end), or of the poster when there is none."""
    video_id = video.id if isinstance(video, Video) else video
    times = thumbnail_times(video_id)
    if not times:
        return reverse("videos:poster", args=[video_id])
    middle = 500 * (start + end)
    nearest = min(times, key=lambda milliseconds: abs(milliseconds - middle))
    return reverse("videos:thumbnail", args=[video_id, nearest])


def thumbnail_times(video_id: UUID) -> tuple[int, ...]:
    """Milliseconds of the stored thumbnails, in order. One stat a call; the listing is kept until it changes."""
    folder = Path(settings.MEDIA_DIR) / str(video_id) / "thumbs"
    try:
        return _listed(str(folder), folder.stat().st_mtime_ns)
    except FileNotFoundError:
        return ()


@lru_cache(maxsize=2048)
def _listed(folder: str, changed: int) -> tuple[int, ...]:
    names = (name.partition(".")[0] for name in os.listdir(folder) if name.endswith(".jpg"))
    return tuple(sorted(int(name) for name in names if name.isdigit()))

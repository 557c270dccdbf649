"""What narrows a search: read from a query string or a JSON body, applied to videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Least
from django.utils.dateparse import parse_date

from apps.core.exceptions import InvalidInput
from apps.search.query import clean
from apps.videos.models import Video

MAX_TAGS = 20
LABELS = {
    "min_duration": "minimum duration",
    "max_duration": "maximum duration",
    "since": "first day",
    "until": "last day",
    "tags": "tags",
    "min_resolution": "resolution",
    "source": "source",
}


@dataclass(frozen=True)
class SearchFilters:
    """Durations in seconds and days (UTC, of registration) include both ends; a video has all of the tags."""

    min_duration: float | None = None
    max_duration: float | None = None
    since: date | None = None
    until: date | None = None
    tags: tuple[str, ...] = ()
    min_resolution: int | None = None  # pixels of the shorter side
    source: str = ""  # a Video.Source

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the filters that are set."""
        return tuple(name for name, value in asdict(self).items() if value not in (None, "", ()))

    def only(self, name: str) -> SearchFilters:
        return SearchFilters(**{name: getattr(self, name)})

    def as_json(self) -> dict[str, Any]:
        return {name: str(value) if isinstance(value, date) else value for name, value in asdict(self).items()}


NO_FILTERS = SearchFilters()


def filters_from(query: Mapping[str, Any]) -> SearchFilters:
    """Parameters min_duration, max_duration, since, until, tag (repeated, or a list), min_resolution, source.

    InvalidInput names the one at fault."""
    found = SearchFilters(
        min_duration=seconds_from(query, "min_duration"),
        max_duration=seconds_from(query, "max_duration"),
        since=_day(query, "since"),
        until=_day(query, "until"),
        tags=_tags(query),
        min_resolution=_pixels(query),
        source=_source(query),
    )
    if found.min_duration is not None and found.max_duration is not None and found.min_duration > found.max_duration:
        raise InvalidInput("min_duration is larger than max_duration: nothing can pass.", field="min_duration")
    if found.since and found.until and found.since > found.until:
        raise InvalidInput("since is later than until: nothing can pass.", field="since")
    return found


def videos_passing(filters: SearchFilters, videos: QuerySet[Video]) -> QuerySet[Video]:
    for tag in filters.tags:
        videos = videos.filter(tags__name__iexact=tag)
    if filters.min_resolution is not None:
        videos = videos.annotate(short_side=Least("width", "height")).filter(short_side__gte=filters.min_resolution)
    bounds = {
        "duration_seconds__gte": filters.min_duration,
        "duration_seconds__lte": filters.max_duration,
        "created_at__date__gte": filters.since,
        "created_at__date__lte": filters.until,
        "source": filters.source or None,
    }
    return videos.filter(**{name: value for name, value in bounds.items() if value is not None})


def removed_by_filters(filters: SearchFilters) -> dict[str, int]:
    """How many ready videos each active filter removes by itself, most first."""
    ready = Video.objects.filter(state=Video.State.READY)
    everything = ready.count()
    removed = {
        name: everything - videos_passing(filters.only(name), ready).distinct().count() for name in filters.active
    }
    return dict(sorted(removed.items(), key=lambda item: -item[1]))


def seconds_from(query: Mapping[str, Any], name: str, *, example: str = "90") -> float | None:
    """None when it is not there; InvalidInput for what is not a time."""
    raw = query.get(name)
    if raw is None or raw == "":
        return None
    try:
        value = float(raw)
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value < 1e9 or isinstance(raw, bool):
        raise InvalidInput(f"{name} must be a number of seconds, for example {example}.", field=name)
    return value


def _pixels(query: Mapping[str, Any]) -> int | None:
    raw = query.get("min_resolution")
    if raw is None or raw == "":
        return None
    text = str(raw)
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise InvalidInput("min_resolution must be a number of pixels, for example 720.", field="min_resolution")
    return int(text)


def _day(query: Mapping[str, Any], name: str) -> date | None:
    raw = query.get(name)
    if raw is None or raw == "":
        return None
    try:
        value = parse_date(str(raw))
    except ValueError:
        value = None
    if value is None:
        raise InvalidInput(f"{name} must be a day like 2026-11-21.", field=name)
    return value


def _tags(query: Mapping[str, Any]) -> tuple[str, ...]:
    raw = query.getlist("tag") if hasattr(query, "getlist") else query.get("tag", query.get("tags", []))
    many = [raw] if isinstance(raw, str) else raw
    if not isinstance(many, list | tuple) or not all(isinstance(tag, str) for tag in many):
        raise InvalidInput("tag must be a name or a list of names.", field="tag")
    names = tuple(dict.fromkeys(name for name in (clean(tag) for tag in many) if name))
    if len(names) > MAX_TAGS:
        raise InvalidInput(f"At most {MAX_TAGS} tags at once.", field="tag")
    return names


def _source(query: Mapping[str, Any]) -> str:
    raw = query.get("source") or ""
    if raw and raw not in Video.Source.values:
        raise InvalidInput(f"source must be one of {', '.join(Video.Source.values)}.", field="source")
    return str(raw)

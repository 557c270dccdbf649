"""The answer to a search: one object for pages, the API and the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q

from apps.embeddings.models import ModelVersion
from apps.search.moments import Moment
from apps.videos.models import Video


@dataclass(frozen=True, slots=True)
class Result:
    rank: int
    video: Video
    moments: list[Moment]

    @property
    def weak(self) -> bool:
        return all(moment.weak for moment in self.moments)

    @property
    def matched(self) -> tuple[str, ...]:
        """How any of its moments was found, the best moment's ways first."""
        return tuple(dict.fromkeys(way for moment in self.moments for way in moment.matched))


@dataclass(frozen=True, slots=True)
class IndexState:
    """``model_version`` is "" while no model is in use. ``searchable`` and ``pending`` count videos."""

    model_version: str
    searchable: int
    pending: int

    @property
    def warnings(self) -> list[str]:
        if not self.pending:
            return []
        total = self.searchable + self.pending
        return [f"{self.pending} of {total} videos are still being indexed and cannot be found yet."]


def index_state(version: ModelVersion | None) -> IndexState:
    """One query."""
    pending = Q(state__in=[Video.State.UPLOADED, Video.State.PROBED])
    counts = Video.objects.aggregate(
        searchable=Count("id", filter=Q(state=Video.State.READY)), pending=Count("id", filter=pending)
    )
    return IndexState(str(version) if version else "", counts["searchable"], counts["pending"])


@dataclass(frozen=True, slots=True)
class Hint:
    """Another way to ask: why, and the query."""

    text: str
    query: str


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    results: tuple[Result, ...]
    index: IndexState
    next_cursor: str | None = None
    warnings: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    took_ms: int = 0
    # Filter name -> videos that it removed; filled when a search with filters found nothing.
    removed_by: dict[str, int] = field(default_factory=dict)
    suggestions: tuple[str, ...] = ()  # queries to search for instead, best first

    @property
    def all_weak(self) -> bool:
        """Nothing on this page answers the query well."""
        return all(result.weak for result in self.results)


def answer_as_dict(answer: SearchAnswer) -> dict[str, Any]:
    """The JSON of GET /api/v1/search and of `manage.py search --json`."""
    return {
        "results": [_result(result) for result in answer.results],
        "page": {"next_cursor": answer.next_cursor},
        "index": {
            "model_version": answer.index.model_version or None,
            "searchable": answer.index.searchable,
            "pending": answer.index.pending,
        },
        "warnings": list(answer.warnings),
        "suggestions": list(answer.suggestions),
        "hints": [{"text": hint.text, "query": hint.query} for hint in answer.hints],
        "took_ms": answer.took_ms,
    }


def _result(result: Result) -> dict[str, Any]:
    video = result.video
    moments = [
        {
            "rank": moment.rank,
            "start": round(moment.start, 3),
            "end": round(moment.end, 3),
            "score": round(moment.score, 4),
            "relative": round(moment.relative, 3),
            "weak": moment.weak,
            "matched": list(moment.matched),
            "thumbnail_url": moment.thumbnail_url,
            "play_url": moment.play_url,
        }
        for moment in result.moments
    ]
    about = {
        "id": str(video.id),
        "title": video.title,
        "duration": video.duration_seconds,
        "missing_since": video.missing_since.isoformat() if video.missing_since else None,
    }
    return {"rank": result.rank, "video": about, "weak": result.weak, "moments": moments}

"""What a lookup answers, as it is stored and as the API and the command print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from apps.duplicates.matches import FoundMatch
from apps.duplicates.wording import query_words
from apps.videos.models import Video


def answer_matches(found: Sequence[FoundMatch], videos: Mapping[UUID, Video]) -> list[dict[str, Any]]:
    """The "matches" of a lookup, best first; videos that are gone are left out."""
    ranked = sorted(found, key=lambda m: (m.relation != "exact", -m.score, -m.query_coverage, str(m.video_id)))
    return [_match(match, videos[match.video_id]) for match in ranked if match.video_id in videos]


def _match(match: FoundMatch, video: Video) -> dict[str, Any]:
    return {
        "video": video_summary(video),
        "score": round(match.score, 4),
        "relation": match.relation,
        "verdict": query_words(match.relation, mirrored=match.mirrored),
        "mirrored": match.mirrored,
        "query_coverage": round(match.query_coverage, 4),
        "reference_coverage": round(match.reference_coverage, 4),
        "segments": [
            {
                "query": [round(s.query_start, 3), round(s.query_end, 3)],
                "reference": [round(s.reference_start, 3), round(s.reference_end, 3)],
                "score": round(s.score, 4),
                "reversed": s.reversed,
            }
            for s in sorted(match.segments, key=lambda s: (s.query_start, s.reference_start))
        ],
    }


def video_summary(video: Video) -> dict[str, Any]:
    return {
        "id": str(video.id),
        "title": video.title,
        "path": video.path,
        "duration": video.duration_seconds,
    }

"""What a lookup answers, as it is stored and as the API and the command print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from apps.duplicates.matches import FoundMatch
from apps.duplicates.models import Relation
from apps.duplicates.wording import YOURS, look_words, query_words
from apps.videos.models import Video


def answer_matches(
    found: Sequence[FoundMatch],
    videos: Mapping[UUID, Video],
    *,
    assets: Mapping[UUID, int] | None = None,
    asked: tuple[str, str] = YOURS,
) -> list[dict[str, Any]]:
    """The "matches" of a lookup, best first; videos that are gone are left out.

    ``assets``: of matches that share nothing but an intro or advert, in how many videos it occurs; they come last.
    """
    assets = assets or {}
    ranked = sorted(
        found,
        key=lambda m: (m.video_id in assets, m.relation != "exact", -m.score, -m.query_coverage, str(m.video_id)),
    )
    return [
        _match(match, videos[match.video_id], assets.get(match.video_id, 0), asked)
        for match in ranked
        if match.video_id in videos
    ]


def _match(match: FoundMatch, video: Video, asset_videos: int, asked: tuple[str, str]) -> dict[str, Any]:
    relation = str(Relation.SHARED_ASSET) if asset_videos else match.relation
    return {
        "video": video_summary(video),
        "score": round(match.score, 4),
        "relation": relation,
        "verdict": query_words(relation, mirrored=match.mirrored, asked=asked, videos=asset_videos),
        "mirrored": match.mirrored,
        "asset_videos": asset_videos or None,
        "query_coverage": round(match.query_coverage, 4),
        "reference_coverage": round(match.reference_coverage, 4),
        "segments": [
            {
                "query": [round(s.query_start, 3), round(s.query_end, 3)],
                "reference": [round(s.reference_start, 3), round(s.reference_end, 3)],
                "score": round(s.score, 4),
                "reversed": s.reversed,
                "look": look_words(getattr(s, "look", "whole"), mirrored=getattr(s, "mirrored", False)),
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

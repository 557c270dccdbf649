"""What a lookup answers, as it is stored and as the API and the command print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.urls import reverse

from apps.core.selectors import job_latest
from apps.duplicates.groups.matches import FoundMatch
from apps.duplicates.job_kinds import LOOKUP
from apps.duplicates.lookups.notes import INSTEAD, note_message
from apps.duplicates.models import Lookup, Relation
from apps.duplicates.wording import OURS, SPAN, YOURS, look_words, overall_words, query_words
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
                "look": look_words(s.look, mirrored=s.mirrored),
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


def asked_with(lookup: Lookup) -> tuple[str, str]:
    """What the sentences of the answer call the thing that was asked with."""
    return asked_video(lookup) if lookup.start_seconds is None else SPAN


def asked_video(lookup: Lookup) -> tuple[str, str]:
    return YOURS if lookup.video_id is None else OURS


def lookup_answer(lookup: Lookup, *, with_paths: bool = True) -> dict[str, Any]:
    """The body of GET /api/v1/lookups/{id}. Videos deleted since are left out, titles are those of today.

    ``with_paths=False`` (strangers) shows the name of a file and not where it lies on the server.
    """
    videos = Video.objects.in_bulk([match["video"]["id"] for match in lookup.matches])
    drawn = set(lookup.pictures.values_list("video_id", flat=True)) if lookup.matches else set()
    matches = []
    for match in lookup.matches:
        video = videos.get(UUID(match["video"]["id"]))
        if video is not None:
            path = video.path if with_paths else video.original_name
            picture = (
                reverse("duplicates:lookup_picture_png", args=[lookup.id, video.id]) if video.id in drawn else None
            )
            told = {**match["video"], "title": video.title, "path": path}
            matches.append({**match, "video": told, "picture_url": picture})
    job = job_latest(kind=LOOKUP, subject_id=lookup.id)
    done = lookup.state == Lookup.State.DONE
    return {
        "id": str(lookup.id),
        "state": lookup.state,
        "stage": lookup.stage,
        "percent": lookup.percent,
        "seconds_left": job.seconds_left if job else None,
        "file_name": lookup.file_name,
        "video_id": str(lookup.video_id) if lookup.video_id else None,
        "span": [lookup.start_seconds, lookup.end_seconds] if lookup.start_seconds is not None else None,
        "duration": lookup.duration_seconds,
        "failure": {"code": lookup.failure_code, "message": lookup.failure} if lookup.failure else None,
        "verdict": _verdict(lookup, matches) if done else "",
        "note": {"code": lookup.note, "message": note_message(lookup.note)} if lookup.note else None,
        "matches": matches,
        "created_at": lookup.created_at.isoformat(),
        "expires_at": lookup.expires_at.isoformat(),
    }


def _verdict(lookup: Lookup, matches: list[dict[str, Any]]) -> str:
    if not matches and lookup.note in INSTEAD:
        return INSTEAD[lookup.note]
    return overall_words([match["relation"] for match in matches], asked=asked_with(lookup))


def videos_compared(lookup: Lookup) -> int:
    """How many videos of the library a finished lookup had to compare with."""
    ready = Video.objects.filter(state=Video.State.READY, ready_at__lte=lookup.updated_at)
    return ready.exclude(id=lookup.video_id).count() if lookup.video_id else ready.count()

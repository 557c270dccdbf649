"""Shared assets of the library, read from its matches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from apps.duplicates.groups.known import COPY_RELATIONS, KnownMatch, Members, known_now
from apps.duplicates.groups.matches import FoundMatch
from apps.duplicates.groups.shared_assets import Asset, Shared, lies_in, shared_assets, shared_spans
from apps.duplicates.models import MatchedSegment, VideoMatch
from apps.embeddings.models import ModelVersion

FIELDS = ("match__a_id", "match__b_id", "a_start", "a_end", "b_start", "b_end")


def assets_among(matches: Mapping[Members, KnownMatch]) -> list[Asset[UUID]]:
    """Footage that more than settings.SHARED_ASSET_VIDEOS different videos have; costs one query."""
    copies = [_two(pair) for pair, match in matches.items() if match.relation in COPY_RELATIONS]
    others = [match.id for match in matches.values() if match.relation not in COPY_RELATIONS]
    segments = _segments(Q(match_id__in=others))
    return shared_assets(segments, copies, more_than=settings.SHARED_ASSET_VIDEOS)


def asset_pairs() -> set[Members]:
    """The pairs of videos that share only an intro, an advert or the like."""
    return {pair for asset in assets_among(known_now().matches) for pair in asset.pairs}


def found_assets(found: Sequence[FoundMatch]) -> dict[UUID, int]:
    """library video -> in how many videos its matched footage occurs, for those found matches that share nothing but
    an intro, an advert or the like. Costs two queries."""
    ids = {match.video_id for match in found if match.relation not in COPY_RELATIONS}
    if not ids:
        return {}
    serving = Q(match__model_version__state=ModelVersion.State.SERVING)
    mine = Q(match__a_id__in=ids) | Q(match__b_id__in=ids)
    segments = _segments(serving & mine & ~Q(match__relation__in=COPY_RELATIONS))
    rows = VideoMatch.objects.filter(relation__in=COPY_RELATIONS, model_version__state=ModelVersion.State.SERVING)
    spans = shared_spans(segments, rows.values_list("a_id", "b_id"), settings.SHARED_ASSET_VIDEOS)
    result = {}
    for match in found:
        shared = spans.get(match.video_id, ())
        theirs = [(s.reference_start, s.reference_end) for s in match.segments]
        if match.video_id in ids and theirs and all(lies_in(span, shared) for span in theirs):
            result[match.video_id] = _videos(match.video_id, segments, theirs)
    return result


def _videos(video_id: UUID, segments: Collection[Shared[UUID]], spans: Sequence[tuple[float, float]]) -> int:
    """How many videos have some of these seconds of the video, itself among them."""
    others = set()
    for s in segments:
        if video_id in s.pair:
            mine, other = (s.a_span, s.b) if s.a == video_id else (s.b_span, s.a)
            if any(min(mine[1], end) > max(mine[0], start) for start, end in spans):
                others.add(other)
    return len(others) + 1


def _segments(wanted: Q) -> list[Shared[UUID]]:
    rows = MatchedSegment.objects.filter(wanted).values_list(*FIELDS)
    return [Shared(a, b, (a0, a1), (b0, b1)) for a, b, a0, a1, b0, b1 in rows.iterator()]


def _two(pair: Members) -> tuple[UUID, UUID]:
    one, other = sorted(pair)
    return one, other

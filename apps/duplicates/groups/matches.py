"""Writes what the matcher found about one video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from django.db import transaction

from apps.duplicates.groups.locks import MATCHES, take_turns
from apps.duplicates.models import MatchedSegment, Relation, VideoMatch
from apps.videos.models import Video

SWAPPED = {Relation.CONTAINS: Relation.CONTAINED_IN, Relation.CONTAINED_IN: Relation.CONTAINS}


class CopiedSpan(Protocol):
    """Seconds of the query and of the reference that show the same; worker.types.Segment is one."""

    @property
    def query_start(self) -> float: ...
    @property
    def query_end(self) -> float: ...
    @property
    def reference_start(self) -> float: ...
    @property
    def reference_end(self) -> float: ...
    @property
    def score(self) -> float: ...
    @property
    def reversed(self) -> bool: ...
    @property
    def look(self) -> str: ...
    @property
    def mirrored(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class FoundMatch:
    """One library video that shares footage with the query; ``relation`` is from the query's point of view."""

    video_id: UUID
    relation: str
    score: float
    query_coverage: float
    reference_coverage: float
    mirrored: bool
    segments: Sequence[CopiedSpan]


def swap_relation(relation: str) -> str:
    """The relation as the other video of the pair sees it."""
    return str(SWAPPED.get(Relation(relation), Relation(relation)))


def matches_replace(*, video_id: UUID, model_version_id: UUID, found: Sequence[FoundMatch]) -> int:
    """Make ``found`` the matches of the video under this model version; returns how many pairs were stored.

    Idempotent, one transaction. Videos that were deleted in the meantime, and the video itself, are left out. Pairs
    of the video that are not in ``found`` any more are removed, so pass all that hold.
    """
    best: dict[UUID, FoundMatch] = {}
    for match in found:
        held = best.get(match.video_id)
        if match.video_id != video_id and (held is None or match.score > held.score):
            best[match.video_id] = match
    with transaction.atomic():
        take_turns(MATCHES)
        # Locked, so that none of them is deleted between this look and the insert.
        locked = Video.objects.select_for_update(no_key=True).order_by("id")
        alive = set(locked.filter(id__in=[video_id, *best]).values_list("id", flat=True))
        version = VideoMatch.objects.filter(model_version_id=model_version_id)
        (version.filter(a_id=video_id) | version.filter(b_id=video_id)).delete()
        if video_id not in alive:
            return 0
        rows = [_row(video_id, model_version_id, match) for other, match in best.items() if other in alive]
        VideoMatch.objects.bulk_create(row for row, _ in rows)
        MatchedSegment.objects.bulk_create(segment for _, segments in rows for segment in segments)
    return len(rows)


def matches_prune(*, model_version_id: UUID) -> int:
    """Remove matches of every other version, once all videos were matched under this one."""
    with transaction.atomic():
        take_turns(MATCHES)
        return VideoMatch.objects.exclude(model_version_id=model_version_id).delete()[0]


def _row(video_id: UUID, model_version_id: UUID, match: FoundMatch) -> tuple[VideoMatch, list[MatchedSegment]]:
    """The pair with the smaller id first, everything seen from there."""
    turned = match.video_id < video_id
    a, b = (match.video_id, video_id) if turned else (video_id, match.video_id)
    coverages = (match.query_coverage, match.reference_coverage)
    a_coverage, b_coverage = reversed(coverages) if turned else coverages
    row = VideoMatch(
        a_id=a,
        b_id=b,
        model_version_id=model_version_id,
        relation=swap_relation(match.relation) if turned else match.relation,
        score=match.score,
        a_coverage=a_coverage,
        b_coverage=b_coverage,
        mirrored=match.mirrored,
    )
    return row, [_segment(row, span, turned) for span in match.segments]


def _segment(row: VideoMatch, span: CopiedSpan, turned: bool) -> MatchedSegment:
    query, reference = (span.query_start, span.query_end), (span.reference_start, span.reference_end)
    (a_start, a_end), (b_start, b_end) = (reference, query) if turned else (query, reference)
    return MatchedSegment(
        match=row,
        a_start=a_start,
        a_end=a_end,
        b_start=b_start,
        b_end=b_end,
        score=span.score,
        reversed=span.reversed,
        look=span.look,
        mirrored=span.mirrored,
    )

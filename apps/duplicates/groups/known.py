"""What is known of pairs of videos: the match that counts, and the verdict that holds."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from apps.duplicates.groups.verdicts import verdicts_latest
from apps.duplicates.models import Relation, ReviewDecision, VideoMatch
from apps.embeddings.models import ModelVersion
from apps.videos.models import Video

COPY_RELATIONS = frozenset({Relation.EXACT, Relation.NEAR_DUPLICATE})
Members = frozenset[UUID]


@dataclass(frozen=True, slots=True)
class KnownMatch:
    """The match of two videos that counts."""

    id: UUID
    relation: str
    score: float


@dataclass(frozen=True, slots=True)
class Known:
    matches: dict[Members, KnownMatch]
    contents: dict[UUID, str]  # video id -> sha256
    verdicts: dict[Members, ReviewDecision]  # those whose two videos are both in the library


def known_now() -> Known:
    """Costs three queries."""
    contents: dict[UUID, str] = {}
    matches: dict[Members, KnownMatch] = {}
    rows = VideoMatch.objects.filter(model_version__role=ModelVersion.Role.COPY).order_by("created_at")
    fields = ("id", "a_id", "b_id", "a__sha256", "b__sha256", "relation", "score", "model_version__state")
    serving: set[Members] = set()
    for match_id, a, b, a_sha256, b_sha256, relation, score, state in rows.values_list(*fields):
        contents[a], contents[b] = a_sha256, b_sha256
        pair = frozenset((a, b))
        # Until a scan with the new model is through, pairs that only the former one has seen still count.
        if state == ModelVersion.State.SERVING:
            serving.add(pair)
        elif pair in serving:
            continue
        matches[pair] = KnownMatch(match_id, relation, score)
    by_content = verdicts_latest()
    decided = {sha256 for pair in by_content for sha256 in pair}
    contents |= dict(Video.objects.filter(sha256__in=decided).values_list("id", "sha256"))
    ids = {sha256: video_id for video_id, sha256 in contents.items()}
    verdicts = {
        frozenset((ids[first], ids[second])): decision
        for (first, second), decision in by_content.items()
        if first in ids and second in ids
    }
    return Known(matches, contents, verdicts)

"""A duplicate group as it should be, before it becomes a row."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from apps.duplicates.models import ReviewDecision

Members = frozenset[UUID]


@dataclass(frozen=True, slots=True)
class PairMatch:
    """The match of two videos that counts."""

    id: UUID
    relation: str
    score: float


@dataclass(frozen=True, slots=True)
class Wanted:
    kind: str
    state: str
    members: Members
    weakest: PairMatch | None
    decision: ReviewDecision | None = None  # the latest one about its pairs
    asset_videos: int = 0  # of a shared asset

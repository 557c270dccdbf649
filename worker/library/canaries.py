"""Queries whose answers are known: what a version must get right before a person compares it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np

from worker.library.stored import VectorIndex
from worker.types import FloatArray

PROBES = ("a dog on the grass", "waves on a beach", "a person walking through a room", "red car at night")
SAME_COSINE = 0.99  # int8 towers differ a little
ALIKE_COSINE = 0.995
DEPTH = 10

Canary = dict[str, Any]


def canary(name: str, problem: str, fine: str = "") -> Canary:
    return {"name": name, "ok": not problem, "detail": problem or fine}


def text_canary(exported: FloatArray, trained: FloatArray) -> Canary:
    """The exported text tower, which answers searches, says of PROBES what the trained one says; (N, D) each."""
    cosine = float((exported * trained).sum(1).min())
    wrong = f"the exported tower differs from the trained one (cosine {cosine:.3f})" if cosine < SAME_COSINE else ""
    return canary("text tower", wrong, f"cosine {cosine:.4f} or more to the trained one")


def index_canary(index: VectorIndex, version_id: UUID, videos: Sequence[UUID]) -> Canary:
    """Stored clips find themselves through the approximate index."""
    lost = 0
    for video_id in videos:
        _, vectors = index.clips_of(version_id, video_id)
        if not len(vectors) or not np.isfinite(vectors).all():
            lost += 1
            continue
        (hits,) = index.search("clip", version_id, vectors[:1], DEPTH)
        # A copy of the video may stand before it with the very same score.
        lost += not any(hit.video_id == video_id or hit.score > 0.999 for hit in hits)
    wrong = f"{lost} of {len(videos)} videos are not found by their own pictures" if lost else ""
    return canary("index", wrong, f"{len(videos)} videos find themselves")


def words_canary(vectors: FloatArray) -> Canary:
    """Different words get different answers: a collapsed model puts everything in one place. (N, D) of PROBES."""
    likeness = float((vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)].max())
    wrong = f"unrelated queries look the same to it (cosine {likeness:.3f})" if likeness > ALIKE_COSINE else ""
    return canary("words", wrong, f"unrelated queries differ (cosine at most {likeness:.2f})")

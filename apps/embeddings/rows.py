"""The rows of the vector index: what goes in, what comes out, and the checks between. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Kind = Literal["clip", "frame"]
Exactness = Literal["auto", "exact", "approximate"]
# clip: (ordinal, start, end, vector); frame: (ordinal, time, informative, vector) of the whole picture, or with the
# number of a region of it as fifth. vector: (D,) of unit norm.
Row = tuple[int, float, Any, NDArray[np.float32]] | tuple[int, float, Any, NDArray[np.float32], int]
FloatArray = NDArray[np.float32]

UNIT_TOLERANCE = 0.02  # half precision and int8 towers leave norms within a few thousandths of 1


@dataclass(frozen=True, slots=True)
class Hit:
    """One stored vector near the query. ``score``: cosine. A frame has ``start == end``."""

    video_id: UUID
    ordinal: int
    start: float
    end: float
    score: float


def stack_rows(rows: Sequence[Row]) -> FloatArray:
    """The vectors of ``rows`` as (N, D) float32; ValueError unless all are finite, of one size and of unit norm."""
    vectors = np.stack([np.asarray(row[3], dtype=np.float32) for row in rows])
    norms = np.linalg.norm(vectors, axis=1) if vectors.ndim == 2 else np.zeros(1)
    if not np.isfinite(norms).all() or np.abs(norms - 1).max() > UNIT_TOLERANCE:
        raise ValueError("vectors must be (D,) of unit norm and finite")
    if len({row[0] for row in rows}) != len(rows):
        raise ValueError("an ordinal occurs twice")
    return vectors


def query_matrix(vectors: FloatArray) -> FloatArray:
    """(Q, D) float32 queries of unit norm; ValueError for another shape or a vector without direction."""
    queries = np.asarray(vectors, dtype=np.float32)
    if queries.ndim != 2:
        raise ValueError(f"queries must be (Q, D), not {queries.shape}")
    norms = np.linalg.norm(queries, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or (norms < 1e-6).any():
        raise ValueError("a query vector is empty or not finite")
    return np.asarray(queries / norms, dtype=np.float32)


def best_first(hits: list[Hit], k: int) -> list[Hit]:
    """Highest score first; equal scores by video and ordinal, so that the order never depends on the plan."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.video_id, hit.ordinal))[:k]


def region_of(row: Row) -> int:
    """Of a frame's row; 0 is the whole picture."""
    return row[4] if len(row) == 5 else 0


@dataclass(frozen=True, slots=True)
class StoredFrames:
    """The frames of one video in order: times (N,), informative (N,), region (N,), vectors (N, D)."""

    times: NDArray[np.float64]
    informative: NDArray[np.bool_]
    region: NDArray[np.int64]
    vectors: FloatArray

    def of_region(self, number: int) -> StoredFrames:
        kept = self.region == number
        vectors = self.vectors[kept] if len(self.vectors) else self.vectors
        return StoredFrames(self.times[kept], self.informative[kept], self.region[kept], vectors)

"""Retrieval metrics: recall at k, median and mean rank, mAP, R@sum, bootstrap intervals. numpy only.

``similarity`` is (queries, items), higher is better; ``relevant`` is a boolean array of the same shape. Ties are
pessimistic: an item that scores the same as the right one is ranked before it. NaN anywhere is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Relevance = NDArray[np.bool_]

CUTOFFS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """Recalls, R@sum and mAP in 0..1 (R@sum in 0..3); ranks count from 1, lower is better."""

    r1: float
    r5: float
    r10: float
    mdr: float
    mnr: float
    map: float
    queries: int

    @property
    def rsum(self) -> float:
        return self.r1 + self.r5 + self.r10

    def as_dict(self) -> dict[str, float]:
        """For JSON, recalls and mAP in percent, as the literature prints them."""
        return {
            "r1": 100 * self.r1, "r5": 100 * self.r5, "r10": 100 * self.r10, "rsum": 100 * self.rsum,
            "mdr": self.mdr, "mnr": self.mnr, "map": 100 * self.map,
        }  # fmt: skip


def relevance_of(query_groups: Sequence[object], item_groups: Sequence[object]) -> Relevance:
    """True where a query and an item name the same group (a caption and its video); (Q,), (N,) -> (Q, N)."""
    numbers: dict[object, int] = {}
    left = np.array([numbers.setdefault(g, len(numbers)) for g in query_groups], dtype=np.int64)
    right = np.array([numbers.setdefault(g, len(numbers)) for g in item_groups], dtype=np.int64)
    return np.asarray(left[:, None] == right[None, :])


def _checked(similarity: ArrayLike, relevant: ArrayLike) -> tuple[Floats, Relevance]:
    scores, truth = np.asarray(similarity, dtype=np.float64), np.asarray(relevant, dtype=np.bool_)
    if scores.ndim != 2 or scores.shape != truth.shape:
        raise ValueError(f"similarity {scores.shape} and relevance {truth.shape} must be equal (queries, items)")
    if not scores.size:
        raise ValueError("there is nothing to evaluate: no query or no item")
    if np.isnan(scores).any():
        raise ValueError("a similarity is NaN; the embeddings are broken and no metric of them means anything")
    lonely = np.flatnonzero(~truth.any(axis=1))
    if len(lonely):
        raise ValueError(f"{len(lonely)} queries have no relevant item, the first is number {lonely[0]}")
    return scores, truth


def ranks(similarity: ArrayLike, relevant: ArrayLike) -> NDArray[np.int64]:
    """Rank (from 1) of the best relevant item of every query: 1 + the irrelevant items that score at least as much."""
    scores, truth = _checked(similarity, relevant)
    best = np.where(truth, scores, -np.inf).max(axis=1, keepdims=True)
    return np.asarray(1 + ((scores >= best) & ~truth).sum(axis=1), dtype=np.int64)


def recall_at_k(rank: ArrayLike, k: int) -> float:
    """Share of queries whose best relevant item is among the first k."""
    if k < 1:
        raise ValueError("k counts from 1")
    return float((np.asarray(rank) <= k).mean())


def average_precisions(similarity: ArrayLike, relevant: ArrayLike) -> Floats:
    """Average precision of every query over all of its relevant items; (Q, N) -> (Q,)."""
    scores, truth = _checked(similarity, relevant)
    result = 1 / ranks(scores, truth)  # where one item is relevant
    for row in np.flatnonzero(truth.sum(axis=1) > 1):
        order = np.lexsort((truth[row], -scores[row]))  # falling score, irrelevant first among equals
        places = np.flatnonzero(truth[row][order])
        result[row] = np.mean(np.arange(1, len(places) + 1) / (places + 1))
    return np.asarray(result, dtype=np.float64)


def evaluate_retrieval(similarity: ArrayLike, relevant: ArrayLike) -> RetrievalScores:
    """All metrics of one direction."""
    return scores_of(ranks(similarity, relevant), average_precisions(similarity, relevant))


def scores_of(rank: ArrayLike, precision: ArrayLike) -> RetrievalScores:
    """All metrics from the rank and the average precision of every query, (Q,) each."""
    places, precisions = np.asarray(rank, dtype=np.int64), np.asarray(precision, dtype=np.float64)
    r1, r5, r10 = (recall_at_k(places, k) for k in CUTOFFS)
    median, mean = float(np.median(places)), float(places.mean())
    return RetrievalScores(r1, r5, r10, median, mean, float(precisions.mean()), len(places))

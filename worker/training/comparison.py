"""Two models on the same queries, paired: metrics of both and the gain, each with an interval. numpy only.

Captions of one source are no independent observations, so the bootstrap draws whole same-source groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worker.evaluation.retrieval import CUTOFFS, average_precisions, ranks, relevance_of
from worker.types import FloatArray

SAMPLES = 2000
CONFIDENCE = 0.95
SEED = 0

Interval = dict[str, float]  # value, low, high


@dataclass(frozen=True)
class Queries:
    """Ranks (Q,) and average precisions (Q,) of the queries of one direction, and the source of each (Q,)."""

    rank: np.ndarray
    precision: np.ndarray
    source: np.ndarray


def text_queries(texts: FloatArray, videos: FloatArray, owner: np.ndarray, group: np.ndarray) -> Queries:
    """Captions (C, D) against items (N, D); right is every item of the caption's source. owner (C,), group (N,)."""
    relevant = relevance_of(group[owner].tolist(), group.tolist())
    similarity = texts @ videos.T
    return Queries(ranks(similarity, relevant), average_precisions(similarity, relevant), group[owner])


def video_queries(texts: FloatArray, videos: FloatArray, owner: np.ndarray, group: np.ndarray) -> Queries:
    """Items against items' captions, of which the best counts."""
    best = np.full((len(videos), len(videos)), -np.inf)  # (caption's item, query item)
    np.maximum.at(best, owner, texts @ videos.T)
    relevant = relevance_of(group.tolist(), group.tolist())
    return Queries(ranks(best.T, relevant), average_precisions(best.T, relevant), group)


def metrics(queries: Queries) -> dict[str, Interval]:
    """Recalls, their sum and mAP in per cent, median and mean rank."""
    hits = {f"r{k}": 100.0 * (queries.rank <= k) for k in CUTOFFS}
    values = {**hits, "rsum": recall_points(queries.rank), "map": 100 * queries.precision, "mnr": queries.rank}
    found = {name: interval(np.asarray(each, float), queries.source) for name, each in values.items()}
    median = float(np.median(queries.rank))
    return {**found, "mdr": {"value": median, "low": median, "high": median}}


def recall_points(rank: np.ndarray) -> np.ndarray:
    """(Q,) what each query adds to R@sum: 0, 100, 200 or 300."""
    return np.asarray(sum(100.0 * (np.asarray(rank) <= k) for k in CUTOFFS), float)


def paired_gain(candidate: np.ndarray, active: np.ndarray, source: np.ndarray) -> Interval:
    """R@sum of the same queries, candidate less active: ranks (Q,), (Q,) and the source of each query (Q,)."""
    found = interval(recall_points(candidate) - recall_points(active), source)
    return {**found, "units": float(len(np.unique(source)))}


def interval(values: np.ndarray, source: Sequence[int] | np.ndarray) -> Interval:
    """Mean of (Q,) values with a percentile bootstrap interval that draws whole sources."""
    if not len(values):
        raise ValueError("an interval needs at least one value")
    _, number = np.unique(np.asarray(source), return_inverse=True)
    sums = np.bincount(number, values)  # (S,)
    counts = np.bincount(number).astype(float)
    rng = np.random.default_rng(SEED)
    drawn = np.empty(SAMPLES)
    for sample in range(SAMPLES):
        picked = rng.integers(0, len(sums), len(sums))
        drawn[sample] = sums[picked].sum() / counts[picked].sum()
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(drawn, [tail, 100 - tail])
    mean = float(values.mean())
    # The percentiles of a lopsided handful of sources need not enclose the mean; what is reported should.
    return {"value": mean, "low": min(float(low), mean), "high": max(float(high), mean)}

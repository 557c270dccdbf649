"""Bootstrap intervals over sources, and of the gain of one model over another on the same queries. numpy only.

Captions of one video are no independent queries, so whole sources are drawn, each with all of its queries. The gallery
stays as it is: a rank among other videos would answer another question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worker.evaluation.directions import QueryResults
from worker.evaluation.retrieval import CUTOFFS

CONFIDENCE = 0.95
SAMPLES = 1000
DRAWN_AT_ONCE = 64

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gain:
    """``mean`` gain of the second model, and its interval; above 0 is better."""

    mean: float
    low: float
    high: float
    queries: int
    sources: int

    @property
    def certain(self) -> bool:
        """The interval lies above zero: what promotion asks for."""
        return self.low > 0

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "certain": self.certain}


def _draws(sources: int, samples: int, seed: int) -> Iterator[Numbers]:
    """How often each of the sources was drawn, in blocks (S, sources); the same for the same seed."""
    rng = np.random.default_rng(seed)
    for start in range(0, samples, DRAWN_AT_ONCE):
        size = min(DRAWN_AT_ONCE, samples - start)
        picked = rng.integers(0, sources, (size, sources)) + np.arange(size)[:, None] * sources
        yield np.bincount(picked.ravel(), minlength=size * sources).reshape(size, sources)


def _totals(values: Floats, source: Numbers) -> tuple[Floats, Floats]:
    """Sum of the values (Q, M) and number of queries of each source: (S, M), (S,)."""
    sums = np.zeros((int(source.max()) + 1, values.shape[1]))
    np.add.at(sums, source, values)
    return sums, np.bincount(source).astype(np.float64)


def _checked(values: ArrayLike, sources: ArrayLike | None) -> tuple[Floats, Numbers]:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or not len(data):
        raise ValueError("an interval needs a list of at least one value")
    if np.isnan(data).any():
        raise ValueError("a value is NaN")
    names = np.arange(len(data)) if sources is None else np.asarray(sources)
    if names.shape != data.shape:
        raise ValueError("there must be one source for each value")
    return data, np.unique(names, return_inverse=True)[1].astype(np.int64)


def _bounds(drawn: Floats, confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise ValueError("confidence lies between 0 and 1, for instance 0.95")
    tail = 50 * (1 - confidence)
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return float(low), float(high)


def mean_interval(
    values: ArrayLike,
    sources: ArrayLike | None = None,
    *,
    confidence: float = CONFIDENCE,
    samples: int = SAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of per-query values (Q,); ``sources`` (Q,) are drawn as a whole."""
    data, source = _checked(values, sources)
    sums, counts = _totals(data[:, None], source)
    drawn = np.concatenate([(d @ sums[:, 0]) / (d @ counts) for d in _draws(len(counts), samples, seed)])
    return _bounds(drawn, confidence)


def score_intervals(
    results: QueryResults, *, confidence: float = CONFIDENCE, samples: int = SAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Intervals of everything that RetrievalScores.as_dict names, in its units."""
    rank, source = _checked(results.rank, results.source)
    hits = [100.0 * (rank <= k) for k in CUTOFFS]
    values = np.stack([*hits, sum(hits[1:], hits[0]), rank, 100 * results.precision], axis=1)
    sums, counts = _totals(values, source)
    order = np.argsort(rank, kind="stable")
    means: list[Floats] = []
    medians: list[float] = []
    for drawn in _draws(len(counts), samples, seed):
        means.append((drawn @ sums) / (drawn @ counts)[:, None])
        medians += [_median(rank[order], row[source[order]]) for row in drawn]
    found = dict(zip(("r1", "r5", "r10", "rsum", "mnr", "map"), np.concatenate(means).T, strict=True))
    found["mdr"] = np.asarray(medians)
    return {name: _bounds(drawn, confidence) for name, drawn in found.items()}


def _median(ordered: Floats, times: Numbers) -> float:
    """Median of sorted values, each counted so many times."""
    reached = np.cumsum(times)
    middle = np.searchsorted(reached, [(reached[-1] - 1) // 2, reached[-1] // 2], side="right")
    return float(ordered[middle].mean())


def paired_gain(
    before: ArrayLike,
    after: ArrayLike,
    sources: ArrayLike | None = None,
    *,
    confidence: float = CONFIDENCE,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Gain:
    """Mean of ``after - before``, per-query values of two models on the same queries in the same order, higher better.

    Such values are ``rank <= 10``, average precisions or ``recall_sums``. One source alone gives no interval: an error.
    """
    first, source = _checked(before, sources)
    second, _ = _checked(after, sources)
    if first.shape != second.shape:
        raise ValueError("both models must have answered the same queries")
    change = second - first
    sums, counts = _totals(change[:, None], source)
    if len(counts) < 2:
        raise ValueError("queries about one source give no interval; evaluate on more videos")
    drawn = np.concatenate([(d @ sums[:, 0]) / (d @ counts) for d in _draws(len(counts), samples, seed)])
    return Gain(float(change.mean()), *_bounds(drawn, confidence), queries=len(change), sources=len(counts))


def recall_sums(rank: ArrayLike) -> Floats:
    """Per query what it adds to R@sum in per cent, 0 to 300."""
    places = np.asarray(rank)
    return np.asarray(100.0 * sum((places <= k).astype(np.float64) for k in CUTOFFS), dtype=np.float64)

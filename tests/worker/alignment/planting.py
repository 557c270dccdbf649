"""Copied spans planted in made-up descriptors: the ground truth of the alignment tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worker.alignment import SimilarityMatrix, similarity_matrix, unit
from worker.types import FloatArray

DIM = 64
Floats = NDArray[np.float64]


class Footage:
    """Descriptors at any time: a chain of random anchors, blended linearly. Short steps make smooth footage."""

    def __init__(self, rng: np.random.Generator, seconds: float, wander: float = 1.0, step: float = 1.0) -> None:
        count = int(seconds / step) + 3
        if wander >= 1.0:
            anchors = rng.standard_normal((count, DIM))
        else:
            anchors = rng.standard_normal(DIM) + np.cumsum(wander * rng.standard_normal((count, DIM)), axis=0)
        self.anchors, self.step = unit(anchors), step

    def at(self, times: Floats) -> FloatArray:
        place = np.clip(np.asarray(times, dtype=np.float64) / self.step, 0, len(self.anchors) - 1.001)
        low = place.astype(int)
        part = (place - low)[:, None]
        return unit(self.anchors[low] * (1 - part) + self.anchors[low + 1] * part)


def edited(rng: np.random.Generator, vectors: FloatArray, cosine: float) -> FloatArray:
    """The vectors with noise, at about this cosine to what they were."""
    spread = np.sqrt(1 / cosine**2 - 1) / np.sqrt(DIM)
    return unit(vectors + spread * rng.standard_normal(vectors.shape))


def planted(
    pieces: list[tuple[tuple[float, float], tuple[float, float]]],
    *,
    query_seconds: float,
    reference_seconds: float,
    cosine: float = 0.85,
    wander: float = 1.0,
    seed: int = 0,
    query_times: Floats | None = None,
) -> SimilarityMatrix:
    """Each piece is (query span, reference span); an inverted reference span (80, 40) is played backwards."""
    rng = np.random.default_rng(seed)
    source, other = Footage(rng, reference_seconds, wander), Footage(rng, query_seconds, wander)
    q_times = np.arange(0.0, query_seconds) if query_times is None else query_times
    r_times = np.arange(0.0, reference_seconds)
    query = other.at(q_times)
    for (start, end), (first, last) in pieces:
        rows = (q_times >= start) & (q_times < end)
        query[rows] = source.at(first + (q_times[rows] - start) * (last - first) / (end - start))
    scores = similarity_matrix(edited(rng, query, cosine), source.at(r_times))
    return SimilarityMatrix.build(
        scores, q_times, r_times, query_duration=query_seconds, reference_duration=reference_seconds
    )

"""Temporal network (Tan et al. 2009): the longest path through each query frame's best reference frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import AlignerConfig, SimilarityMatrix
from worker.alignment.lines import Line, Run, explains_more, fit, measure, refine
from worker.alignment.selection import Shortlist
from worker.types import FloatArray, Segment

TOP_K = 8
STEP_SECONDS = 5.0  # longest jump of one edge, on either axis
MAX_PATHS = 30
MAX_FAILURES = 6  # paths that lead to nothing new before the search of one direction ends

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Network:
    """Rows that have nodes, and for each its K nodes; ``columns`` is -1 where a row has fewer."""

    rows: Indices  # (R,)
    columns: Indices  # (R, K) ascending in score
    weights: FloatArray  # (R, K)


def _nodes(matrix: SimilarityMatrix, config: AlignerConfig) -> _Network:
    scores = matrix.masked_scores
    rows = np.flatnonzero(scores.max(axis=1) >= config.min_similarity)
    k = min(TOP_K, scores.shape[1])
    columns = np.argpartition(scores[rows], scores.shape[1] - k, axis=1)[:, -k:].astype(np.int64)
    weights = scores[rows[:, None], columns]
    weak = weights < config.min_similarity
    return _Network(rows, np.where(weak, -1, columns), np.where(weak, np.float32(0), weights))


def _longest_paths(network: _Network, query: Floats, reference: Floats) -> tuple[Floats, Indices]:
    """Best path weight ending in every node and its predecessor (flat index, -1 for none).

    ``reference`` are the times on the axis along which the path must rise: negated times find reversed copies.
    """
    count, k = network.columns.shape
    total = network.weights.astype(np.float64)
    previous = np.full((count, k), -1, dtype=np.int64)
    times = np.where(network.columns >= 0, reference[network.columns], 1e12)  # beyond every step
    clock = query[network.rows]
    first = np.searchsorted(clock, clock - STEP_SECONDS - 1e-9)
    for row in range(1, count):
        start = int(first[row])
        if start == row:
            continue
        rise = times[row][None, :] - times[start:row].reshape(-1, 1)  # (nodes before, K)
        allowed = (rise > 0) & (rise <= STEP_SECONDS + 1e-9)
        value = np.where(allowed, total[start:row].reshape(-1, 1), 0.0)
        best = value.argmax(axis=0)
        gain = value[best, np.arange(k)]
        better = gain > 0
        total[row] += gain
        previous[row] = np.where(better, best + start * k, -1)
    total[network.columns < 0] = 0.0
    return total, previous


def _peel(total: Floats, previous: Indices) -> list[list[int]]:
    """Node-disjoint paths, heaviest end first; a path ends where it meets one that was taken before."""
    flat, back = total.ravel(), previous.ravel()
    used = np.zeros(len(flat), dtype=np.bool_)
    paths: list[list[int]] = []
    for end in np.argsort(-flat, kind="stable"):
        if len(paths) == MAX_PATHS or flat[end] <= 0:
            break
        path: list[int] = []
        node = int(end)
        while node >= 0 and not used[node]:
            used[node] = True
            path.append(node)
            node = int(back[node])
        if len(path) >= min(2, len(total)):
            paths.append(path[::-1])
    return paths


class TemporalNetworkAligner:
    """Follows bent time lines better than a straight one; slower than Hough voting."""

    def align(self, similarity: SimilarityMatrix, config: AlignerConfig) -> list[Segment]:
        """Segments with most evidence first."""
        if similarity.scores.size == 0:
            return []
        network = _nodes(similarity, config)
        if not len(network.rows):
            return []
        shortlist = Shortlist(similarity, config)
        for sign in (1.0, -1.0) if config.allow_reversed else (1.0,):
            total, previous = _longest_paths(network, similarity.query_times, sign * similarity.reference_times)
            failures = 0
            for path in _peel(total, previous):
                run = _follow(network, path, similarity, sign, config)
                segment = measure(similarity, run, config) if run is not None else None
                failures += segment is None or not shortlist.add(segment)
                if failures == MAX_FAILURES:
                    break
        return list(shortlist.best())


def _follow(
    network: _Network, path: list[int], matrix: SimilarityMatrix, sign: float, config: AlignerConfig
) -> Run | None:
    """The better of two lines through the path, fully refined: the one that fits it best, and one at speed one."""
    nodes = np.array(path)
    rows, columns = network.rows[nodes // network.columns.shape[1]], network.columns.ravel()[nodes]
    query, reference = matrix.query_times[rows], matrix.reference_times[columns]
    weights = network.weights.ravel()[nodes].astype(np.float64) ** 2
    rise = float(reference[-1] - reference[0]) / max(float(query[-1] - query[0]), 1e-6)
    slope = sign * float(np.clip(abs(rise), config.min_slope, config.max_slope))
    fitted = refine(matrix, fit(query, reference, weights, slope, config), config)
    plain = refine(matrix, Line(sign, float(np.median(reference - sign * query))), config)
    if fitted is None or plain is None:
        return fitted or plain
    return fitted if explains_more(fitted, plain) else plain

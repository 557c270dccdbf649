"""Dynamic time warping: the cheapest path on 1 - S through the whole of the shorter side, cut into its straight runs.

The path may begin and end anywhere on the longer side (subsequence DTW), so a clip is found inside a film. It is one
path in one order: shuffled pieces and repeated occurrences are beyond it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import AlignerConfig, SimilarityMatrix
from worker.alignment.paths import Path, follow
from worker.alignment.selection import Shortlist
from worker.types import FloatArray, Segment

LONGEST_RUN = 3  # steps along one side only, or pairs below the least similarity, that cut the path
TIE = 1e-9  # costs this close are equal but for rounding

DIAGONAL, UP, LEFT = 0, 1, 2

Floats = NDArray[np.float64]
Moves = NDArray[np.int8]


def accumulate(cost: Floats) -> tuple[Floats, Moves]:
    """Cheapest cost of a path that ends in each cell of the last row, and how each cell was reached.

    cost (N, M). D[i, j] = cost[i, j] + min(D[i-1, j-1], D[i-1, j], D[i, j-1]), and D[0, j] = cost[0, j]. Along a row
    the steps to the right are a running minimum: D[i, j] = C[j] + min over k <= j of (entry[k] - C[k-1]), where C is
    the running sum of the row's cost and entry[k] the cheapest way in from the row above.
    """
    rows, columns = cost.shape
    moves = np.zeros((rows, columns), dtype=np.int8)
    last = cost[0].copy()
    for row in range(1, rows):
        diagonal = np.concatenate(([np.inf], last[:-1]))
        moves[row] = np.where(diagonal <= last + TIE, DIAGONAL, UP)
        total = cost[row].cumsum()
        entry = np.minimum(diagonal, last) - (total - cost[row])
        best = np.minimum.accumulate(entry)
        moves[row, best < entry - TIE] = LEFT
        last = best + total
    return last, moves


def cheapest_path(cost: Floats) -> Path:
    """The cheapest path from any cell of the first row to any cell of the last; cost (N, M), N and M at least 1.

    Of equally cheap ends the last one, so that a scene without any change is followed along the diagonal.
    """
    last, moves = accumulate(cost)
    row, column = len(cost) - 1, int(np.flatnonzero(last <= last.min() + TIE)[-1])
    cells = [(row, column)]
    while row > 0:
        move = moves[row, column]
        row -= move != LEFT
        column -= move != UP
        cells.append((row, column))
    rows, columns = np.array(cells[::-1], dtype=np.int64).T
    return Path(rows, columns)


def cut(path: Path, matched: NDArray[np.bool_], longest: int) -> list[Path]:
    """Parts of a path between its long runs: more than ``longest`` steps along one side, or as many misses."""
    waste = _long_runs(~matched, longest)
    for side in (path.rows, path.columns):
        waste |= _long_runs(np.concatenate(([False], np.diff(side) == 0)), longest)
    edges = np.flatnonzero(np.diff(np.concatenate(([True], waste, [True])).astype(np.int8)))
    return [path.part(slice(int(a), int(b))) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _long_runs(flags: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """The flags that stand in runs of more than ``longest``."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    result = np.zeros(len(flags), dtype=np.bool_)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        result[start:end] = end - start > longest
    return result


class TimeWarpingAligner:
    """One path for the whole pair: for comparison, and for pairs known to be two cuts of one film."""

    def align(self, similarity: SimilarityMatrix, config: AlignerConfig) -> list[Segment]:
        """Segments with most evidence first."""
        if similarity.scores.size == 0:
            return []
        shortlist = Shortlist(similarity, config)
        for sign in (1.0, -1.0) if config.allow_reversed else (1.0,):
            path = _path(similarity, sign)
            matched = similarity.masked_scores[path.rows, path.columns] >= config.min_similarity
            for part in cut(path, matched, _longest(similarity, config)):
                follow(part, similarity, config, shortlist, sign)
        return list(shortlist.best())


def _path(matrix: SimilarityMatrix, sign: float) -> Path:
    """The path of one direction in rows and columns of the matrix."""
    scores: FloatArray = matrix.masked_scores[:, :: int(sign)]
    swapped = scores.shape[0] > scores.shape[1]
    cost = 1.0 - np.asarray(scores.T if swapped else scores, dtype=np.float64)
    found = cheapest_path(cost)
    rows, columns = (found.columns, found.rows) if swapped else (found.rows, found.columns)
    return Path(rows, columns if sign > 0 else scores.shape[1] - 1 - columns)


def _longest(matrix: SimilarityMatrix, config: AlignerConfig) -> int:
    """The longest run that does not cut: more where one side has several frames for one of the other."""
    sides = (matrix.query_times, matrix.reference_times)
    steps = sorted(float(np.median(np.diff(times))) if len(times) > 1 else 1.0 for times in sides)
    return max(LONGEST_RUN, int(np.ceil(steps[1] / max(steps[0], 1e-3) * config.max_slope)))

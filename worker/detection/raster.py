"""A similarity matrix as the square picture that the segment detector looks at, and the way back to seconds.

Both axes of the picture are time with the same seconds a cell, so that a copy at speed one always lies at 45 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import SimilarityMatrix, Times
from worker.types import FloatArray

SIDE = 160  # cells
CHANNELS = 2
TOP_PER_ROW = 20  # how many reference frames each query frame keeps (Ant's SPD)
LEAST_CELL = 0.2  # seconds; a very short video fills only a corner, so that its frames do not become huge squares
ASPECT = 3.0  # a patch is at most this many times longer than wide
LONGEST_PATCH = 240.0  # seconds; beyond it a cell would cover more than 1.5 s

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Patch:
    """A window of the matrix in seconds and the seconds that one cell of its picture covers."""

    query: tuple[float, float]
    reference: tuple[float, float]
    cell: float

    @classmethod
    def of(cls, query: tuple[float, float], reference: tuple[float, float]) -> Patch:
        longest = max(query[1] - query[0], reference[1] - reference[0])
        return cls(query, reference, max(longest / SIDE, LEAST_CELL))

    def seconds(self, box: FloatArray) -> tuple[float, float, float, float]:
        """(query_start, query_end, reference_start, reference_end) in cells -> in seconds, cut to the patch."""
        q0, q1 = np.clip(self.query[0] + box[:2] * self.cell, *self.query)
        r0, r1 = np.clip(self.reference[0] + box[2:] * self.cell, *self.reference)
        return float(q0), float(q1), float(r0), float(r1)

    def cells(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """The other way round, not cut."""
        q0, q1 = ((v - self.query[0]) / self.cell for v in box[:2])
        r0, r1 = ((v - self.reference[0]) / self.cell for v in box[2:])
        return q0, q1, r0, r1


def windows(duration: float, length: float) -> list[tuple[float, float]]:
    """[0, duration] in windows of ``length`` that overlap by half; the last one ends with the video."""
    if duration <= length * 1.05:
        return [(0.0, duration)]
    count = int(np.ceil((duration - length) / (length / 2))) + 1
    return [(float(s), float(s + length)) for s in np.linspace(0.0, duration - length, count)]


def patches(query_duration: float, reference_duration: float) -> list[Patch]:
    """Windows that cover the whole matrix: not longer than ``LONGEST_PATCH`` nor than ``ASPECT`` times their width."""
    shorter = min(query_duration, reference_duration)
    length = min(max(ASPECT * shorter, 20.0), LONGEST_PATCH)
    return [Patch.of(q, r) for q in windows(query_duration, length) for r in windows(reference_duration, length)]


def keep_top(scores: FloatArray, count: int = TOP_PER_ROW) -> FloatArray:
    """(N, M) with everything below the ``count`` best of its row set to zero."""
    if scores.shape[1] <= count:
        return scores
    limit = np.partition(scores, scores.shape[1] - count, axis=1)[:, -count][:, None]
    return np.where(scores >= limit, scores, np.float32(0))


def cell_rows(times: Times, start: float, cell: float, count: int) -> tuple[Indices, Indices]:
    """For ascending ``times``: the first row of every group that falls into one cell, and for each of ``count``
    cells the number of the group nearest to its middle (its own, where it has one)."""
    place = np.clip(((times - start) / cell).astype(np.int64), 0, count - 1)
    firsts = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
    if len(firsts) == count:
        return firsts, np.arange(count)
    middles = start + (np.arange(count) + 0.5) * cell
    right = np.clip(np.searchsorted(times, middles), 0, len(times) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(middles - times[left] <= times[right] - middles, left, right)
    groups = np.searchsorted(firsts, nearest, side="right") - 1
    own = place[firsts]
    groups[own] = np.arange(len(firsts))
    return firsts, groups


def draw(matrix: SimilarityMatrix, patch: Patch) -> FloatArray | None:
    """(2, SIDE, SIDE) in [0, 1]: the best of each row, and all of it; padded with zeros. None: no frame in the patch.

    Cells that hold several frames show the largest value, so that a thin line survives; those that hold none show
    the nearest frame.
    """
    rows = slice(*np.searchsorted(matrix.query_times, (patch.query[0] - 1e-6, patch.query[1])))
    columns = slice(*np.searchsorted(matrix.reference_times, (patch.reference[0] - 1e-6, patch.reference[1])))
    part = matrix.masked_scores[rows, columns]
    if part.size == 0:
        return None
    whole = np.clip(part, 0.0, 1.0)
    high = min(SIDE, max(1, int(np.ceil((patch.query[1] - patch.query[0]) / patch.cell - 1e-6))))
    wide = min(SIDE, max(1, int(np.ceil((patch.reference[1] - patch.reference[0]) / patch.cell - 1e-6))))
    down, down_groups = cell_rows(matrix.query_times[rows], patch.query[0], patch.cell, high)
    across, across_groups = cell_rows(matrix.reference_times[columns], patch.reference[0], patch.cell, wide)
    picture = np.zeros((CHANNELS, SIDE, SIDE), dtype=np.float32)
    for channel, values in enumerate((keep_top(whole), whole)):
        pooled = np.maximum.reduceat(np.maximum.reduceat(values, down, axis=0), across, axis=1)
        picture[channel, :high, :wide] = pooled[down_groups][:, across_groups]
    return picture

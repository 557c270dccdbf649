"""Which of the segments that a search proposes stay: the one with most evidence, not its overlaps and echoes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from worker.alignment.base import AlignerConfig, Mask, SimilarityMatrix, Times
from worker.alignment.lines import Line, Run, nearest_columns
from worker.types import Box, FloatArray, Segment, box_overlap

ECHO_LEVEL = 0.85  # two lines belong to one static block when similarity between them stays above this share
ROUGHLY_INSIDE = 0.85  # share of both sides of an unrefined line that lies inside a segment found before
_BETWEEN = np.array([0.25, 0.5, 0.75])  # where between two lines a valley is looked for


def overlap(a: Segment, b: Segment) -> float:
    """Intersection over union of two boxes in the plane of query time and reference time."""
    return box_overlap(_box(a), _box(b))


def _box(found: Segment) -> Box:
    return found.query_start, found.reference_start, found.query_end, found.reference_end


def covered(a: Segment, kept: Segment) -> float:
    """Share of ``a``'s box that lies inside the box of ``kept``."""
    width = min(a.query_end, kept.query_end) - max(a.query_start, kept.query_start)
    height = min(a.reference_end, kept.reference_end) - max(a.reference_start, kept.reference_start)
    return max(width, 0.0) * max(height, 0.0) / max(a.query_length * a.reference_length, 1e-12)


def evidence(found: Segment, config: AlignerConfig) -> float:
    """What the order of segments goes by: similarity above the minimum, over the query time that matched.

    Not the area of the box: among readings of one span that would favour the one at the highest speed.
    """
    return (found.mean_similarity - config.min_similarity + 0.01) * found.hit_density * found.query_length


def echoes(candidate: Segment, kept: Segment, matrix: SimilarityMatrix) -> bool:
    """Whether two segments are readings of one static block: they share query (or reference) time without a valley.

    A true second occurrence is separated from the first by other footage or by another phase of the motion.
    """
    low, high = max(candidate.query_start, kept.query_start), min(candidate.query_end, kept.query_end)
    if high - low >= 0.5 * candidate.query_length:
        sides = matrix.query_times, matrix.query_mask, matrix.reference_times, matrix.scores
        return _no_valley(candidate, kept, (low, high), *sides)
    low, high = max(candidate.reference_start, kept.reference_start), min(candidate.reference_end, kept.reference_end)
    if high - low >= 0.5 * candidate.reference_length:
        sides = matrix.reference_times, matrix.reference_mask, matrix.query_times, matrix.scores.T
        return _no_valley(candidate.swapped(), kept.swapped(), (low, high), *sides)
    return False


def _no_valley(
    candidate: Segment,
    kept: Segment,
    shared: tuple[float, float],
    times: Times,
    mask: Mask,
    other_times: Times,
    scores: FloatArray,
) -> bool:
    """Whether similarity between the two lines stays high; rows of ``scores`` are the axis whose time is shared."""
    rows = np.flatnonzero((times >= shared[0]) & (times <= shared[1]) & mask)
    if not len(rows):
        return True
    mine, other = (_line_of(s).at(times[rows]) for s in (candidate, kept))
    between = mine[:, None] * (1 - _BETWEEN) + other[:, None] * _BETWEEN
    columns = nearest_columns(other_times, between.ravel()).reshape(between.shape)
    values = scores[rows[:, None], columns].mean(axis=0)
    return bool(values.min() >= ECHO_LEVEL * candidate.mean_similarity)


def _line_of(found: Segment) -> Line:
    slope = found.reference_length / found.query_length
    if found.reversed:
        return Line(-slope, found.reference_end + slope * found.query_start)
    return Line(slope, found.reference_start - slope * found.query_start)


def clashes(candidate: Segment, kept: Segment, matrix: SimilarityMatrix, config: AlignerConfig) -> bool:
    """Overlaps a better segment, lies mostly inside it, or merely echoes it."""
    if overlap(candidate, kept) > config.max_overlap or covered(candidate, kept) > 0.5:
        return True
    return echoes(candidate, kept, matrix)


@dataclass(slots=True)
class Shortlist:
    """Collects proposals of one pair; ``add`` says whether a proposal was news."""

    matrix: SimilarityMatrix
    config: AlignerConfig
    found: list[Segment] = field(default_factory=list)

    def add(self, candidate: Segment) -> bool:
        stronger = [k for k in self.found if evidence(k, self.config) >= evidence(candidate, self.config)]
        if any(clashes(candidate, k, self.matrix, self.config) for k in stronger):
            return False
        self.found.append(candidate)
        return True

    def holds(self, run: Run) -> bool:
        """Whether a rough run lies almost wholly inside a segment that was found, so that it is no news."""
        if not self.found:
            return False
        query = self.matrix.query_times[[run.first, run.last]]
        low, high = sorted(run.line.at(query).tolist())
        for kept in self.found:
            width = min(float(query[1]), kept.query_end) - max(float(query[0]), kept.query_start)
            height = min(high, kept.reference_end) - max(low, kept.reference_start)
            if width >= ROUGHLY_INSIDE * (query[1] - query[0]) and height >= ROUGHLY_INSIDE * (high - low):
                return True
        return False

    def best(self) -> list[Segment]:
        """Most evidence first, none of them clashing with a better one."""
        kept: list[Segment] = []
        for candidate in sorted(self.found, key=lambda s: evidence(s, self.config), reverse=True):
            if not any(clashes(candidate, k, self.matrix, self.config) for k in kept):
                kept.append(candidate)
        return kept[: self.config.max_segments]

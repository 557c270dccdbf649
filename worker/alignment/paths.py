"""From a path of matching frame pairs to segments: straight lines through it, cut, fitted and measured like all others.

Temporal network, dynamic programming and DTW end here, so that their segments carry the same evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import AlignerConfig, SimilarityMatrix
from worker.alignment.lines import Line, Run, explains_more, fit, longest_run, measure, refine
from worker.alignment.selection import Shortlist

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Path:
    """Pairs of frames in ascending order of the query; reference columns fall where the copy is reversed."""

    rows: Indices  # (P,)
    columns: Indices  # (P,)

    def part(self, keep: NDArray[np.bool_] | slice) -> Path:
        return Path(self.rows[keep], self.columns[keep])


def matching(path: Path, matrix: SimilarityMatrix, config: AlignerConfig) -> Path:
    """The pairs of a path that reach the least similarity."""
    return path.part(matrix.masked_scores[path.rows, path.columns] >= config.min_similarity)


def follow(path: Path, matrix: SimilarityMatrix, config: AlignerConfig, shortlist: Shortlist, sign: float) -> bool:
    """Add the segments along a path of one direction (sign 1 or -1) to the shortlist; whether any of them was news.

    A path with bends (a jump, a change of speed) yields one segment for every straight part of it.
    """
    news = False
    for run in _runs(matching(path, matrix, config), matrix, config, shortlist, sign):
        segment = measure(matrix, run, config)
        news |= segment is not None and shortlist.add(segment)
    return news


def _runs(
    path: Path, matrix: SimilarityMatrix, config: AlignerConfig, shortlist: Shortlist, sign: float
) -> Iterator[Run]:
    """The best run along the path, then those along what lies before and after it."""
    waiting = [path]
    least = max(min(config.min_matched_rows, *matrix.scores.shape), 1)
    while waiting:
        part = waiting.pop()
        if len(part.rows) < least:
            continue
        run = _straight(part, matrix, config, shortlist, sign)
        if run is None:
            continue
        yield run
        before, after = part.rows < run.first, part.rows > run.last
        if before.sum() < len(part.rows) and after.sum() < len(part.rows):
            waiting += [part.part(before), part.part(after)]


def _straight(
    path: Path, matrix: SimilarityMatrix, config: AlignerConfig, shortlist: Shortlist, sign: float
) -> Run | None:
    """The better of two lines through the path, fully refined: the one that fits it best, and one at speed one."""
    query, reference = matrix.query_times[path.rows], matrix.reference_times[path.columns]
    scores = matrix.masked_scores[path.rows, path.columns].astype(np.float64)
    rise = abs(float(reference[-1] - reference[0])) / max(float(query[-1] - query[0]), 1e-6)
    slope = sign * float(np.clip(rise, config.min_slope, config.max_slope))
    line = fit(query, reference, np.maximum(scores, 1e-3) ** 2, slope, config)
    rough = longest_run(matrix, line, config)
    if rough is not None and shortlist.holds(rough):
        return None
    fitted = refine(matrix, line, config, rough)
    if fitted is not None and _follows(fitted, path, matrix, config):
        return fitted  # ``refine`` has compared it with speed one already
    plain = refine(matrix, Line(sign, float(np.median(reference - sign * query))), config)
    if fitted is None or plain is None:
        return fitted or plain
    return fitted if explains_more(fitted, plain) else plain


def _follows(run: Run, path: Path, matrix: SimilarityMatrix, config: AlignerConfig) -> bool:
    """Whether nearly all of the path lies on the run."""
    inside = (path.rows >= run.first) & (path.rows <= run.last)
    apart = np.abs(run.line.at(matrix.query_times[path.rows]) - matrix.reference_times[path.columns])
    return bool((inside & (apart <= 2 * config.tolerance_seconds)).mean() >= 0.9)

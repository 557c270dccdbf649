"""Slope-aware Hough voting: pairs of matching frames vote for lines, the best lines are cut to what matches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import AlignerConfig, SimilarityMatrix
from worker.alignment.lines import Line, Run, longest_run, measure, refine
from worker.alignment.selection import Shortlist
from worker.types import Segment

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BIN_SECONDS = 1.5
SLOPE_STEP = 1.1  # ratio of neighbouring slopes; long copies are completed by the refinement
MAX_POINTS = 1200  # the strongest pairs of frames that vote
PEAK_MARGIN = 0.12  # a voting pair is at most this far below the best of its row or of its column
SHARPNESS = 0.05  # how fast a vote fades below the best of its row and column
SLOPE_PENALTY = 0.15  # weight lost per octave of speed change, so that blocks are read at speed one
REVERSED_WEIGHT = 0.85
MAX_FAILURES = 4  # lines in a row that lead to nothing new before the search ends
LEAST_VOTES = 0.1  # fewer than what two or three weak matches cast
MAX_RUNS = 8  # more of them on one line are not looked for
CLAIM_SECONDS = 2.5  # votes this close to a line that was followed are spent


@dataclass(frozen=True, slots=True)
class _Votes:
    """P points and, for every slope, the bin that each point falls into in one flat accumulator."""

    query: Floats
    reference: Floats
    weight: Floats
    slopes: Floats  # (A,)
    prior: Floats  # (A,)
    cells: Indices  # (A, P)
    base: Indices  # (A,) first cell of each slope
    low: Floats  # (A,) offset at the left edge of that cell


def slope_grid(config: AlignerConfig) -> Floats:
    """Slopes from min to max in equal ratios, 1 among them; negative ones after them when reversal is allowed."""
    up = np.arange(0, np.log(config.max_slope) / np.log(SLOPE_STEP) + 0.5)
    down = np.arange(1, -np.log(config.min_slope) / np.log(SLOPE_STEP) + 0.5)
    forward = SLOPE_STEP ** np.concatenate([up, -down])
    return np.concatenate([forward, -forward]) if config.allow_reversed else forward


def voting_points(matrix: SimilarityMatrix, config: AlignerConfig) -> tuple[Indices, Indices, Floats]:
    """Rows, columns and weights of the pairs that stand out in their row or in their column."""
    scores = matrix.masked_scores
    row_best, column_best = scores.max(axis=1), scores.max(axis=0)
    flat = np.flatnonzero(scores >= np.float32(config.min_similarity))
    value = scores.ravel()[flat]
    rows, columns = np.divmod(flat, scores.shape[1])
    # either condition is a lower bound, so the smaller of the two bounds admits both
    fade = np.minimum(row_best[rows], column_best[columns]) - value
    near = np.flatnonzero(fade <= np.float32(PEAK_MARGIN))
    flat, value, rows, columns, fade = flat[near], value[near], rows[near], columns[near], fade[near]
    weight = (value - config.min_similarity + 0.02) * np.exp(-np.maximum(fade, 0.0) / SHARPNESS)
    if len(flat) > MAX_POINTS:
        # a stable jitter breaks the ties of flat blocks evenly instead of by position
        jitter = (flat * 2654435761 % 1000003) / 1000003.0
        best = np.argpartition(weight * (1 + 0.01 * jitter), len(flat) - MAX_POINTS)[-MAX_POINTS:]
        best.sort()
        rows, columns, weight = rows[best], columns[best], weight[best]
    return rows.astype(np.int64), columns.astype(np.int64), weight.astype(np.float64)


def _cast(matrix: SimilarityMatrix, config: AlignerConfig) -> _Votes | None:
    rows, columns, weight = voting_points(matrix, config)
    if not len(rows):
        return None
    query, reference = matrix.query_times[rows], matrix.reference_times[columns]
    slopes = slope_grid(config)
    prior = (1 - SLOPE_PENALTY * np.abs(np.log2(np.abs(slopes)))) * np.where(slopes < 0, REVERSED_WEIGHT, 1.0)
    offsets = reference[None, :] - slopes[:, None] * query[None, :]
    low = offsets.min(axis=1) - BIN_SECONDS  # an empty bin at either end keeps neighbouring slopes apart
    bins = ((offsets - low[:, None]) * (1.0 / BIN_SECONDS)).astype(np.int64)
    base = np.r_[0, np.cumsum(bins.max(axis=1) + 2)]
    bins += base[:-1, None]
    return _Votes(query, reference, weight, slopes, prior, bins, base, low)


class HoughAligner:
    """Default aligner: forward and reversed copies at half to double speed, several a pair."""

    def align(self, similarity: SimilarityMatrix, config: AlignerConfig) -> list[Segment]:
        """Segments, most evidence first. About 5 ms of one core for 600 x 600 frames (benchmarks/aligners.py)."""
        if similarity.scores.size == 0:
            return []
        votes = _cast(similarity, config)
        if votes is None:
            return []
        shortlist = Shortlist(similarity, config)
        _peel(shortlist, votes)
        return list(shortlist.best())


def _peel(shortlist: Shortlist, votes: _Votes) -> None:
    """Take the strongest line, cut it to its matches, take their votes away, and repeat until nothing new is found."""
    matrix, config = shortlist.matrix, shortlist.config
    size = int(votes.base[-1])
    weighted = votes.weight[None, :] * votes.prior[:, None]
    tally = np.bincount(votes.cells.ravel(), weights=weighted.ravel(), minlength=size + 1)
    alive = np.ones(len(votes.weight), dtype=np.bool_)
    dead = np.zeros(size, dtype=np.bool_)
    failures = 0
    while failures < MAX_FAILURES and len(shortlist.found) < config.max_segments:
        pairs = tally[:-1] + tally[1:]  # two neighbouring bins, so that no line sits on an edge
        pairs[dead] = 0.0
        cell = int(pairs.argmax())
        if pairs[cell] < LEAST_VOTES:
            return
        which = int(np.searchsorted(votes.base, cell, side="right")) - 1
        voters = alive & ((votes.cells[which] == cell) | (votes.cells[which] == cell + 1))
        dead[max(cell - 1, 0) : cell + 2] = True
        if not voters.any():
            continue
        slope = float(votes.slopes[which])
        offsets = votes.reference[voters] - slope * votes.query[voters]
        line = Line(slope, densest(offsets, votes.weight[voters], config.tolerance_seconds))
        run = longest_run(matrix, line, config)
        if run is None:
            failures += 1
            continue
        news = False
        if not shortlist.holds(run):
            run = refine(matrix, line, config, run) or run
            segment = measure(matrix, run, config)
            news = segment is not None and shortlist.add(segment)
        failures = 0 if news else failures + 1
        spent = [run, *_others(shortlist, run)] if news else [run]
        gone = alive & np.logical_or.reduce([_claimed(matrix, votes, each) for each in spent])
        alive &= ~gone
        index = np.flatnonzero(gone)
        if len(index):
            tally -= np.bincount(votes.cells[:, index].ravel(), weights=weighted[:, index].ravel(), minlength=size + 1)


def _others(shortlist: Shortlist, run: Run) -> list[Run]:
    """Further runs on the line of one that was found: a copy with something else in its middle is two of them."""
    matrix, config = shortlist.matrix, shortlist.config
    score, found = run.trace.score.copy(), []
    for _ in range(MAX_RUNS):
        score[run.first : run.last + 1] = -1.0
        again = longest_run(matrix, run.line, config, traced=replace(run.trace, score=score))
        if again is None:
            break
        run = again
        segment = measure(matrix, run, config)
        if segment is not None and shortlist.add(segment):
            found.append(run)
    return found


def _claimed(matrix: SimilarityMatrix, votes: _Votes, run: Run) -> NDArray[np.bool_]:
    """Votes in the span of a run and near its line."""
    first, last = matrix.query_times[[run.first, run.last]]
    inside = (votes.query >= first) & (votes.query <= last)
    return np.asarray(inside & (np.abs(votes.reference - run.line.at(votes.query)) <= CLAIM_SECONDS))


def densest(offsets: Floats, weights: Floats, radius: float) -> float:
    """Weighted mean of the offsets inside the window of twice ``radius`` that holds the most weight."""
    order = np.argsort(offsets)
    values, total = offsets[order], np.concatenate(([0.0], weights[order].cumsum()))
    stops = np.searchsorted(values, values + 2 * radius, side="right")
    start = int((total[stops] - total[:-1]).argmax())
    chosen = order[start : int(stops[start])]
    return float(offsets[chosen] @ weights[chosen] / weights[chosen].sum())

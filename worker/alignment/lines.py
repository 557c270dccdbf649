"""Following a straight line through a similarity matrix: sample it, cut it to what matches, fit it, measure it.

A line is ``reference = slope * query + offset`` in seconds; a negative slope is a reversed copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import AlignedSegment, AlignerConfig, SimilarityMatrix
from worker.types import FloatArray

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

_CONTRAST_SHIFTS = (2.0, 3.0, 5.0, 8.0, 13.0, 21.0)  # seconds beside the line
_CONTRAST_MARGIN = 6.0  # how far outside the span the comparison may reach
_MAX_ROUNDS = 4
CLEAR_GAIN = 0.05  # mean similarity by which a fitted line beats one at speed one beyond doubt
SIGNIFICANCE = 3.0  # or by this many standard errors
_LEAST_DROP = 0.12  # and at least this far below its matches, which noise alone does not reach
_SAME_LINE_SECONDS = 0.2  # lines that differ by less than this over a span are not told apart
_WORST_GAIN = -0.3  # what one frame that fails can cost a run
_EDGE_DROP = 0.5  # a span ends where similarity falls below half way between its matches and the surroundings


@dataclass(frozen=True, slots=True)
class Line:
    slope: float
    offset: float

    def at(self, query: Floats) -> Floats:
        return np.asarray(self.slope * query + self.offset, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Trace:
    """The line seen row by row. ``score`` is -1 where the line leaves the reference or a frame is uninformative."""

    columns: Indices  # (N,) best reference row near the line
    times: Floats  # (N,) where between the frames the similarity peaks, in reference seconds
    score: FloatArray  # (N,)


@dataclass(frozen=True, slots=True)
class Run:
    """Rows [first, last] of a trace that match, gaps included."""

    line: Line
    trace: Trace
    first: int
    last: int
    matched: Indices


def nearest_columns(times: Floats, wanted: Floats) -> Indices:
    """Row of the frame nearest to each wanted time; of two at the same distance the earlier one."""
    if len(times) == 1:
        return np.zeros(len(wanted), dtype=np.int64)
    right = np.minimum(np.maximum(np.searchsorted(times, wanted), 1), len(times) - 1)
    return np.asarray(right - (wanted - times[right - 1] <= times[right] - wanted), dtype=np.int64)


def trace(matrix: SimilarityMatrix, line: Line, config: AlignerConfig) -> Trace:
    """Best similarity within the tolerance of the line for every query row, and where exactly it peaks."""
    scores, times = matrix.masked_scores, matrix.reference_times
    wanted = line.at(matrix.query_times)
    middle = nearest_columns(times, wanted)
    rows = np.arange(len(wanted))
    last = len(times) - 1
    around = np.stack([np.maximum(middle - 1, 0), middle, np.minimum(middle + 1, last)])  # (3, N)
    near_times = times[around]
    values = scores.ravel()[around + rows * (last + 1)]
    near = np.abs(near_times - wanted) <= config.tolerance_seconds
    # sparse frames: the nearest one counts as long as the line passes closer to it than to its neighbours
    slack = config.tolerance_seconds
    near[1] |= (wanted >= times[0] - slack) & (wanted <= times[-1] + slack)
    values = np.where(near, values, np.float32(-1.0))
    best = values.argmax(axis=0)
    weight = np.maximum(values - np.float32(config.min_similarity), np.float32(1e-6)) ** 2 * near
    total = weight.sum(axis=0)
    peak = np.where(total > 0, (weight * near_times).sum(axis=0) / np.maximum(total, 1e-30), near_times[1])
    return Trace(around[best, rows], peak, values[best, rows])


def longest_run(
    matrix: SimilarityMatrix, line: Line, config: AlignerConfig, floor: float = 0.0, traced: Trace | None = None
) -> Run | None:
    """The run of matches along the line with the most evidence: gaps are tolerated, loose ends are cut off.

    ``floor`` raises the level below which a row counts against the run; ``traced`` saves tracing the line again.
    None when no row matches.
    """
    traced = traced or trace(matrix, line, config)
    matched = np.flatnonzero(traced.score >= config.min_similarity)
    if not len(matched):
        return None
    informed = matrix.query_mask & matrix.reference_mask[traced.columns]
    clock = (matrix.query_steps * informed).cumsum()[matched]  # time that could have matched
    gap = max(config.max_gap_seconds, 1.5 * matrix.typical_step) + 1e-6
    cuts = np.flatnonzero(clock[1:] - clock[:-1] > gap)
    level = np.float32(max(config.min_similarity, floor) - 1e-6)
    gain = np.maximum(traced.score - level, np.float32(_WORST_GAIN)) * informed
    best, first, last = 0.0, -1, -1
    low = 0
    for high in (*cuts.tolist(), len(matched) - 1):
        start, end = int(matched[low]), int(matched[high])
        low = high + 1
        piece = gain[start : end + 1]
        if float(np.maximum(piece, 0).sum()) <= best:
            continue
        total = piece.cumsum()
        before = np.minimum.accumulate(np.concatenate(([0.0], total[:-1])))
        stop = int((total - before).argmax())
        value = float(total[stop] - before[stop])
        if value > best:
            begin = int(np.concatenate(([0.0], total[:stop])).argmin())
            best, first, last = value, start + begin, start + stop
    inner = matched[(matched >= first) & (matched <= last)]
    return Run(line, traced, int(inner[0]), int(inner[-1]), inner) if len(inner) and first >= 0 else None


def fit(query: Floats, reference: Floats, weights: Floats, fallback: float, config: AlignerConfig) -> Line:
    """Weighted least squares with the slope held in range and in the direction of ``fallback``.

    A small pull towards the fallback's slope keeps two or three points from tilting the line.
    """
    total = float(weights.sum())
    q_mean, r_mean = float(weights @ query) / total, float(weights @ reference) / total
    spread, pull = float(weights @ (query - q_mean) ** 2), 0.5 * total
    joint = float(weights @ ((query - q_mean) * (reference - r_mean)))
    slope = (joint + pull * fallback) / (spread + pull)
    size = float(np.clip(abs(slope), config.min_slope * 0.95, config.max_slope * 1.05))
    slope = size if fallback > 0 else -size
    return Line(slope, r_mean - slope * q_mean)


def gain_of(run: Run, config: AlignerConfig) -> float:
    """Evidence of a run: similarity above the minimum, summed over its matches."""
    return float((run.trace.score[run.matched] - config.min_similarity + 1e-3).sum())


def refine(matrix: SimilarityMatrix, line: Line, config: AlignerConfig) -> Run | None:
    """Alternate between cutting the line to what matches and fitting it to the matches until nothing is gained."""
    best: Run | None = None
    best_gain = 0.0
    for _ in range(_MAX_ROUNDS):
        run = longest_run(matrix, line, config)
        if run is None:
            break
        gain = gain_of(run, config)
        if best is not None and gain <= best_gain * 1.002:
            break
        best, best_gain = run, gain
        strength = (run.trace.score[run.matched] - config.min_similarity).astype(np.float64) + 1e-3
        line = fit(matrix.query_times[run.matched], run.trace.times[run.matched], strength**2, line.slope, config)
    if best is None:
        return None
    best = plainest(matrix, best, config)
    level = float(best.trace.score[best.matched].mean())
    ground = float(matrix.scores[best.first : best.last + 1].mean())
    floor = min(ground + _EDGE_DROP * (level - ground), level - _LEAST_DROP)
    sharper = longest_run(matrix, best.line, config, floor, best.trace)
    return sharper or best


def plainest(matrix: SimilarityMatrix, run: Run, config: AlignerConfig) -> Run:
    """Speed one, forwards rather than backwards, if that explains the matches about as well as what was fitted.

    In a static scene every line fits; the simplest reading is then the likeliest.
    """
    middle_query = float(matrix.query_times[run.matched].mean())
    middle = float(run.trace.times[run.matched].mean())
    length = float(matrix.query_times[run.last] - matrix.query_times[run.first])
    for slope in (1.0, -1.0):
        if slope * run.line.slope > 0 and abs(run.line.slope - slope) * length < _SAME_LINE_SECONDS:
            return run
        plain = longest_run(matrix, Line(slope, middle - slope * middle_query), config)
        if plain is not None and not explains_more(run, plain):
            return plain
        if run.line.slope > 0:
            return run
    return run


def explains_more(fitted: Run, plain: Run) -> bool:
    """Whether the fitted line is really better than the plain one, row by row, or only follows the noise."""
    gained = (fitted.trace.score[fitted.matched] - np.maximum(plain.trace.score[fitted.matched], 0.0)).astype(
        np.float64
    )
    mean = float(gained.mean())
    error = float(gained.std()) / np.sqrt(len(gained))
    return mean > CLEAR_GAIN or mean > SIGNIFICANCE * error + 0.002


def contrast(matrix: SimilarityMatrix, run: Run, config: AlignerConfig) -> float:
    """Mean similarity on the line minus the mean beside it, a few seconds off, inside the span and just around it."""
    rows = run.matched
    on_line = run.line.at(matrix.query_times[rows])
    low, high = float(on_line.min()) - _CONTRAST_MARGIN, float(on_line.max()) + _CONTRAST_MARGIN
    low, high = max(low, float(matrix.reference_times[0])), min(high, float(matrix.reference_times[-1]))
    shifts = np.array([s * sign for s in _CONTRAST_SHIFTS for sign in (-1.0, 1.0)])
    wanted = on_line[:, None] + shifts
    usable = (wanted >= low - 0.25) & (wanted <= high + 0.25)
    picked_rows, picked = np.broadcast_to(rows[:, None], wanted.shape)[usable], wanted[usable]
    columns = nearest_columns(matrix.reference_times, picked)
    apart = np.abs(matrix.reference_times[columns] - np.broadcast_to(on_line[:, None], wanted.shape)[usable])
    beside = (apart > 2 * config.tolerance_seconds) & matrix.reference_mask[columns]
    if beside.sum() < 2:
        return 0.0
    return float(run.trace.score[rows].mean() - matrix.scores[picked_rows[beside], columns[beside]].mean())


def span(matrix: SimilarityMatrix, run: Run) -> tuple[float, float, float, float]:
    """Query start and end, reference start and end, of a run: boundaries lie half way to the next frame that fails.

    Black or flat frames next to the span belong to it when both sides show them.
    """
    times, duration = matrix.query_times, matrix.query_duration
    columns = nearest_columns(matrix.reference_times, run.line.at(times))
    blank = ~matrix.query_mask & ~matrix.reference_mask[columns]
    first, last = run.first, run.last
    while first > 0 and blank[first - 1]:
        first -= 1
    while last < len(times) - 1 and blank[last + 1]:
        last += 1
    start = 0.5 * (times[first - 1] + times[first]) if first > 0 else 0.0
    end = 0.5 * (times[last] + times[last + 1]) if last < len(times) - 1 else duration
    return clip_to_reference(matrix, run.line, float(start), float(end))


def clip_to_reference(
    matrix: SimilarityMatrix, line: Line, start: float, end: float
) -> tuple[float, float, float, float]:
    """Cut a query span to where the line stays inside the reference; the reference span comes back ascending."""
    length = matrix.reference_duration
    bounds = sorted(((0.0 - line.offset) / line.slope, (length - line.offset) / line.slope))
    inner = matrix.query_times[(matrix.query_times >= start) & (matrix.query_times <= end)]
    # never cut away a frame that matched: the line may miss the border by a fraction of a second
    start = max(start, min(bounds[0], float(inner[0])))
    end = min(end, max(bounds[1], float(inner[-1])))
    ends = np.clip(line.at(np.array([start, end])), 0.0, length)
    return start, end, float(ends.min()), float(ends.max())


def measure(matrix: SimilarityMatrix, run: Run, config: AlignerConfig) -> AlignedSegment | None:
    """The segment of a run with its evidence, or None when it is a coincidence or a mere block of likeness."""
    rows = run.matched
    scores = run.trace.score[rows]
    inside = np.arange(run.first, run.last + 1)
    informed = matrix.query_mask[inside] & matrix.reference_mask[run.trace.columns[inside]]
    density = len(rows) / max(int(informed.sum()), 1)
    mean = float(scores.mean())
    q_start, q_end, r_start, r_end = span(matrix, run)
    offside = run.trace.times[rows] - run.line.at(matrix.query_times[rows])
    found = AlignedSegment(
        query_start=q_start,
        query_end=q_end,
        reference_start=r_start,
        reference_end=r_end,
        score=float(np.clip(mean * np.sqrt(density), 0.0, 1.0)),
        reversed=run.line.slope < 0,
        mean_similarity=mean,
        hit_density=min(density, 1.0),
        contrast=contrast(matrix, run, config),
        residual_seconds=float(np.sqrt(np.mean(offside**2))),
        matched_rows=len(rows),
    )
    return found if is_credible(found, matrix, config, len(np.unique(run.trace.columns[rows]))) else None


def is_credible(found: AlignedSegment, matrix: SimilarityMatrix, config: AlignerConfig, columns: int) -> bool:
    """Long enough (or all there is), dense enough, and either structured in time or almost exact."""
    needed = config.near_exact - config.contrast_weight * max(found.contrast, 0.0)
    if found.mean_similarity < max(needed, config.min_similarity) or found.hit_density < config.min_density:
        return False
    if found.query_end <= found.query_start or found.reference_end <= found.reference_start:
        return False
    q_all, r_all = int(matrix.query_mask.sum()), int(matrix.reference_mask.sum())
    shorter = min(matrix.query_duration, matrix.reference_duration)
    covers_all = max(found.query_length, found.reference_length) >= 0.8 * shorter
    enough_rows = found.matched_rows >= config.min_matched_rows and columns >= 2
    whole_clip = covers_all and (found.matched_rows >= 0.8 * q_all or columns >= 0.8 * r_all)
    long_enough = found.query_length >= config.min_length_seconds - 1e-6
    if whole_clip and not enough_rows:
        return found.mean_similarity >= config.near_exact or found.matched_rows >= 2
    return (enough_rows and long_enough) or whole_clip

"""Following a straight line through a similarity matrix: sample it, cut it to what matches, fit it, measure it.

A line is ``reference = slope * query + offset`` in seconds; a negative slope is a reversed copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import AlignerConfig, SimilarityMatrix
from worker.alignment.boundaries import Crossing, crossing, level_at
from worker.types import FloatArray, Segment

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

_CONTRAST_SHIFTS = (2.0, 3.0, 5.0, 8.0, 13.0, 21.0)  # seconds beside the line
_CONTRAST_OFFSETS = np.array([s * sign for s in _CONTRAST_SHIFTS for sign in (-1.0, 1.0)])
_CONTRAST_MARGIN = 6.0  # how far outside the span the comparison may reach
_MAX_ROUNDS = 4
CLEAR_GAIN = 0.05  # mean similarity by which a fitted line beats one at speed one beyond doubt
SIGNIFICANCE = 3.0  # or by this many standard errors
_LEAST_DROP = 0.12  # and at least this far below its matches, which noise alone does not reach
_SAME_LINE_SECONDS = 0.2  # lines that differ by less than this over a span count as the same
_WORST_GAIN = -0.3  # what one frame that fails can cost a run
_NEIGHBOURS = np.array([[-1], [0], [1]])
_CONTRAST_ROWS = 64  # rows of a long run that are compared with what lies beside the line
_FINER = 2  # this many reference frames between two query frames, and the reference decides where a span ends
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
    around = middle + _NEIGHBOURS  # (3, N)
    np.maximum(around, 0, out=around)
    np.minimum(around, len(times) - 1, out=around)
    near_times = times.take(around)
    values = scores.ravel().take(around + matrix.row_starts)
    slack = config.tolerance_seconds
    far = np.abs(near_times - wanted) > slack
    # sparse frames: the nearest one counts as long as the line passes closer to it than to its neighbours
    far[1] &= (wanted < times[0] - slack) | (wanted > times[-1] + slack)
    values[far] = -1.0
    weight = np.square(np.maximum(values - np.float32(config.min_similarity), np.float32(1e-6)))
    peak = (weight * near_times).sum(axis=0) / weight.sum(axis=0)
    best = values.argmax(axis=0)
    rows = np.arange(len(wanted))
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
    level = np.float32(max(config.min_similarity, floor) - 1e-6)
    gain = np.maximum(traced.score - level, np.float32(_WORST_GAIN))
    clock = matrix.query_times
    if not matrix.all_informative:
        informed = matrix.query_mask & matrix.reference_mask[traced.columns]
        gain *= informed
        clock = (matrix.query_steps * informed).cumsum()  # time that could have matched
    gap = max(config.max_gap_seconds, 1.5 * matrix.typical_step) + 1e-6
    clock = clock[matched]
    cuts = np.flatnonzero(clock[1:] - clock[:-1] > gap)
    starts, ends = matched[np.concatenate(([0], cuts + 1))], matched[np.concatenate((cuts, [len(matched) - 1]))]
    hopes = np.add.reduceat(np.maximum(gain[matched], 0), np.concatenate(([0], cuts + 1)))
    best, first, last = 0.0, -1, -1
    for piece in np.argsort(-hopes, kind="stable").tolist():
        if hopes[piece] <= best:
            break
        start = int(starts[piece])
        total = gain[start : int(ends[piece]) + 1].cumsum()
        before = np.minimum.accumulate(np.concatenate(([0.0], total[:-1])))
        rise = total - before
        stop = int(rise.argmax())
        if rise[stop] > best:
            begin = int(np.concatenate(([0.0], total[:stop])).argmin())
            best, first, last = float(rise[stop]), start + begin, start + stop
    if first < 0:
        return None
    inner = matched[np.searchsorted(matched, first) : np.searchsorted(matched, last, side="right")]
    return Run(line, traced, int(inner[0]), int(inner[-1]), inner) if len(inner) else None


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


def refine(matrix: SimilarityMatrix, line: Line, config: AlignerConfig, rough: Run | None = None) -> Run | None:
    """Alternate between cutting the line to what matches and fitting it to the matches until nothing is gained.

    ``rough`` is the longest run of ``line`` where the caller knows it.
    """
    best: Run | None = None
    best_gain = 0.0
    for _ in range(_MAX_ROUNDS):
        run = rough or longest_run(matrix, line, config)
        rough = None
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
    ground = float(matrix.row_means[best.first : best.last + 1].mean())
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
    rows = run.matched[:: 1 + (len(run.matched) - 1) // _CONTRAST_ROWS]
    ends = run.line.at(matrix.query_times[run.matched[[0, -1]]])
    low = max(float(ends.min()) - _CONTRAST_MARGIN, float(matrix.reference_times[0])) - 0.25
    high = min(float(ends.max()) + _CONTRAST_MARGIN, float(matrix.reference_times[-1])) + 0.25
    on_line = run.line.at(matrix.query_times[rows])
    wanted = on_line[:, None] + _CONTRAST_OFFSETS
    columns = nearest_columns(matrix.reference_times, wanted.ravel()).reshape(wanted.shape)
    beside = (wanted >= low) & (wanted <= high)
    beside &= np.abs(matrix.reference_times[columns] - on_line[:, None]) > 2 * config.tolerance_seconds
    if not matrix.all_informative:
        beside &= matrix.reference_mask[columns]
    count = int(np.count_nonzero(beside))
    if count < 2:
        return 0.0
    values = matrix.scores[rows[:, None], columns]
    return float(run.trace.score[run.matched].mean() - (values * beside).sum() / count)


def span(matrix: SimilarityMatrix, run: Run, config: AlignerConfig) -> tuple[float, float, float, float]:
    """Query start and end, reference start and end, of a run, each between the last frame that matches and the next.

    Black or flat frames next to the span belong to it when both sides show them.
    """
    first, last = run.first, run.last
    if not matrix.all_informative:
        columns = nearest_columns(matrix.reference_times, run.line.at(matrix.query_times))
        blank = ~matrix.query_mask & ~matrix.reference_mask[columns]
        while first > 0 and blank[first - 1]:
            first -= 1
        while last < len(blank) - 1 and blank[last + 1]:
            last += 1
    start = _end(matrix, run, first, -1, config) if first > 0 else 0.0
    end = _end(matrix, run, last, 1, config) if last < len(matrix.query_times) - 1 else matrix.query_duration
    return clip_to_reference(matrix, run.line, start, end)


def _end(matrix: SimilarityMatrix, run: Run, edge: int, step: int, config: AlignerConfig) -> float:
    """Query time of one end of a run, by the frames of the side that has more of them there."""
    level = level_at(run.trace.score, run.matched, step)
    found = crossing(matrix.query_times, run.trace.score, edge, step, level)
    if found is None:
        return 0.0 if step < 0 else matrix.query_duration
    columns = _columns_within(matrix, run.line, found)
    if len(columns) < _FINER or edge not in (run.first, run.last):
        return found.time
    # one more frame on either side, in the order of query time
    reference = np.arange(max(columns[0] - 1, 0), min(columns[-1] + 2, len(matrix.reference_times)))
    reference = reference if run.line.slope > 0 else reference[::-1]
    moments = (matrix.reference_times[reference] - run.line.offset) / run.line.slope
    profile = matrix.masked_scores[nearest_columns(matrix.query_times, moments), reference]
    matched = np.flatnonzero(profile >= config.min_similarity)
    if not len(matched):
        return found.time
    finer = crossing(moments, profile, int(matched[-1] if step > 0 else matched[0]), step, level)
    return found.time if finer is None else found.at(finer.time)


def _columns_within(matrix: SimilarityMatrix, line: Line, found: Crossing) -> Indices:
    """Reference frames that the line meets between the two query frames of a crossing."""
    low, high = sorted(line.at(np.array([found.inner, found.outer])).tolist())
    times = matrix.reference_times
    return np.arange(np.searchsorted(times, low, side="right"), np.searchsorted(times, high))


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


def measure(matrix: SimilarityMatrix, run: Run, config: AlignerConfig) -> Segment | None:
    """The segment of a run with its evidence, or None when it is a coincidence or a mere block of likeness."""
    rows = run.matched
    scores = run.trace.score[rows]
    within = slice(run.first, run.last + 1)
    informed = run.last + 1 - run.first
    if not matrix.all_informative:
        informed = int((matrix.query_mask[within] & matrix.reference_mask[run.trace.columns[within]]).sum())
    density = len(rows) / max(informed, 1)
    mean = float(scores.mean())
    q_start, q_end, r_start, r_end = span(matrix, run, config)
    offside = run.trace.times[rows] - run.line.at(matrix.query_times[rows])
    found = Segment(
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


def is_credible(found: Segment, matrix: SimilarityMatrix, config: AlignerConfig, columns: int) -> bool:
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

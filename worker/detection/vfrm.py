"""VFRM: which video, and which second of it, every second of a query shows (after the PDVR report's matcher).

Their rule adds to the similarity of a frame a bonus for the successor of the previous match and one for the same
video, gated by the probability of a transition. That is Viterbi over (video, frame): to continue is free, to jump
inside a video or to switch to another costs, and less where ``worker.detection.transition`` sees a change of source.
``VfrmAligner`` is the form for one pair; ``label_sequence`` labels a query stitched from many sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment import AlignerConfig, SimilarityMatrix
from worker.alignment.paths import Path, follow
from worker.alignment.selection import Shortlist
from worker.detection.tracks import NONE, PathCosts, SpeedRange, Tracks, best_path, lay_tracks
from worker.types import FloatArray, Segment

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Transition = Callable[[FloatArray], FloatArray]

MAX_ROUNDS = 3  # paths through one pair; each labels a query second once
CLAIM_SECONDS = 2.5  # places this near to a path that was followed are spent
ROWS = 256  # query rows whose similarities are computed at a time


def _speeds(config: AlignerConfig) -> SpeedRange:
    return SpeedRange(config.min_slope, config.max_slope, config.tolerance_seconds)


def _gains(scores: FloatArray, query_mask: NDArray[np.bool_], config: AlignerConfig, worst: float) -> FloatArray:
    """Similarity above the minimum, never below ``worst``; 0 in rows that say nothing."""
    gains = np.maximum(scores - np.float32(config.min_similarity), np.float32(worst))
    gains[~query_mask] = 0.0
    return gains


class VfrmAligner:
    """Follows one video at any speed between the configured slopes, with cuts. See worker.alignment.base.Aligner.

    ``changes`` (N,) probabilities that the query's source changes before each row; without them every jump costs the
    same.
    """

    def __init__(self, changes: FloatArray | None = None, costs: PathCosts | None = None) -> None:
        self.changes, self.costs = changes, costs or PathCosts()

    def align(self, similarity: SimilarityMatrix, config: AlignerConfig) -> list[Segment]:
        """Segments, most evidence first."""
        scores = similarity.masked_scores
        if scores.size == 0 or float(scores.max()) < config.min_similarity:
            return []
        if self.changes is not None and len(self.changes) != len(scores):
            raise ValueError(f"{len(self.changes)} transition probabilities for {len(scores)} query frames")
        tracks = lay_tracks([similarity.reference_times], both_ways=config.allow_reversed)
        gains = _gains(scores, similarity.query_mask, config, self.costs.worst)
        shortlist = Shortlist(similarity, config)
        for _ in range(MAX_ROUNDS):
            rows = (row[tracks.column] for row in gains)
            path = best_path(rows, tracks, similarity.query_steps, self.changes, self.costs, _speeds(config))
            news = False
            for stretch in path.stretches():
                columns = tracks.column[path.places[stretch]]
                backwards = bool(tracks.backward[path.places[stretch[0]]])
                sign = -1.0 if backwards else 1.0
                news |= follow(Path(stretch, columns), similarity, config, shortlist, sign)
                _spend(gains, similarity.reference_times, stretch, columns, self.costs.worst)
            if not news:
                break
        return list(shortlist.best())


def _spend(gains: FloatArray, times: Floats, rows: Indices, columns: Indices, worst: float) -> None:
    """Take the places near a path out of the next round."""
    low = np.searchsorted(times, times[columns] - CLAIM_SECONDS)
    high = np.searchsorted(times, times[columns] + CLAIM_SECONDS, side="right")
    for row, first, last in zip(rows.tolist(), low.tolist(), high.tolist(), strict=True):
        gains[row, first:last] = worst


@dataclass(frozen=True, slots=True)
class SequenceLabels:
    """What each of the N query frames shows."""

    names: list[str | None]  # the reference, or None
    times: Floats  # (N,) seconds in it, NaN for none
    scores: FloatArray  # (N,) similarity there, 0 for none
    backwards: NDArray[np.bool_]  # (N,)
    stretches: list[Indices]  # rows of each uncut piece of one reference
    query_times: Floats

    def segments(self, duration: float | None = None, min_rows: int = 2) -> list[tuple[str, Segment]]:
        """One segment a stretch, in the order of the query; boundaries half way to the next frame."""
        times = self.query_times
        if not self.stretches:
            return []
        step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
        middle = 0.5 * (times[1:] + times[:-1])
        edges = np.r_[max(0.0, times[0] - step / 2), middle, times[-1] + step if duration is None else duration]
        found: list[tuple[str, Segment]] = []
        for rows in self.stretches:
            name = self.names[int(rows[0])]
            if name is None or len(rows) < min_rows:
                continue
            start, end = float(edges[rows[0]]), float(edges[rows[-1] + 1])
            place = self.times[rows]
            speed = float(np.polyfit(times[rows], place, 1)[0])
            ends = np.array([place[0] + speed * (start - times[rows[0]]), place[-1] + speed * (end - times[rows[-1]])])
            low, high = np.maximum(np.sort(ends), 0.0).tolist()
            score = float(np.clip(self.scores[rows].mean(), 0.0, 1.0))
            found.append((name, Segment(start, end, low, high, score, score, bool(self.backwards[rows[0]]))))
        return found


def label_sequence(
    query: FloatArray,
    references: Mapping[str, FloatArray],
    *,
    query_times: Floats | None = None,
    reference_times: Mapping[str, Floats] | None = None,
    informative: NDArray[np.bool_] | None = None,
    transition: Transition | None = None,
    config: AlignerConfig | None = None,
) -> SequenceLabels:
    """Label every frame of a query, (N, D) unit rows, with a reference, name -> (M, D) unit rows, and a time in it.

    Times default to one frame a second. ``informative`` (N,) is False for frames that say nothing; they go with their
    neighbours. ``transition`` gives the (N,) probabilities of a change of source (TransitionClassifier).
    """
    config, costs = config or AlignerConfig(), PathCosts()
    names = [name for name, vectors in references.items() if len(vectors)]
    times = np.arange(len(query), dtype=np.float64) if query_times is None else query_times
    mask = np.ones(len(query), np.bool_) if informative is None else informative
    if len(query) == 0 or not names:
        nothing = np.full(len(query), np.nan)
        return SequenceLabels(
            [None] * len(query), nothing, np.zeros(len(query), np.float32), np.zeros(len(query), np.bool_), [], times
        )
    clocks = [
        np.arange(len(references[n]), dtype=np.float64) if reference_times is None else reference_times[n]
        for n in names
    ]
    tracks = lay_tracks(clocks, both_ways=config.allow_reversed)
    table = np.ascontiguousarray(np.concatenate([references[n] for n in names]), dtype=np.float32)

    def rows() -> Iterator[FloatArray]:
        for start in range(0, len(query), ROWS):
            part = slice(start, start + ROWS)
            for row in _gains(query[part] @ table.T, mask[part], config, costs.worst):
                yield row[tracks.column]

    steps = np.diff(times, prepend=times[:1])
    changes = None if transition is None else transition(query)
    path = best_path(rows(), tracks, steps, changes, costs, _speeds(config))
    return _labels(path.places, path.stretches(), tracks, query, table, names, times)


def _labels(
    places: Indices, stretches: list[Indices], tracks: Tracks, query: FloatArray, table: FloatArray, names: list[str],
    times: Floats,
) -> SequenceLabels:  # fmt: skip
    shown = places != NONE
    found = places[shown]
    seconds, scores = np.full(len(places), np.nan), np.zeros(len(places), np.float32)
    seconds[shown] = np.abs(tracks.clock[found])
    scores[shown] = np.einsum("nd,nd->n", query[shown], table[tracks.column[found]])
    backwards = np.zeros(len(places), np.bool_)
    backwards[shown] = tracks.backward[found]
    which = [names[int(tracks.video[place])] if place != NONE else None for place in places]
    return SequenceLabels(which, seconds, scores, backwards, stretches, times)

"""The looks of two videos beside each other: which of them could hold a copy, and their similarity matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import AlignerConfig, SimilarityMatrix
from worker.alignment.similarity import normalise_scores, similarity_matrix
from worker.types import Descriptors, FloatArray, View

LOOK_PRIOR = {"whole": 1.0, "region": 0.97, "mirrored": 0.95, "part": 0.9, "turned": 0.9}  # symmetric scenes fit many
MIN_SCREEN_ROWS = 2  # rows of a look that must resemble something
HOLE = 1.75  # times the usual spacing of a look: a longer stretch without its frames is a hole


@dataclass(frozen=True, slots=True)
class Reading:
    """One look of the query beside one look of the reference."""

    query: View
    reference: View
    scores: FloatArray  # (n, m)
    promise: float


def look_scores(mine: View, theirs: View) -> FloatArray:
    scores = similarity_matrix(mine.vectors, theirs.vectors)
    if (mine.penalty is None) != (theirs.penalty is None):
        raise ValueError("background penalties must be given for both videos of a pair or for neither")
    if mine.penalty is None:
        return scores
    return normalise_scores(scores, mine.penalty, theirs.penalty)


def _placed(look: View, side: Descriptors) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows of the video that the matrix shows for a look, and which of them the look has.

    A look may lack whole stretches (an inset that was there in one shot only). The frames of such a hole are shown as
    uninformative ones, so that no span grows across them.
    """
    count = len(side.times)
    if len(look.rows) in (0, count):
        return look.rows, np.ones(len(look.rows), dtype=np.bool_)
    times = side.times[look.rows]
    usual = HOLE * float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    place = np.searchsorted(look.rows, np.arange(count))
    before = np.where(place > 0, times[np.maximum(place - 1, 0)], -np.inf)
    after = np.where(place < len(times), times[np.minimum(place, len(times) - 1)], np.inf)
    shown = np.zeros(count, dtype=np.bool_)
    shown[look.rows] = True
    rows = np.flatnonzero(shown | (after - before > usual))
    return rows, shown[rows]


def reading_matrix(reading: Reading, query: Descriptors, reference: Descriptors) -> SimilarityMatrix:
    """What the aligner sees of one reading."""
    rows, mine = _placed(reading.query, query)
    columns, theirs = _placed(reading.reference, reference)
    scores = reading.scores
    if not (mine.all() and theirs.all()):
        scores = np.zeros((len(rows), len(columns)), dtype=np.float32)
        scores[np.ix_(mine, theirs)] = reading.scores
    return SimilarityMatrix.build(
        scores,
        query.times[rows],
        reference.times[columns],
        query_mask=query.informative[rows] & mine,
        reference_mask=reference.informative[columns] & theirs,
        query_duration=query.duration,
        reference_duration=reference.duration,
    )


def readings(query: Descriptors, reference: Descriptors, config: AlignerConfig) -> Iterator[Reading]:
    references = [look for look in reference.looks() if look.kind in ("whole", "region")]
    for mine in query.looks():
        for theirs in references:
            if mine.kind in ("part", "turned") and theirs.kind == "region":
                continue  # a part of a part: no edit that people make
            scores = look_scores(mine, theirs)
            live = query.informative[mine.rows][:, None] & reference.informative[theirs.rows][None, :]
            best = np.where(live, scores, np.float32(-1.0)).max(axis=1, initial=-1.0)
            hits = best >= config.min_similarity
            if hits.sum() >= min(MIN_SCREEN_ROWS, len(best)) and hits.any():
                spacing = query.duration / max(len(mine.rows), 1)
                promise = float((best[hits] - config.min_similarity + 0.02).sum()) * spacing
                yield Reading(mine, theirs, scores, promise * LOOK_PRIOR[mine.kind])

"""The looks of two videos beside each other: which of them could hold a copy, and their similarity matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import AlignerConfig, SimilarityMatrix
from worker.alignment.similarity import normalise_scores, similarity_matrix
from worker.types import Descriptors, FloatArray, View

LOOK_PRIOR = {"whole": 1.0, "region": 0.97, "mirrored": 0.95, "part": 0.9, "turned": 0.9}  # symmetric scenes fit many
MIN_SCREEN_ROWS = 2  # rows of a look that must resemble something
SCREEN_CELLS = 4_000_000  # scores of a screen in memory at a time
HOLE = 1.75  # times the usual spacing of a look: a longer stretch without its frames is a hole


@dataclass(frozen=True, slots=True)
class Reading:
    """One look of the query beside one look of the reference."""

    query: View
    reference: View
    promise: float  # seconds of the query that resemble something, weighted by how much


def look_scores(mine: View, theirs: View) -> FloatArray:
    """(n, m) similarities of two looks, normalised where both have penalties. Raises ValueError where one has."""
    scores = similarity_matrix(mine.vectors, theirs.vectors)
    if mine.penalty is None and theirs.penalty is None:
        return scores
    if mine.penalty is None or theirs.penalty is None:
        raise ValueError("background penalties must be given for both videos of a pair or for neither")
    return normalise_scores(scores, mine.penalty, theirs.penalty)


def _placed(look: View, side: Descriptors) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows of the video that the matrix shows for a look, and which of them the look has.

    A look may lack whole stretches (an inset that was there in one shot only). The frames of such a hole are shown as
    ones that resemble nothing, so that no span grows into it or across it. Uninformative they are not: aligners pass
    over black frames, however many.
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
    """What the aligner sees of one reading: (N, M) of the looks' frames and of the holes in them."""
    rows, mine = _placed(reading.query, query)
    columns, theirs = _placed(reading.reference, reference)
    scores = look_scores(reading.query, reading.reference)
    if not (mine.all() and theirs.all()):
        spread = np.zeros((len(rows), len(columns)), dtype=np.float32)
        spread[np.ix_(mine, theirs)] = scores
        scores = spread
    return SimilarityMatrix.build(
        scores,
        query.times[rows],
        reference.times[columns],
        query_mask=query.informative[rows],
        reference_mask=reference.informative[columns],
        query_duration=query.duration,
        reference_duration=reference.duration,
    )


def _live(look: View, side: Descriptors) -> View:
    """The informative frames of a look."""
    stays = side.informative[look.rows]
    if stays.all():
        return look
    penalty = None if look.penalty is None else look.penalty[stays]
    return replace(look, rows=look.rows[stays], vectors=look.vectors[stays], penalty=penalty)


def _highest(mine: View, theirs: View) -> FloatArray:
    """(n,) the best score of each row of ``mine``; SCREEN_CELLS scores in memory at a time."""
    block = max(1, SCREEN_CELLS // max(len(theirs.rows), 1))
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(mine.rows), block):
        part = slice(start, start + block)
        penalty = None if mine.penalty is None else mine.penalty[part]
        some = replace(mine, rows=mine.rows[part], vectors=mine.vectors[part], penalty=penalty)
        parts.append(look_scores(some, theirs).max(axis=1, initial=-1.0))
    return np.concatenate(parts)


def readings(query: Descriptors, reference: Descriptors, config: AlignerConfig) -> Iterator[Reading]:
    """Every look of the query beside every whole or region look of the reference in which a copy could show.

    No scores are kept: two films in all looks would take gigabytes, and those of the few that are aligned are
    computed again in a fraction of the time that the alignment takes.
    """
    references = [look for look in reference.looks() if look.kind in ("whole", "region")]
    live = [_live(look, reference) for look in references]
    for mine in query.looks():
        asking = _live(mine, query)
        for theirs, answering in zip(references, live, strict=True):
            if mine.kind in ("part", "turned") and theirs.kind == "region":
                continue  # a part of a part: no edit that people make
            best = _highest(asking, answering)
            hits = best >= config.min_similarity
            if hits.sum() >= min(MIN_SCREEN_ROWS, len(mine.rows)) and hits.any():
                spacing = query.duration / max(len(mine.rows), 1)
                promise = float((best[hits] - config.min_similarity + 0.02).sum()) * spacing
                yield Reading(mine, theirs, promise * LOOK_PRIOR[mine.kind])

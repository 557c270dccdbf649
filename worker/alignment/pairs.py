"""One pair of videos, seen in every look: which spans match, and what that says.

Each look of the query is screened against the whole frames of the reference (and against the regions that were found
in it); those that could hold a copy are aligned, and of overlapping readings the one with more evidence stays. So one
video may match plain in one span, mirrored in the next and as an inset in a third.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import AlignedSegment, Aligner, AlignerConfig, SimilarityMatrix, get_aligner
from worker.alignment.decision import NO_MATCH, DecisionModel, Verdict, decide, swap_segment, swap_verdict
from worker.alignment.selection import covered, overlap
from worker.alignment.similarity import normalise_scores, similarity_matrix
from worker.alignment.sparse import expand
from worker.types import Descriptors, FloatArray, Segment, View

DEFAULT_ALIGNER = "hough"
# Similarity to the nearest background frame is subtracted on both sides, so unrelated frames lie below zero, and a copy
# of a plain scene, which resembles much, not far above it. What passes here is weighed by the decision.
NORMALISED = AlignerConfig(min_similarity=0.08, near_exact=0.32)
LOOK_PRIOR = {"whole": 1.0, "region": 0.97, "mirrored": 0.95, "part": 0.9, "turned": 0.9}  # symmetric scenes fit many
MAX_LOOKS = 8  # are aligned: the whole frames, then those that promise most
MIN_SCREEN_ROWS = 2  # rows of a look that must resemble something


@dataclass(frozen=True, slots=True)
class PairMatch:
    verdict: Verdict
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One look of the query beside one look of the reference."""

    query: View
    reference: View
    scores: FloatArray  # (n, m)
    promise: float


def build_matrix(
    query: Descriptors, reference: Descriptors, query_look: View | None = None, reference_look: View | None = None
) -> SimilarityMatrix:
    """The similarity matrix of a pair in the given looks (whole by default); normalised where penalties are given."""
    query, reference = expand(query), expand(reference)
    mine, theirs = query_look or query.looks()[0], reference_look or reference.looks()[0]
    return _matrix(query, reference, mine, theirs, _scores(mine, theirs))


def _scores(mine: View, theirs: View) -> FloatArray:
    scores = similarity_matrix(mine.vectors, theirs.vectors)
    if (mine.penalty is None) != (theirs.penalty is None):
        raise ValueError("background penalties must be given for both videos of a pair or for neither")
    if mine.penalty is None:
        return scores
    return normalise_scores(scores, mine.penalty, theirs.penalty)


def _matrix(
    query: Descriptors, reference: Descriptors, mine: View, theirs: View, scores: FloatArray
) -> SimilarityMatrix:
    return SimilarityMatrix.build(
        scores,
        query.times[mine.rows],
        reference.times[theirs.rows],
        query_mask=query.informative[mine.rows],
        reference_mask=reference.informative[theirs.rows],
        query_duration=query.duration,
        reference_duration=reference.duration,
    )


def _readings(query: Descriptors, reference: Descriptors, config: AlignerConfig) -> Iterator[_Reading]:
    references = [look for look in reference.looks() if look.kind in ("whole", "region")]
    for mine in query.looks():
        for theirs in references:
            if mine.kind in ("part", "turned") and theirs.kind == "region":
                continue  # a part of a part: no edit that people make
            scores = _scores(mine, theirs)
            live = query.informative[mine.rows][:, None] & reference.informative[theirs.rows][None, :]
            best = np.where(live, scores, np.float32(-1.0)).max(axis=1, initial=-1.0)
            hits = best >= config.min_similarity
            if hits.sum() >= min(MIN_SCREEN_ROWS, len(best)) and hits.any():
                spacing = query.duration / max(len(mine.rows), 1)
                promise = float((best[hits] - config.min_similarity + 0.02).sum()) * spacing
                yield _Reading(mine, theirs, scores, promise * LOOK_PRIOR[mine.kind])


def match_pair(
    query: Descriptors,
    reference: Descriptors,
    aligner: Aligner | str = DEFAULT_ALIGNER,
    decision: DecisionModel | None = None,
    config: AlignerConfig | None = None,
) -> PairMatch:
    """Align a pair in its most promising looks and weigh what was found. NO_MATCH when nothing is shared."""
    chosen = get_aligner(aligner) if isinstance(aligner, str) else aligner
    config = config or (NORMALISED if query.penalty is not None else AlignerConfig())
    query, reference = expand(query), expand(reference)
    readings = sorted(_readings(query, reference, config), key=lambda r: (r.query.kind != "whole", -r.promise))
    found: list[AlignedSegment] = []
    for reading in readings[:MAX_LOOKS]:
        matrix = _matrix(query, reference, reading.query, reading.reference, reading.scores)
        found.extend(_labelled(segment, reading, query, reference) for segment in chosen.align(matrix, config))
    kept = _best(found, config)
    if not kept:
        return PairMatch(NO_MATCH, [])
    verdict = decide(kept, query.duration, reference.duration, model=decision)
    return PairMatch(verdict, list(kept))


def _labelled(segment: Segment, reading: _Reading, query: Descriptors, reference: Descriptors) -> AlignedSegment:
    if not isinstance(segment, AlignedSegment):
        spans = (segment.query_start, segment.query_end, segment.reference_start, segment.reference_end)
        segment = AlignedSegment(*spans, segment.score, segment.reversed, mean_similarity=segment.score)
    look = reading.query.kind if reading.query.kind != "whole" else reading.reference.kind
    return replace(
        segment,
        look=look,
        mirrored=reading.query.mirrored != reading.reference.mirrored,
        hash_share=_hash_share(segment, reading, query, reference),
        background=0.5
        * (
            _background(reading.query, query, segment.query_start, segment.query_end)
            + _background(reading.reference, reference, segment.reference_start, segment.reference_end)
        ),
        variety=_variety(reading.reference, reference, segment),
        covariation=_covariation(segment, reading, query, reference),
    )


LEAST_ROWS = 4  # fewer frames cannot vary together but by chance


def _covariation(segment: AlignedSegment, reading: _Reading, query: Descriptors, reference: Descriptors) -> float:
    """Correlation of what changes in the query with what changes in the reference at the same places of the line.

    Each side's mean descriptor over the span is taken away first: two takes before one wall share the wall and nothing
    of what moves, while in a copy even small changes agree. 0 where a side has fewer than LEAST_ROWS frames.
    """
    mine, theirs = reading.query, reading.reference
    places = _inside(mine, query, segment.query_start, segment.query_end)
    others = np.flatnonzero(reference.informative[theirs.rows])
    if len(places) < LEAST_ROWS or len(others) < LEAST_ROWS:
        return 0.0
    wanted = _line(segment, query.times[mine.rows][places])
    times = reference.times[theirs.rows][others]
    inside = (wanted >= times[0]) & (wanted <= times[-1])
    places, wanted = places[inside], wanted[inside]
    if len(places) < LEAST_ROWS:
        return 0.0
    after = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    share = ((wanted - times[after - 1]) / np.maximum(times[after] - times[after - 1], 1e-6))[:, None]
    vectors = theirs.vectors[others]
    there = (1 - share) * vectors[after - 1] + share * vectors[after]
    here = mine.vectors[places] - mine.vectors[places].mean(0)
    there = there - there.mean(0)
    both = float(np.sqrt((here**2).sum() * (there**2).sum()))
    return float((here * there).sum() / both) if both > 1e-9 else 0.0


def _line(segment: AlignedSegment, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reference seconds that belong to query seconds."""
    into = (times - segment.query_start) * (segment.reference_length / max(segment.query_length, 1e-9))
    return np.asarray(segment.reference_end - into if segment.reversed else segment.reference_start + into)


def _inside(look: View, side: Descriptors, start: float, end: float) -> NDArray[np.int64]:
    """Places of a look whose informative frames lie in [start, end] seconds."""
    times = side.times[look.rows]
    return np.flatnonzero((times >= start - 1e-6) & (times <= end + 1e-6) & side.informative[look.rows])


def _background(look: View, side: Descriptors, start: float, end: float) -> float:
    places = _inside(look, side, start, end)
    return float(look.penalty[places].mean()) if look.penalty is not None and len(places) else 0.0


def _variety(look: View, side: Descriptors, segment: AlignedSegment) -> float:
    vectors = look.vectors[_inside(look, side, segment.reference_start, segment.reference_end)]
    return float((1 - (vectors[1:] * vectors[:-1]).sum(1)).sum()) if len(vectors) > 1 else 0.0


HASH_DISTANCE = 31  # PDQ: at most this many of 256 bits differ between frames that are the same picture
HASH_SECONDS = 0.75


def _hash_share(segment: AlignedSegment, reading: _Reading, query: Descriptors, reference: Descriptors) -> float:
    """Share of the query frames in the span whose PDQ hash is that of the reference frame at the same place."""
    if query.hashes is None or reference.hashes is None or reading.query.kind != "whole":
        return 0.0
    if reading.reference.kind != "whole":
        return 0.0
    inside = (query.times >= segment.query_start) & (query.times <= segment.query_end) & query.informative
    rows = np.flatnonzero(inside)
    if not len(rows) or segment.query_length <= 0:
        return 0.0
    wanted = _line(segment, query.times[rows])
    distance = hash_distances(query.hashes[rows], reference.hashes)
    step = float(np.median(np.diff(reference.times))) if len(reference.times) > 1 else 1.0
    near = np.abs(reference.times[None, :] - wanted[:, None]) <= max(HASH_SECONDS, 0.6 * step)
    return float(((distance <= HASH_DISTANCE) & near).any(axis=1).mean())


def hash_distances(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(N, 32), (M, 32) bytes -> (N, M) how many of the 256 bits differ."""
    a = np.unpackbits(left, axis=1).astype(np.float32)
    b = np.unpackbits(right, axis=1).astype(np.float32)
    return np.asarray(np.rint(a.sum(1)[:, None] + b.sum(1)[None, :] - 2 * (a @ b.T)), dtype=np.int64)


def _best(found: Sequence[AlignedSegment], config: AlignerConfig) -> list[AlignedSegment]:
    """Most evidence first; readings of one and the same span in another look are dropped.

    Looks compete by the cosine itself, background included: a part of a scene is less ordinary than the whole, so the
    normalised scores of two looks do not compare, and an untouched copy would be taken for an inset of itself.
    """
    ordered = sorted(found, key=_weight, reverse=True)
    kept: list[AlignedSegment] = []
    for segment in ordered:
        if not any(_same_span(segment, k, config) for k in kept):
            kept.append(segment)
    return kept[: config.max_segments]


def _weight(segment: AlignedSegment) -> float:
    cosine = segment.mean_similarity + segment.background
    return max(cosine, 0.01) ** 2 * segment.hit_density * segment.query_length * LOOK_PRIOR[segment.look]


def _same_span(segment: AlignedSegment, kept: AlignedSegment, config: AlignerConfig) -> bool:
    if segment.look == kept.look and segment.mirrored == kept.mirrored:
        return overlap(segment, kept) > config.max_overlap or covered(segment, kept) > 0.5
    # in another look even a distant echo explains the same frames of the query: one picture shows one thing
    common = min(segment.query_end, kept.query_end) - max(segment.query_start, kept.query_start)
    return common > 0.5 * segment.query_length


def swap_pair(match: PairMatch) -> PairMatch:
    """The same result with query and reference exchanged."""
    return PairMatch(swap_verdict(match.verdict), [swap_segment(s) for s in match.segments])

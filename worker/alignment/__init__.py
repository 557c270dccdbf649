"""Which spans of two videos show the same footage: similarity, candidates, aligners, verdict. Pure numpy.

result = match_pair(query, reference)
result.verdict.relation, result.verdict.score, result.segments
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import (
    AlignedSegment,
    Aligner,
    AlignerConfig,
    SimilarityMatrix,
    aligner_names,
    get_aligner,
    register_aligner,
)
from worker.alignment.candidates import Candidate, FrameHits, vote_for_videos
from worker.alignment.decision import (
    NO_MATCH,
    DecisionModel,
    Relation,
    Verdict,
    decide,
    swap_segment,
    swap_verdict,
)
from worker.alignment.hough import HoughAligner
from worker.alignment.similarity import (
    append_penalty,
    background_penalty,
    centre,
    information_mask,
    normalise_scores,
    similarity_matrix,
    unit,
)
from worker.alignment.temporal_network import TemporalNetworkAligner
from worker.types import FloatArray, Segment

__all__ = [
    "NO_MATCH", "AlignedSegment", "Aligner", "AlignerConfig", "Candidate", "DecisionModel", "Descriptors", "FrameHits",
    "HoughAligner", "PairMatch", "Relation", "SimilarityMatrix", "TemporalNetworkAligner", "Verdict", "aligner_names",
    "append_penalty", "background_penalty", "build_matrix", "centre", "decide", "get_aligner", "information_mask",
    "match_pair", "normalise_scores", "register_aligner", "similarity_matrix", "swap_pair", "swap_segment",
    "swap_verdict", "unit", "vote_for_videos",
]  # fmt: skip

DEFAULT_ALIGNER = "hough"
MIRROR_MARGIN = 0.02  # a mirrored reading must beat the plain one by this much: symmetric scenes fit both

register_aligner("hough", HoughAligner)
register_aligner("temporal_network", TemporalNetworkAligner)


@dataclass(frozen=True, slots=True)
class Descriptors:
    """One video's copy descriptors. vectors (N, D) unit norm, times (N,) ascending seconds.

    ``informative`` (N,) is False for flat or black frames, which never vote. ``mirrored_vectors`` (N, D) are those of
    the horizontally flipped frames; needed on the query side only. ``penalty`` (N,) is ``background_penalty`` of the
    vectors, to be given on both sides or on neither.
    """

    vectors: FloatArray
    times: NDArray[np.float64]
    informative: NDArray[np.bool_]
    duration: float
    mirrored_vectors: FloatArray | None = None
    penalty: FloatArray | None = None
    mirrored_penalty: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class PairMatch:
    verdict: Verdict
    segments: list[Segment]


def build_matrix(query: Descriptors, reference: Descriptors, *, mirrored: bool = False) -> SimilarityMatrix:
    """The similarity matrix of a pair, of the flipped query when ``mirrored``; normalised where penalties are given."""
    vectors = query.mirrored_vectors if mirrored else query.vectors
    if vectors is None:
        raise ValueError("this query has no mirrored descriptors")
    scores = similarity_matrix(vectors, reference.vectors)
    penalty = query.mirrored_penalty if mirrored else query.penalty
    if (penalty is None) != (reference.penalty is None):
        raise ValueError("background penalties must be given for both videos of a pair or for neither")
    if penalty is not None:
        scores = normalise_scores(scores, penalty, reference.penalty)
    return SimilarityMatrix.build(
        scores,
        query.times,
        reference.times,
        query_mask=query.informative,
        reference_mask=reference.informative,
        query_duration=query.duration,
        reference_duration=reference.duration,
    )


def match_pair(
    query: Descriptors,
    reference: Descriptors,
    aligner: Aligner | str = DEFAULT_ALIGNER,
    decision: DecisionModel | None = None,
    config: AlignerConfig | None = None,
) -> PairMatch:
    """Align a pair, plain and (where mirrored descriptors are given) mirrored, and keep the better reading."""
    chosen = get_aligner(aligner) if isinstance(aligner, str) else aligner
    config = config or AlignerConfig()
    best = PairMatch(NO_MATCH, [])
    for mirrored in (False, True) if query.mirrored_vectors is not None else (False,):
        segments = chosen.align(build_matrix(query, reference, mirrored=mirrored), config)
        verdict = decide(segments, query.duration, reference.duration, mirrored=mirrored, model=decision)
        if not segments:
            continue
        if not best.segments or _strength(PairMatch(verdict, segments)) > _strength(best) + MIRROR_MARGIN:
            best = PairMatch(verdict, segments)
    return best


def _strength(match: PairMatch) -> float:
    """Score of the verdict, then how well and how much of it matched, so that two sure readings still differ."""
    mean = sum(s.score for s in match.segments) / len(match.segments)
    coverage = max(match.verdict.query_coverage, match.verdict.reference_coverage)
    return match.verdict.score + mean * coverage


def swap_pair(match: PairMatch) -> PairMatch:
    """The same result with query and reference exchanged."""
    return PairMatch(swap_verdict(match.verdict), [swap_segment(s) for s in match.segments])

"""One pair of videos, seen in every look: which spans match, and what that says.

Each look of the query is screened against the whole frames of the reference (and against the regions that were found
in it); those that could hold a copy are aligned, and of overlapping readings the one with more evidence stays. So one
video may match plain in one span, mirrored in the next and as an inset in a third.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.alignment.base import Aligner, AlignerConfig, get_aligner
from worker.alignment.decision import (
    NO_MATCH,
    DecisionModel,
    Verdict,
    bundled_decision,
    decide,
    features,
    probability,
    swap_verdict,
)
from worker.alignment.evidence import labelled
from worker.alignment.readings import LOOK_PRIOR, reading_matrix, readings
from worker.alignment.selection import covered, overlap
from worker.alignment.sparse import expand
from worker.types import Descriptors, Segment

DEFAULT_ALIGNER = "hough"
# Similarity to the nearest background frame is subtracted on both sides, so unrelated frames lie below zero, and a copy
# of a plain scene, which resembles much, not far above it. What passes here is weighed by the decision.
NORMALISED = AlignerConfig(min_similarity=0.08, near_exact=0.32)
MAX_LOOKS = 8  # are aligned: the whole frames, then those that promise most
LEAST_SEGMENT_SCORE = 0.5  # a span beside a surer one must be an even chance by itself


@dataclass(frozen=True, slots=True)
class AlignedPair:
    """The verdict on two videos and the spans that it weighs, surest first."""

    verdict: Verdict
    segments: list[Segment]


def match_pair(
    query: Descriptors,
    reference: Descriptors,
    aligner: Aligner | str = DEFAULT_ALIGNER,
    decision: DecisionModel | None = None,
    config: AlignerConfig | None = None,
) -> AlignedPair:
    """Align a pair in its most promising looks and weigh what was found. NO_MATCH when nothing is shared."""
    chosen = get_aligner(aligner) if isinstance(aligner, str) else aligner
    config = config or (NORMALISED if query.penalty is not None else AlignerConfig())
    query, reference = expand(query), expand(reference)
    promising = sorted(readings(query, reference, config), key=lambda r: (r.query.kind != "whole", -r.promise))
    found: list[Segment] = []
    for reading in promising[:MAX_LOOKS]:
        matrix = reading_matrix(reading, query, reference)
        found.extend(labelled(segment, reading, query, reference) for segment in chosen.align(matrix, config))
    kept = _likely(_best(found, config), query, reference, decision or bundled_decision())
    if not kept:
        return AlignedPair(NO_MATCH, [])
    verdict = decide(kept, query.duration, reference.duration, model=decision)
    return AlignedPair(verdict, kept)


def _likely(found: list[Segment], query: Descriptors, reference: Descriptors, model: DecisionModel) -> list[Segment]:
    """The surest span, and those that would be believed without it."""
    if len(found) < 2:
        return found
    each = [probability(features([segment], query.duration, reference.duration), model) for segment in found]
    return [s for s, value in zip(found, each, strict=True) if value >= min(LEAST_SEGMENT_SCORE, max(each))]


def _best(found: Sequence[Segment], config: AlignerConfig) -> list[Segment]:
    """Most evidence first; readings of one and the same span in another look are dropped.

    Looks compete by the cosine itself, background included: a part of a scene is less ordinary than the whole, so the
    normalised scores of two looks do not compare, and an untouched copy would be taken for an inset of itself.
    """
    ordered = sorted(found, key=_weight, reverse=True)
    kept: list[Segment] = []
    for segment in ordered:
        if not any(_same_span(segment, k, config) for k in kept):
            kept.append(segment)
    return kept[: config.max_segments]


def _weight(segment: Segment) -> float:
    cosine = segment.mean_similarity + segment.background
    return max(cosine, 0.01) ** 2 * segment.hit_density * segment.query_length * LOOK_PRIOR[segment.look]


def _same_span(segment: Segment, kept: Segment, config: AlignerConfig) -> bool:
    if segment.look == kept.look and segment.mirrored == kept.mirrored:
        return overlap(segment, kept) > config.max_overlap or covered(segment, kept) > 0.5
    # in another look even a distant echo explains the same frames of the query: one picture shows one thing
    common = min(segment.query_end, kept.query_end) - max(segment.query_start, kept.query_start)
    return common > 0.5 * segment.query_length


def swap_pair(pair: AlignedPair) -> AlignedPair:
    """The same result with query and reference exchanged."""
    return AlignedPair(swap_verdict(pair.verdict), [s.swapped() for s in pair.segments])

"""From what a copy detector said about pairs of videos, and the truth, to the figures of ``evaluate copies``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from worker.evaluation.copy_metrics import (
    Box,
    Pair,
    ScoredBox,
    micro_average_precision,
    rejection_rates,
    vcsl_scores,
    vsc_segment_ap,
)

Key = tuple[str, str]  # ids of query and reference


@dataclass(frozen=True, slots=True)
class TrueSegment:
    """Common footage of a pair. A shared asset (an intro) is footage, but makes the pair no copy."""

    box: Box
    edit: str
    shared_asset: bool = False


@dataclass(frozen=True, slots=True)
class PairPrediction:
    """What was said of one pair: score 0..1, whether it is reported as a match, and the spans with their scores."""

    score: float = 0.0
    reported: bool = False
    boxes: tuple[tuple[Box, float], ...] = ()


@dataclass(frozen=True, slots=True)
class EditReport:
    """One edit. recall: share of its pairs that were reported; the second: of those above every unrelated pair."""

    pairs: int
    recall: float
    f1: float
    recall_at_zero_false: float
    boundary_error: float | None  # seconds, median over the boundaries of its found segments


@dataclass(frozen=True, slots=True)
class CopyReport:
    """All figures. None: not defined, because there is no true pair (micro_ap, vsc_ap, frr) or no other (far)."""

    micro_ap: float | None
    vcsl: tuple[float, float, float]
    vsc_ap: float | None
    vsc: tuple[float, float]  # precision and recall by length of the reported pairs
    frr: float | None
    far: float | None
    by_edit: dict[str, EditReport]
    true_pairs: int
    unrelated_pairs: int
    false_pairs: int
    recall_at_zero_false: float | None
    highest_unrelated: float
    boundary_error: float | None
    asset_pairs: int
    asset_pairs_reported: int
    worst_unrelated: tuple[tuple[str, str, float], ...] = field(default=())


def copy_report(
    predictions: Mapping[Key, PairPrediction],
    truth: Mapping[Key, Sequence[TrueSegment]],
    queries: Sequence[str],
    references: Sequence[str],
) -> CopyReport:
    """Every query was compared with every reference; a pair without a prediction scores 0.

    Pairs that share nothing but assets (intros) count for the segments, and neither as copies nor as unrelated.
    Raises ValueError for pairs of unknown videos and scores that are not numbers.
    """
    everything = {(q, r) for q in queries for r in references}
    if not set(predictions) <= everything or not set(truth) <= everything:
        raise ValueError("predictions and truth must be of the videos that were compared")
    if any(math.isnan(p.score) for p in predictions.values()):
        raise ValueError("a score is NaN")
    footage = {key: segments for key, segments in truth.items() if segments}
    copies = {key for key, segments in footage.items() if not all(s.shared_asset for s in segments)}
    assets = set(footage) - copies
    unrelated = everything - copies - assets
    scores = {key: p.score for key, p in predictions.items()}
    reported = {key for key, p in predictions.items() if p.reported}
    highest = max((scores.get(key, 0.0) for key in unrelated), default=0.0)
    above = {key for key in copies if scores.get(key, 0.0) > highest}
    frr, far = rejection_rates(reported - assets, copies, everything - assets)
    found: dict[Pair, list[Box]] = {key: [box for box, _ in predictions[key].boxes] for key in reported}
    true_boxes: dict[Pair, list[Box]] = {key: [s.box for s in segments] for key, segments in footage.items()}
    whole, lengths = vcsl_scores(found, true_boxes), vcsl_scores(found, true_boxes, macro=False)
    names = {s.edit for segments in footage.values() for s in segments}
    by_edit = {
        name: _edit_report(name, footage, found, reported, above | (assets & reported)) for name in sorted(names)
    }
    ranked = sorted(((scores.get(key, 0.0), key) for key in unrelated), reverse=True)
    return CopyReport(
        micro_ap=_micro_ap(scores, copies, assets),
        vcsl=(whole.precision, whole.recall, whole.f1),
        vsc_ap=_vsc_ap(predictions, true_boxes),
        vsc=(math.sqrt(lengths.precision), math.sqrt(lengths.recall)),
        frr=frr if copies else None,
        far=far if unrelated else None,
        by_edit=by_edit,
        true_pairs=len(copies),
        unrelated_pairs=len(unrelated),
        false_pairs=len(reported & unrelated),
        recall_at_zero_false=len(above) / len(copies) if copies else None,
        highest_unrelated=highest,
        boundary_error=_median_error(footage, found, None),
        asset_pairs=len(assets),
        asset_pairs_reported=len(assets & reported),
        worst_unrelated=tuple((*key, score) for score, key in ranked[:10] if score > 0),
    )


def _micro_ap(scores: Mapping[Key, float], copies: set[Key], assets: set[Key]) -> float | None:
    listed = [(score, key in copies) for key, score in scores.items() if score > 0 and key not in assets]
    return micro_average_precision(listed, len(copies)) if copies else None


def _vsc_ap(predictions: Mapping[Key, PairPrediction], truth: Mapping[Pair, Sequence[Box]]) -> float | None:
    """Segments rank by the pair's score times their own, so that both doubts count."""
    listed = [
        ScoredBox(key, box, pair.score * max(score, 0.0))
        for key, pair in predictions.items()
        for box, score in pair.boxes
    ]
    return vsc_segment_ap(listed, truth) if truth else None


def _edit_report(
    name: str,
    truth: Mapping[Key, Sequence[TrueSegment]],
    found: Mapping[Pair, Sequence[Box]],
    reported: set[Key],
    above: set[Key],
) -> EditReport:
    """A pair counts for every edit that one of its segments has, with all of its segments."""
    pairs = {key: segments for key, segments in truth.items() if any(s.edit == name for s in segments)}
    real: dict[Pair, list[Box]] = {key: [s.box for s in segments] for key, segments in pairs.items()}
    scores = vcsl_scores({key: found.get(key, []) for key in pairs}, real)
    count = len(pairs)
    return EditReport(
        pairs=count,
        recall=len(reported & set(pairs)) / count,
        f1=scores.f1,
        recall_at_zero_false=len(above & set(pairs)) / count,
        boundary_error=_median_error(pairs, found, name),
    )


def _shared(a: Box, b: Box) -> float:
    """Seconds of overlap on the query's axis times those on the reference's."""
    query, reference = min(a[1], b[1]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[2], b[2])
    return query * reference if query > 0 and reference > 0 else 0.0


def _median_error(
    truth: Mapping[Key, Sequence[TrueSegment]], found: Mapping[Pair, Sequence[Box]], edit: str | None
) -> float | None:
    """Median distance in seconds of the four boundaries of every found true segment from the box that fits it best."""
    errors: list[float] = []
    for key, segments in truth.items():
        for segment in segments:
            if edit is not None and segment.edit != edit:
                continue
            best = max(found.get(key, ()), key=lambda box: _shared(box, segment.box), default=None)
            if best is not None and _shared(best, segment.box) > 0:
                errors.extend(abs(a - b) for a, b in zip(best, segment.box, strict=True))
    return float(np.median(errors)) if errors else None


def as_dict(report: CopyReport) -> dict[str, Any]:
    """The keys that the command promises; shares from 0 to 1."""
    precision, recall, f1 = report.vcsl
    return {
        "micro_ap": report.micro_ap,
        "vcsl": {"precision": precision, "recall": recall, "f1": f1},
        "vsc": {"ap": report.vsc_ap, "precision": report.vsc[0], "recall": report.vsc[1]},
        "frr": report.frr,
        "far": report.far,
        "by_edit": {name: {"recall": edit.recall, "f1": edit.f1} for name, edit in report.by_edit.items()},
    }


def details(report: CopyReport) -> dict[str, Any]:
    """Further figures: counts, recall without any false pair, boundary errors, the most similar unrelated pairs."""
    return {
        "true_pairs": report.true_pairs,
        "unrelated_pairs": report.unrelated_pairs,
        "false_pairs": report.false_pairs,
        "recall_at_zero_false": report.recall_at_zero_false,
        "highest_unrelated_score": report.highest_unrelated,
        "median_boundary_error_seconds": report.boundary_error,
        "shared_asset_pairs": report.asset_pairs,
        "shared_asset_pairs_reported": report.asset_pairs_reported,
        "closest_unrelated": [list(row) for row in report.worst_unrelated],
        "by_edit": {
            name: {
                "pairs": edit.pairs,
                "recall_at_zero_false": edit.recall_at_zero_false,
                "median_boundary_error_seconds": edit.boundary_error,
            }
            for name, edit in report.by_edit.items()
        },
    }

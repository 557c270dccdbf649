"""From segments to a verdict: how sure, what kind of relation, how much of each side.

The score is a logistic model of the evidence, fitted on labelled pairs (``worker.pretraining.copies.decision``, figures
in models/copy/README.md); its numbers lie in models/copy/decision.json. It is calibrated for a pair that is as likely
a copy as not, so among millions of pairs only scores near 1 are safe.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from worker.types import Segment

Relation = Literal["exact", "near_duplicate", "contains", "contained_in", "shares_segments", "none"]
Interval = tuple[float, float]


DECISION_FILE = Path(__file__).resolve().parents[2] / "models" / "copy" / "decision.json"
FEATURES = (
    "similarity", "length", "coverage", "density", "contrast", "residual", "hash", "other_look", "backwards", "speed",
    "static", "static_look", "background", "variety", "covariation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DecisionModel:
    """Weights of a logistic score and the thresholds of the relations. Similarities are normalised cosines."""

    bias: float = -8.6
    similarity_weight: float = 10.0  # per unit of mean similarity of the matched frames
    length_weight: float = 1.0  # per e-fold of matched seconds above one, at most LENGTH_CAP of them
    coverage_weight: float = 1.5  # per unit of coverage of the better covered side
    density_weight: float = 2.0  # per unit of matched rows / rows in the span
    contrast_weight: float = 3.0  # per unit of contrast between the line and its surroundings
    residual_weight: float = -1.0  # per second of root mean square distance from the line
    hash_weight: float = 4.0  # per unit of the share of frames that are the same picture by PDQ
    other_look_weight: float = 0.0  # found in a part of the picture, mirrored or turned: more looks, more chances
    backwards_weight: float = 0.0  # the reference runs backwards
    speed_weight: float = 0.0  # per octave of speed change
    static_weight: float = 0.0  # per unit of missing contrast below CONTRAST_ENOUGH: a still scene, not the very one
    static_look_weight: float = 0.0  # a part of a scene that hardly changes, in another look
    background_weight: float = 0.0  # per unit of background penalty, at the same normalised similarity
    variety_weight: float = 0.0  # per e-fold of the way that the descriptors go
    covariation_weight: float = 0.0  # per unit of correlation between the changes of both sides
    length_cap: float = 4.0  # e-folds: beyond a minute, length proves nothing more
    whole_coverage: float = 0.9  # a side counts as wholly covered from here on
    whole_slack_seconds: float = 0.5  # or when at most this much of it is missing (for clips of a few seconds)
    accept_score: float = 0.5  # below this a verdict should not be shown as a match

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> DecisionModel:
        """Read what ``save`` wrote; unknown or non-numeric entries are refused, missing ones keep their default."""
        content = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in fields(cls)}
        if not isinstance(content, dict) or not set(content) <= known:
            raise ValueError(f"{path.name} is no decision model: expected an object with some of {sorted(known)}")
        for name, value in content.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{path.name}: {name} must be a number, not {value!r}")
        return cls(**{name: float(value) for name, value in content.items()})


CONTRAST_ENOUGH = 0.1
EXACT_SHARE, EXACT_SECONDS, EXACT_SPEED = 0.9, 2.0, 0.1  # of frames by PDQ; seconds; octaves of speed change
EXACT_SCORE = 0.75


@lru_cache(maxsize=1)
def bundled_decision() -> DecisionModel:
    """The fitted model that is part of the repository; the defaults where its file is missing."""
    return DecisionModel.load(DECISION_FILE) if DECISION_FILE.is_file() else DecisionModel()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What two videos have to do with each other, from the query's point of view.

    ``contained_in``: the query lies inside the reference. ``exact`` is set by callers that know that both files have
    the same sha256. Coverages are the shares (0..1) of each side's duration that some segment covers.
    """

    score: float
    relation: Relation
    query_coverage: float
    reference_coverage: float
    mirrored: bool = False
    is_match: bool = False


NO_MATCH = Verdict(0.0, "none", 0.0, 0.0)


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Overlapping and touching intervals merged, ascending; empty and inverted ones are dropped."""
    merged: list[Interval] = []
    for start, end in sorted(i for i in intervals if i[1] > i[0]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def covered_seconds(intervals: Sequence[Interval], duration: float) -> float:
    """Length of the union of the intervals inside [0, duration]."""
    return sum(end - start for start, end in union([(max(s, 0.0), min(e, duration)) for s, e in intervals]))


def features(segments: Sequence[Segment], query_duration: float, reference_duration: float) -> dict[str, float]:
    """The numbers that the score is made of; length-weighted means over the segments, all finite."""
    weights = [max(s.query_length, 1e-6) for s in segments]
    total = sum(weights)

    def mean(values: Iterable[float]) -> float:
        return sum(w * float(v) for w, v in zip(weights, values, strict=True)) / total

    query = covered_seconds([(s.query_start, s.query_end) for s in segments], query_duration)
    reference = covered_seconds([(s.reference_start, s.reference_end) for s in segments], reference_duration)
    contrast = mean(s.contrast for s in segments)
    hashes = mean(s.hash_share for s in segments)
    covariation = max(mean(s.covariation for s in segments), 0.0)
    other_look = mean(s.look != "whole" for s in segments)
    # where nothing moves, time proves nothing, unless the pictures are the very same
    static = max(CONTRAST_ENOUGH - contrast, 0.0) / CONTRAST_ENOUGH
    static *= (1 - hashes) * (1 - covariation)
    query_coverage = min(query / query_duration, 1.0) if query_duration > 0 else 0.0
    reference_coverage = min(reference / reference_duration, 1.0) if reference_duration > 0 else 0.0
    return {
        "similarity": mean(s.mean_similarity for s in segments),
        "length": max(math.log(max(query, 1.0)), 0.0),
        "query_coverage": query_coverage,
        "reference_coverage": reference_coverage,
        "coverage": max(query_coverage, reference_coverage),
        "density": mean(s.hit_density for s in segments),
        "contrast": min(max(contrast, 0.0), 1.0),
        "residual": mean(s.residual_seconds for s in segments),
        "hash": hashes,
        "other_look": other_look,
        "backwards": mean(s.reversed for s in segments),
        "speed": min(
            mean(abs(math.log2(max(s.reference_length, 1e-6) / w)) for w, s in zip(weights, segments, strict=True)), 2.0
        ),
        "static": static,
        "static_look": static * other_look,
        "background": mean(s.background for s in segments),
        "covariation": covariation,
        "variety": math.log1p(sum(s.variety for s in segments)),
    }


def score(values: dict[str, float], model: DecisionModel) -> float:
    """Logistic of the weighted features, in 0..1."""
    logit = model.bias + sum(
        float(getattr(model, f"{name}_weight"))
        * (min(values[name], model.length_cap) if name == "length" else values[name])
        for name in FEATURES
    )
    return 1.0 / (1.0 + math.exp(-min(max(logit, -60.0), 60.0)))


def probability(values: dict[str, float], model: DecisionModel) -> float:
    """The fitted score, but at least that of the exact tier where PDQ says that the pictures are the very same.

    Exact: nearly all frames of two seconds or more, at their own speed. A short still copy says too little for the
    fitted score; sure enough to show, it is not sure enough to act on.
    """
    fitted = score(values, model)
    exact = (
        values["hash"] >= EXACT_SHARE
        and values["length"] >= math.log(EXACT_SECONDS)
        and values["speed"] <= EXACT_SPEED
        and values["other_look"] == 0.0
    )
    return max(fitted, EXACT_SCORE) if exact else fitted


def _is_whole(coverage: float, duration: float, model: DecisionModel) -> bool:
    missing = (1.0 - coverage) * duration
    return coverage >= model.whole_coverage or (missing <= model.whole_slack_seconds and coverage >= 0.5)


def relation_of(
    query_coverage: float,
    reference_coverage: float,
    query_duration: float,
    reference_duration: float,
    model: DecisionModel,
) -> Relation:
    """Which side lies wholly inside the other, from the query's point of view."""
    query_whole = _is_whole(query_coverage, query_duration, model)
    reference_whole = _is_whole(reference_coverage, reference_duration, model)
    if query_whole and reference_whole:
        return "near_duplicate"
    if query_whole:
        return "contained_in"
    return "contains" if reference_whole else "shares_segments"


def decide(
    segments: Sequence[Segment],
    query_duration: float,
    reference_duration: float,
    *,
    model: DecisionModel | None = None,
) -> Verdict:
    """Weigh the segments of one pair. No segment: score 0 and the relation ``none``."""
    if not segments:
        return NO_MATCH
    model = model or bundled_decision()
    values = features(segments, query_duration, reference_duration)
    value = probability(values, model)
    query, reference = values["query_coverage"], values["reference_coverage"]
    relation = relation_of(query, reference, query_duration, reference_duration, model)
    return Verdict(value, relation, query, reference, _mostly_mirrored(segments), value >= model.accept_score)


def _mostly_mirrored(segments: Sequence[Segment]) -> bool:
    flipped = sum(s.query_length for s in segments if s.mirrored)
    return flipped > 0.5 * sum(s.query_length for s in segments)


_SWAPPED: dict[Relation, Relation] = {"contains": "contained_in", "contained_in": "contains"}


def swap_verdict(verdict: Verdict) -> Verdict:
    """The same verdict from the other video's point of view."""
    return replace(
        verdict,
        relation=_SWAPPED.get(verdict.relation, verdict.relation),
        query_coverage=verdict.reference_coverage,
        reference_coverage=verdict.query_coverage,
    )

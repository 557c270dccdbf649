"""Copy detection metrics: VCSL segment precision/recall/F1, VSC2022 micro-AP, video-level FRR and FAR.

A box is (query_start, query_end, reference_start, reference_end) in seconds; a pair is any hashable key.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from worker.alignment.decision import union

Interval = tuple[float, float]
Box = tuple[float, float, float, float]
Pair = Hashable


@dataclass(frozen=True, slots=True)
class SegmentScores:
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class ScoredBox:
    pair: Pair
    box: Box
    score: float


def union_length(intervals: Iterable[Interval]) -> float:
    """Total length covered by the intervals; empty ones count nothing."""
    return sum(end - start for start, end in union(intervals))


def _check(boxes: Iterable[Box]) -> None:
    for box in boxes:
        if not all(math.isfinite(value) for value in box):
            raise ValueError(f"a segment has a boundary that is not a number: {box}")
        if box[1] < box[0] or box[3] < box[2]:
            raise ValueError(f"a segment ends before it starts: {box}")


def _overlaps(a: Box, b: Box) -> bool:
    return min(a[1], b[1]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[2], b[2])


def _cut(a: Box, b: Box, axis: int) -> Interval:
    return max(a[2 * axis], b[2 * axis]), min(a[2 * axis + 1], b[2 * axis + 1])


def _axis_totals(predicted: Sequence[Box], truth: Sequence[Box], axis: int) -> tuple[float, float, float]:
    """Union length on one axis of: overlaps of predicted and true boxes, predicted boxes, true boxes."""
    common = [_cut(p, t, axis) for p in predicted for t in truth if _overlaps(p, t)]
    low, high = 2 * axis, 2 * axis + 1
    return (
        union_length(common),
        union_length((p[low], p[high]) for p in predicted),
        union_length((t[low], t[high]) for t in truth),
    )


def _ratio(part: float, whole: float) -> float:
    return min(part / whole, 1.0) if whole > 0 else 0.0


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def vcsl_pair(predicted: Sequence[Box], truth: Sequence[Box]) -> tuple[float, float]:
    """VCSL precision and recall of one pair: the product over both axes of the covered shares.

    Nothing predicted and nothing true: (1, 1). Nothing predicted: (1, 0) has no meaning, so precision is 0 as well.
    """
    _check(predicted)
    _check(truth)
    if not predicted and not truth:
        return 1.0, 1.0
    precision, recall = 1.0, 1.0
    for axis in (0, 1):
        common, of_predicted, of_truth = _axis_totals(predicted, truth, axis)
        precision *= _ratio(common, of_predicted)
        recall *= _ratio(common, of_truth)
    return precision, recall


def vcsl_scores(
    predicted: Mapping[Pair, Sequence[Box]], truth: Mapping[Pair, Sequence[Box]], *, macro: bool = True
) -> SegmentScores:
    """VCSL segment scores. Precision is averaged over pairs with predictions, recall over pairs with true segments.

    ``macro=False``: lengths are summed over all pairs before the ratios are taken. F1 comes from the two averages.
    Pairs with neither add nothing; with no pair at all every score is 0.
    """
    pairs = {p for p in (*predicted, *truth) if predicted.get(p) or truth.get(p)}
    if not macro:
        return _micro(predicted, truth, pairs)
    precisions, recalls = [], []
    for pair in pairs:
        found, real = predicted.get(pair, ()), truth.get(pair, ())
        precision, recall = vcsl_pair(found, real)
        if found:
            precisions.append(precision)
        if real:
            recalls.append(recall)
    precision = math.fsum(precisions) / len(precisions) if precisions else 0.0
    recall = math.fsum(recalls) / len(recalls) if recalls else 0.0
    return SegmentScores(precision, recall, _f1(precision, recall))


def _micro(
    predicted: Mapping[Pair, Sequence[Box]], truth: Mapping[Pair, Sequence[Box]], pairs: set[Pair]
) -> SegmentScores:
    precision, recall = 1.0, 1.0
    for axis in (0, 1):
        rows = [_axis_totals(predicted.get(p, ()), truth.get(p, ()), axis) for p in pairs]
        common, found, real = (math.fsum(column) for column in zip(*rows, strict=True)) if rows else (0.0, 0.0, 0.0)
        precision *= _ratio(common, found)
        recall *= _ratio(common, real)
    return SegmentScores(precision, recall, _f1(precision, recall))


def micro_average_precision(scored: Sequence[tuple[float, bool]], positives: int) -> float:
    """Area under precision over recall of (score, is correct) predictions pooled over all queries.

    Pessimistic with ties: among equal scores the wrong ones come first. ``positives``: how many there are to find.
    """
    if positives <= 0:
        raise ValueError("micro-AP needs at least one true pair")
    if any(math.isnan(score) for score, _ in scored):
        raise ValueError("a score is NaN")
    hits, total = 0, 0.0
    for rank, (_, correct) in enumerate(sorted(scored, key=lambda item: (-item[0], item[1])), start=1):
        if correct:
            hits += 1
            total += hits / rank
    if hits > positives:
        raise ValueError(f"{hits} correct predictions but only {positives} true pairs: is a pair listed twice?")
    return total / positives


def vsc_segment_ap(predicted: Sequence[ScoredBox], truth: Mapping[Pair, Sequence[Box]]) -> float:
    """VSC2022 matching metric: micro-AP over segments, with lengths in the place of counts.

    Segments join in order of falling score (equal scores together). After each step precision is sqrt(Pq * Pr) and
    recall sqrt(Rq * Rr) with lengths summed over all pairs; the area adds precision times the gain in recall.
    """
    _check([s.box for s in predicted])
    for boxes in truth.values():
        _check(boxes)
    if any(math.isnan(s.score) for s in predicted):
        raise ValueError("a score is NaN")
    total = [sum(union_length((b[2 * a], b[2 * a + 1]) for b in boxes) for boxes in truth.values()) for a in (0, 1)]
    if min(total) <= 0:
        raise ValueError("the segment metric needs at least one true segment with a length")
    seen: dict[Pair, list[Box]] = {}
    state: dict[Pair, list[tuple[float, float, float]]] = {}
    common, found = [0.0, 0.0], [0.0, 0.0]
    area = last_recall = 0.0
    order = sorted(predicted, key=lambda s: -s.score)
    for position, item in enumerate(order):
        boxes = seen.setdefault(item.pair, [])
        boxes.append(item.box)
        before = state.get(item.pair, [(0.0, 0.0, 0.0)] * 2)
        after = [_axis_totals(boxes, truth.get(item.pair, ()), axis) for axis in (0, 1)]
        state[item.pair] = after
        for axis in (0, 1):
            common[axis] += after[axis][0] - before[axis][0]
            found[axis] += after[axis][1] - before[axis][1]
        if position + 1 < len(order) and order[position + 1].score == item.score:
            continue
        precision = math.sqrt(_ratio(common[0], found[0]) * _ratio(common[1], found[1]))
        recall = math.sqrt(_ratio(common[0], total[0]) * _ratio(common[1], total[1]))
        area += precision * max(recall - last_recall, 0.0)
        last_recall = max(recall, last_recall)
    return min(area, 1.0)


def rejection_rates(predicted: Iterable[Pair], truth: Iterable[Pair], compared: Iterable[Pair]) -> tuple[float, float]:
    """(FRR, FAR) at video level: true pairs that were missed / true pairs; wrong pairs reported / unrelated pairs.

    ``compared`` lists every pair that was looked at. A rate whose denominator is zero is 0.
    """
    reported, real, everything = set(predicted), set(truth), set(compared)
    if not reported <= everything or not real <= everything:
        raise ValueError("every reported and every true pair must be among the compared pairs")
    unrelated = everything - real
    missed = len(real - reported) / len(real) if real else 0.0
    false = len(reported - real) / len(unrelated) if unrelated else 0.0
    return missed, false

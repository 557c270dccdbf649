"""Copy detection metrics against counts on a fine grid and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.evaluation.copy_metrics import (
    Box,
    ScoredBox,
    micro_average_precision,
    rejection_rates,
    union_length,
    vcsl_pair,
    vcsl_scores,
    vsc_segment_ap,
)


@st.composite
def whole_boxes(draw: st.DrawFn) -> Box:
    """Boxes with whole-number corners, so that cells can be counted."""
    q, r = draw(st.integers(0, 20)), draw(st.integers(0, 20))
    return (float(q), float(q + draw(st.integers(1, 10))), float(r), float(r + draw(st.integers(1, 10))))


def cells(intervals: list[tuple[float, float]]) -> set[int]:
    return {cell for start, end in intervals for cell in range(int(start), int(end))}


def naive_pair(predicted: list[Box], truth: list[Box]) -> tuple[float, float]:
    """The protocol's definition, counted cell by cell."""
    precision = recall = 1.0
    for low, high in ((0, 1), (2, 3)):
        common: set[int] = set()
        for p in predicted:
            for t in truth:
                both = [cells([(p[a], p[a + 1])]) & cells([(t[a], t[a + 1])]) for a in (0, 2)]
                if all(both):
                    common |= cells([(p[low], p[high])]) & cells([(t[low], t[high])])
        found = cells([(p[low], p[high]) for p in predicted])
        real = cells([(t[low], t[high]) for t in truth])
        precision *= len(common) / len(found) if found else 0.0
        recall *= len(common) / len(real) if real else 0.0
    return precision, recall


@settings(deadline=None)  # machines under load are no failure
@given(st.lists(whole_boxes(), max_size=4), st.lists(whole_boxes(), max_size=4))
def test_vcsl_is_the_naive_count(predicted: list[Box], truth: list[Box]) -> None:
    expected = naive_pair(predicted, truth) if predicted or truth else (1.0, 1.0)
    assert vcsl_pair(predicted, truth) == pytest.approx(expected)


@settings(deadline=None)  # machines under load are no failure
@given(st.lists(whole_boxes(), min_size=1, max_size=4))
def test_predicting_the_truth_is_perfect_however_it_overlaps(truth: list[Box]) -> None:
    assert vcsl_pair(truth, truth) == pytest.approx((1.0, 1.0))
    for macro in (True, False):
        assert vcsl_scores({"p": truth}, {"p": truth}, macro=macro).f1 == pytest.approx(1.0)
    assert vsc_segment_ap([ScoredBox("p", box, 0.5) for box in truth], {"p": truth}) == pytest.approx(1.0)


@settings(deadline=None)  # machines under load are no failure
@given(st.lists(whole_boxes(), max_size=4), st.lists(whole_boxes(), max_size=4))
def test_exchanging_prediction_and_truth_exchanges_precision_and_recall(a: list[Box], b: list[Box]) -> None:
    assert vcsl_pair(a, b) == pytest.approx(vcsl_pair(b, a)[::-1])


def test_a_box_that_overlaps_on_one_axis_only_is_wrong() -> None:
    assert vcsl_pair([(0, 10, 50, 60)], [(0, 10, 0, 10)]) == (0.0, 0.0)


def test_scores_of_several_pairs_by_hand() -> None:
    predicted = {"half": [(0.0, 5.0, 0.0, 5.0)], "false": [(0.0, 5.0, 0.0, 5.0)]}
    truth = {"half": [(0.0, 10.0, 0.0, 10.0)], "missed": [(0.0, 10.0, 0.0, 10.0)]}
    macro = vcsl_scores(predicted, truth)
    assert (macro.precision, macro.recall) == pytest.approx((0.5, 0.125))
    assert macro.f1 == pytest.approx(2 * 0.5 * 0.125 / 0.625)
    micro = vcsl_scores(predicted, truth, macro=False)
    assert (micro.precision, micro.recall) == pytest.approx((0.25, 0.0625))
    assert vcsl_scores({}, {}).f1 == 0.0


@settings(deadline=None)  # machines under load are no failure
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.4]), st.booleans()), max_size=12), st.integers(0, 3))
def test_micro_ap_is_the_mean_precision_at_each_hit(scored: list[tuple[float, bool]], missed: int) -> None:
    positives = sum(correct for _, correct in scored) + missed
    if positives == 0:
        with pytest.raises(ValueError, match="at least one true pair"):
            micro_average_precision(scored, positives)
        return
    expected, ordered = 0.0, sorted(scored, key=lambda s: (-s[0], s[1]))
    for place in range(len(ordered)):
        if ordered[place][1]:
            expected += sum(c for _, c in ordered[: place + 1]) / (place + 1)
    assert micro_average_precision(scored, positives) == pytest.approx(expected / positives)


def test_micro_ap_by_hand_and_its_refusals() -> None:
    assert micro_average_precision([(0.9, True), (0.8, False), (0.7, True)], 4) == pytest.approx((1 + 2 / 3) / 4)
    assert micro_average_precision([(0.5, True), (0.5, False)], 1) == 0.5
    with pytest.raises(ValueError, match="NaN"):
        micro_average_precision([(math.nan, True)], 1)
    with pytest.raises(ValueError, match="listed twice"):
        micro_average_precision([(0.9, True), (0.8, True)], 1)


def test_the_segment_ap_by_hand() -> None:
    truth = {"a": [(0.0, 10.0, 0.0, 10.0)], "b": [(0.0, 10.0, 0.0, 10.0)]}
    right, wrong = ScoredBox("a", (0.0, 10.0, 0.0, 10.0), 0.9), ScoredBox("c", (0.0, 10.0, 0.0, 10.0), 0.5)
    late = ScoredBox("b", (0.0, 10.0, 0.0, 10.0), 0.1)
    assert vsc_segment_ap([right], truth) == pytest.approx(0.5)
    assert vsc_segment_ap([late, wrong, right], truth) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    same = [ScoredBox(s.pair, s.box, 0.5) for s in (right, wrong, late)]
    assert vsc_segment_ap(same, truth) == pytest.approx(2 / 3)
    assert vsc_segment_ap([], truth) == 0.0
    with pytest.raises(ValueError, match="at least one true segment"):
        vsc_segment_ap([right], {})


@settings(deadline=None)  # machines under load are no failure
@given(st.lists(st.tuples(st.sampled_from("ab"), whole_boxes(), st.floats(0, 1)), max_size=6))
def test_the_segment_ap_is_a_share_and_does_not_depend_on_the_order(rows: list[tuple[str, Box, float]]) -> None:
    truth = {"a": [(0.0, 12.0, 3.0, 15.0)], "b": [(5.0, 9.0, 5.0, 9.0)]}
    scored = [ScoredBox(*row) for row in rows]
    value = vsc_segment_ap(scored, truth)
    assert 0 <= value <= 1
    assert vsc_segment_ap(scored[::-1], truth) == pytest.approx(value)


def test_rejection_rates_count_videos() -> None:
    compared = [("q", k) for k in range(10)]
    assert rejection_rates([("q", 0), ("q", 5)], [("q", 0), ("q", 1)], compared) == (0.5, 0.125)
    assert rejection_rates([], [], []) == (0.0, 0.0)
    with pytest.raises(ValueError, match="compared"):
        rejection_rates([("x", 1)], [], compared)


def test_broken_segments_are_refused() -> None:
    with pytest.raises(ValueError, match="ends before"):
        vcsl_pair([(5, 1, 0, 1)], [])
    with pytest.raises(ValueError, match="not a number"):
        vcsl_pair([(math.nan, 1, 0, 1)], [])


@settings(deadline=None)  # machines under load are no failure
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_the_length_of_a_union_is_the_number_of_its_cells(rows: list[tuple[int, int]]) -> None:
    intervals = [(float(min(r)), float(max(r))) for r in rows]
    assert union_length(intervals) == len(cells(intervals))
    assert np.isfinite(union_length(intervals))

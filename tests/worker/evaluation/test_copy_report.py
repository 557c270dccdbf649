"""The figures of evaluate copies against counting by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.evaluation.copy_report import PairPrediction, TrueSegment, as_dict, copy_report, details

WHOLE = (0.0, 10.0, 0.0, 10.0)


def said(score: float, *boxes: tuple[float, float, float, float], reported: bool | None = None) -> PairPrediction:
    return PairPrediction(score, score >= 0.5 if reported is None else reported, tuple((box, 0.9) for box in boxes))


def true(edit: str = "crop", box: tuple[float, float, float, float] = WHOLE, asset: bool = False) -> TrueSegment:
    return TrueSegment(box, edit, asset)


def test_a_perfect_detector_gets_full_marks_everywhere() -> None:
    truth = {("q", "a"): [true()], ("r", "b"): [true("mirror")]}
    report = copy_report({key: said(0.9, WHOLE) for key in truth}, truth, ["q", "r", "n"], ["a", "b"])
    found = as_dict(report)
    assert found["micro_ap"] == found["vsc"]["ap"] == pytest.approx(1)
    assert found["vcsl"] == {"precision": 1, "recall": 1, "f1": 1}
    assert (found["frr"], found["far"]) == (0, 0)
    assert found["by_edit"] == {"crop": {"recall": 1, "f1": 1}, "mirror": {"recall": 1, "f1": 1}}
    assert (report.true_pairs, report.unrelated_pairs, report.boundary_error) == (2, 4, 0)


def test_one_missed_one_false_and_one_half_found() -> None:
    truth = {("q", "a"): [true()], ("r", "b"): [true("mirror")]}
    predictions = {
        ("q", "a"): said(0.6, (0, 5, 0, 5)),
        ("r", "b"): said(0.2, WHOLE),  # found, but too unsure to be reported
        ("n", "a"): said(0.8, (0, 4, 0, 4)),
    }
    report = copy_report(predictions, truth, ["q", "r", "n"], ["a", "b"])
    assert report.micro_ap == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert (report.frr, report.far) == (0.5, 0.25)
    assert report.vcsl == pytest.approx((0.5, 0.125, 0.2))  # precision (1 + 0) / 2; recall (1/2 * 1/2 + 0) / 2
    assert report.by_edit["crop"].recall == 1 and report.by_edit["mirror"].recall == 0
    assert report.by_edit["crop"].f1 == pytest.approx(2 * 0.25 / 1.25)
    assert report.recall_at_zero_false == report.by_edit["crop"].recall_at_zero_false == 0
    assert report.worst_unrelated == (("n", "a", 0.8),)
    assert report.boundary_error == pytest.approx(2.5)  # 0, 5, 0, 5


def test_a_shared_intro_is_footage_but_neither_a_copy_nor_a_false_pair() -> None:
    truth = {("q", "a"): [true("intro", (0, 3, 0, 3), asset=True)], ("r", "a"): [true()]}
    predictions = {("q", "a"): said(0.9, (0, 3, 0, 3)), ("r", "a"): said(0.8, WHOLE)}
    report = copy_report(predictions, truth, ["q", "r"], ["a", "b"])
    assert (report.true_pairs, report.unrelated_pairs, report.false_pairs) == (1, 2, 0)
    assert (report.asset_pairs, report.asset_pairs_reported) == (1, 1)
    assert (report.micro_ap, report.recall_at_zero_false, report.vcsl[2]) == (1, 1, 1)


def test_without_copies_or_without_strangers_the_figures_say_so() -> None:
    negatives = as_dict(copy_report({}, {}, ["q"], ["a"]))
    assert (negatives["micro_ap"], negatives["frr"], negatives["far"], negatives["vsc"]["ap"]) == (None, None, 0, None)
    only = copy_report({}, {("q", "a"): [true()]}, ["q"], ["a"])
    assert (only.micro_ap, only.frr, only.far) == (0, 1, None)


def test_a_pair_with_two_edits_counts_for_both_and_its_errors_for_their_own() -> None:
    truth = {("q", "a"): [true("inset", (0, 4, 0, 4)), true("host", (4, 8, 10, 14))]}
    report = copy_report({("q", "a"): said(1, (0, 4, 0, 4), (4, 9, 10, 15))}, truth, ["q"], ["a"])
    assert report.by_edit["inset"].boundary_error == 0
    assert report.by_edit["host"].boundary_error == 0.5
    assert details(report)["by_edit"]["host"]["pairs"] == 1


def test_unknown_videos_and_scores_that_are_no_numbers_are_errors() -> None:
    with pytest.raises(ValueError, match="compared"):
        copy_report({("q", "z"): said(1)}, {}, ["q"], ["a"])
    with pytest.raises(ValueError, match="NaN"):
        copy_report({("q", "a"): said(float("nan"))}, {}, ["q"], ["a"])


QUERIES, REFERENCES = ["q0", "q1", "q2", "q3"], ["a", "b", "c"]
KEYS = [(q, r) for q in QUERIES for r in REFERENCES]


@given(
    scores=st.lists(st.sampled_from([0.0, 0.1, 0.4, 0.5, 0.7, 0.9]), min_size=12, max_size=12),
    real=st.lists(st.sampled_from(["", "crop", "mirror"]), min_size=12, max_size=12),
)
def test_counts_agree_with_counting_by_hand(scores: list[float], real: list[str]) -> None:
    truth = {key: [true(edit)] for key, edit in zip(KEYS, real, strict=True) if edit}
    predictions = {key: said(score, WHOLE) for key, score in zip(KEYS, scores, strict=True) if score > 0}
    report = copy_report(predictions, truth, QUERIES, REFERENCES)
    rows = list(zip(scores, real, strict=True))
    strangers = [score for score, edit in rows if not edit]
    copies = [score for score, edit in rows if edit]
    highest = max(strangers, default=0.0)
    assert report.false_pairs == sum(score >= 0.5 for score in strangers)
    assert report.far == (pytest.approx(report.false_pairs / len(strangers)) if strangers else None)
    assert report.frr == (pytest.approx(sum(s < 0.5 for s in copies) / len(copies)) if copies else None)
    for edit in {e for e in real if e}:
        mine = [score for score, e in rows if e == edit]
        assert report.by_edit[edit].recall == pytest.approx(sum(s >= 0.5 for s in mine) / len(mine))
        assert report.by_edit[edit].recall_at_zero_false == pytest.approx(sum(s > highest for s in mine) / len(mine))

"""The gate decides by intervals: every way to fail is tested, and that only all four conditions together pass."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.training.promotion.gate import MIN_COVERAGE, MIN_GUARD, MIN_HELD_OUT, TOLERANCE, Evidence, Gain, judge

BETTER = Gain(12.0, 4.0, 20.0, MIN_HELD_OUT)
FINE_GUARD = Gain(0.0, -1.0, 1.0, MIN_GUARD)


def said(evidence: Evidence) -> str:
    """Why it may not serve; "" when it may."""
    return " ".join(reason.text for reason in judge(evidence).reasons if not reason.ok)


def test_a_sure_gain_with_a_guard_that_holds_may_serve() -> None:
    verdict = judge(Evidence(BETTER, FINE_GUARD, 1.0))
    assert verdict.passed
    assert [reason.ok for reason in verdict.reasons] == [True] * 4


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (None, "held out"),
        (Gain(0.0, 0.0, 0.0, 0), "held out"),
        (Gain(12.0, 4.0, 20.0, MIN_HELD_OUT - 1), f"Only {MIN_HELD_OUT - 1}"),
        (Gain(5.0, -0.1, 10.0, 100), "Not measurably better"),
        (Gain(5.0, 0.0, 10.0, 100), "Not measurably better"),  # zero itself is not excluded
        (Gain(0.0, 0.0, 0.0, 100), "Not measurably better"),  # the very same answers
        (Gain(-3.0, -6.0, 0.0, 100), "Not measurably better"),
        (Gain(-3.0, -6.0, -0.1, 100), "Worse on held-out"),
        (Gain(math.nan, 1.0, 2.0, 100), "not a number"),
        (Gain(1.5, math.nan, 2.0, 100), "not a number"),
        (Gain(1.5, 1.0, math.inf, 100), "not a number"),
        (Gain(1.5, 2.0, 1.0, 100), "not a number"),  # ends the wrong way round
        (Gain(9.0, 1.0, 2.0, 100), "not a number"),  # a value outside its interval
    ],
)
def test_a_gain_that_is_not_sure_is_refused(gain: Gain | None, words: str) -> None:
    assert words in said(Evidence(gain, FINE_GUARD, 1.0))


@pytest.mark.parametrize(
    ("guard", "words"),
    [
        (None, "not checked whether the candidate"),
        (Gain(0.0, -1.0, 1.0, MIN_GUARD - 1), f"has {MIN_GUARD - 1} sources"),
        (Gain(-TOLERANCE - 0.1, -9.0, -0.1, 50), "Worse on the guard set"),
        (Gain(-30.0, -40.0, -20.0, 50), "Worse on the guard set"),
        (Gain(math.nan, -1.0, 1.0, 50), "not a number"),
        (Gain(0.0, 1.0, -1.0, 50), "not a number"),
    ],
)
def test_a_guard_set_that_lost_or_is_too_small_is_refused(guard: Gain | None, words: str) -> None:
    assert words in said(Evidence(BETTER, guard, 1.0))


@pytest.mark.parametrize(
    "guard",
    [
        Gain(-TOLERANCE, -9.0, -0.1, 50),  # sure, but no more than tolerated
        Gain(-8.0, -20.0, 0.0, 50),  # large, but it may be chance
        Gain(-8.0, -20.0, 4.0, 50),
        Gain(6.0, 2.0, 9.0, 50),
    ],
)
def test_a_guard_loss_within_tolerance_or_by_chance_passes(guard: Gain) -> None:
    assert judge(Evidence(BETTER, guard, 1.0)).passed


@pytest.mark.parametrize("coverage", [0.0, 0.5, MIN_COVERAGE - 1e-6, math.nan, math.inf])
def test_an_index_that_lacks_videos_is_refused(coverage: float) -> None:
    assert "finds only" in said(Evidence(BETTER, FINE_GUARD, coverage))


def test_a_failed_canary_is_named() -> None:
    lost = Evidence(BETTER, FINE_GUARD, 1.0, ["index: 2 of 10 videos are lost"])
    assert not judge(lost).passed
    assert "2 of 10 videos" in said(lost)


GAINS = {True: BETTER, False: Gain(1.0, -1.0, 3.0, 50)}
GUARDS = {True: FINE_GUARD, False: Gain(-9.0, -12.0, -6.0, 50)}
COVERAGES = {True: 1.0, False: 0.5}
CANARIES: dict[bool, list[str]] = {True: [], False: ["text tower: it differs"]}


@pytest.mark.parametrize("holds", list(itertools.product([True, False], repeat=4)))
def test_it_passes_only_when_all_conditions_hold(holds: tuple[bool, bool, bool, bool]) -> None:
    gain, guard, coverage, canary = holds
    verdict = judge(Evidence(GAINS[gain], GUARDS[guard], COVERAGES[coverage], CANARIES[canary]))
    assert verdict.passed == all(holds)
    assert [reason.ok for reason in verdict.reasons] == list(holds)


numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)
gains = st.builds(Gain, numbers, numbers, numbers, st.integers(0, 500)) | st.none()


@given(gains, gains, numbers)
def test_whatever_is_measured_a_verdict_keeps_the_rule(gain: Gain | None, guard: Gain | None, coverage: float) -> None:
    verdict = judge(Evidence(gain, guard, coverage))
    assert len(verdict.reasons) == 4 and all(reason.text for reason in verdict.reasons)
    if verdict.passed:
        assert gain is not None and guard is not None
        assert gain.low > 0 and gain.units >= MIN_HELD_OUT
        assert not (guard.high < 0 and guard.value < -TOLERANCE)
        assert coverage >= MIN_COVERAGE

"""Whether a candidate may replace the active version, with the reasons. Pure: figures in, verdict out.

It may when the interval of its gain on the held-out queries excludes zero and it is not worse on the guard set: there
it must not lose more than the tolerance with an interval that excludes zero. Before that, what was measured must be
worth judging: enough held-out groups, an index that holds the library, canaries that answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MIN_HELD_OUT = 20  # same-source groups; a bootstrap over fewer says little
MIN_GUARD = 10
TOLERANCE = 1.5  # points of R@sum that the guard set may lose; it is half a point a recall
MIN_COVERAGE = 0.99  # of the videos that the active version finds


@dataclass(frozen=True, slots=True)
class Gain:
    """Candidate less active, in points of R@sum (0..300), with its confidence interval; ``units``: groups compared."""

    value: float
    low: float
    high: float
    units: int

    def sound(self) -> bool:
        numbers = (self.value, self.low, self.high)
        return all(math.isfinite(n) for n in numbers) and self.low <= self.value <= self.high


@dataclass(frozen=True, slots=True)
class Evidence:
    """``guard`` None: there was no guard set. ``coverage``: share of the active version's videos that the candidate
    finds. ``failed_canaries``: what did not answer as it must."""

    gain: Gain | None
    guard: Gain | None
    coverage: float
    failed_canaries: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    passed: bool
    reasons: tuple[Reason, ...]


def judge(evidence: Evidence) -> Verdict:
    """All reasons, good and bad, in one order; passed only when none is bad."""
    reasons = (
        _gain_reason(evidence.gain),
        _guard_reason(evidence.guard),
        _coverage_reason(evidence.coverage),
        _canary_reason(evidence.failed_canaries),
    )
    return Verdict(all(reason.ok for reason in reasons), reasons)


def _gain_reason(gain: Gain | None) -> Reason:
    if gain is None or gain.units == 0:
        return Reason(False, "Nothing was held out of the training, so no gain could be measured. Add data.")
    if not gain.sound():
        return Reason(False, "The gain is not a number: the evaluation is broken. Evaluate again.")
    if gain.units < MIN_HELD_OUT:
        return Reason(False, f"Only {gain.units} held-out sources were compared; {MIN_HELD_OUT} are needed. Add data.")
    said = f"R@sum changes by {_points(gain.value)} (95 % interval {_points(gain.low)} to {_points(gain.high)})"
    if gain.low > 0:
        return Reason(True, f"Better on held-out queries: {said}.")
    if gain.high < 0:
        return Reason(False, f"Worse on held-out queries: {said}.")
    return Reason(False, f"Not measurably better on held-out queries: {said}, which includes no change.")


def _guard_reason(guard: Gain | None) -> Reason:
    if guard is None or guard.units < MIN_GUARD:
        had = 0 if guard is None else guard.units
        return Reason(
            False,
            f"It is not checked whether the candidate keeps what the active version can do: the guard set has {had} "
            f"sources and {MIN_GUARD} are needed. Mark a dataset as a guard set and evaluate again.",
        )
    if not guard.sound():
        return Reason(False, "The figure of the guard set is not a number: the evaluation is broken. Evaluate again.")
    said = f"R@sum changes by {_points(guard.value)} (95 % interval {_points(guard.low)} to {_points(guard.high)})"
    if guard.high < 0 and -guard.value > TOLERANCE:
        return Reason(False, f"Worse on the guard set: {said}, more than the tolerated {TOLERANCE:g} points.")
    return Reason(True, f"Not worse on the guard set: {said}.")


def _coverage_reason(coverage: float) -> Reason:
    if not math.isfinite(coverage) or coverage < MIN_COVERAGE:
        share = f"{100 * coverage:.1f} %" if math.isfinite(coverage) else "an unknown share"
        return Reason(False, f"The candidate finds only {share} of the videos that the active version finds.")
    return Reason(True, "The candidate's index contains the videos that the active version finds.")


def _canary_reason(failed: Sequence[str]) -> Reason:
    if failed:
        return Reason(False, "Canary queries failed: " + "; ".join(failed) + ".")
    return Reason(True, "Canary queries are answered correctly.")


def _points(value: float) -> str:
    return f"{value:+.1f} points"

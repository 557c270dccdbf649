"""The choice of key frames against trying every choice, and the budget on videos of every kind."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.alignment.planting import Footage
from worker.alignment import unit
from worker.alignment.sparse import JOINED_SIMILARITY
from worker.detection.coverage import best_frames, dwell, pooled, rebuild_costs, spans_of
from worker.detection.keyframes import LEAST_KEPT, KeyframeNet, KeyframeSelector
from worker.types import FloatArray


def video(seed: int, seconds: int, wander: float, cuts: int = 0) -> tuple[FloatArray, np.ndarray]:
    rng = np.random.default_rng(seed)
    bounds = [0, *sorted(rng.choice(np.arange(1, seconds), size=min(cuts, seconds - 1), replace=False)), seconds]
    parts = [Footage(rng, b - a, wander).at(np.arange(float(b - a))) for a, b in pairwise(bounds)]
    narrow = np.concatenate(parts)
    return unit(np.pad(narrow, ((0, 0), (0, 128 - narrow.shape[1])))), np.arange(float(seconds))


def loss_of(kept: tuple[int, ...], vectors: FloatArray, times: np.ndarray, weights: np.ndarray) -> float:
    """What rebuilding from ``kept`` loses, frame by frame, with the best cut between neighbours that are unlike."""
    total = sum(weights[t] * (1 - vectors[t] @ vectors[kept[0]]) for t in range(kept[0]))
    total += sum(weights[t] * (1 - vectors[t] @ vectors[kept[-1]]) for t in range(kept[-1] + 1, len(times)))
    for i, k in pairwise(kept):
        inner = range(i + 1, k)
        if vectors[i] @ vectors[k] >= JOINED_SIMILARITY:
            for t in inner:
                share = (times[t] - times[i]) / (times[k] - times[i])
                mixed = (1 - share) * vectors[i] + share * vectors[k]
                total += weights[t] * (1 - vectors[t] @ mixed / np.linalg.norm(mixed))
        else:
            total += min(
                sum(weights[t] * (1 - vectors[t] @ vectors[i if t <= cut else k]) for t in inner) for cut in range(i, k)
            )
    return float(total)


@pytest.mark.parametrize(("seed", "wander"), [(0, 0.2), (1, 0.5), (2, 1.0), (3, 0.05)])
def test_no_other_choice_of_frames_is_cheaper(seed: int, wander: float) -> None:
    vectors, times = video(seed, 9, wander, cuts=2)
    weights = dwell(times, 9.0)
    price = 0.4
    kept = best_frames(vectors, times, 9.0, price=price, most=9)
    found = loss_of(tuple(kept.tolist()), vectors, times, weights) + price * len(kept)
    every = (
        loss_of(choice, vectors, times, weights) + price * size
        for size in range(1, 10)
        for choice in combinations(range(9), size)
    )
    assert found == pytest.approx(min(every), abs=1e-4)


def test_costs_between_neighbours_are_nothing_as_nothing_lies_between() -> None:
    vectors, times = video(5, 30, 0.3)
    costs = rebuild_costs(vectors, times, dwell(times, 30.0))
    assert np.allclose(costs.between[1:, 0], 0.0, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000), seconds=st.integers(1, 240), wander=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    dark=st.floats(0, 1),
)  # fmt: skip
def test_the_budget_holds_for_every_video(seed: int, seconds: int, wander: float, dark: float) -> None:
    vectors, times = video(seed, seconds, wander, cuts=seconds // 10) if seconds > 1 else video(seed, 2, wander)
    vectors, times = vectors[:seconds], times[:seconds]
    informative = np.random.default_rng(seed).random(seconds) >= dark
    selector = KeyframeSelector(net=KeyframeNet().eval())
    rows = selector.select(vectors, times, informative, float(seconds))
    assert 1 <= len(rows) <= max(LEAST_KEPT, 0.15 * seconds)
    assert (np.diff(rows) > 0).all()
    if informative.any():
        assert informative[rows].all()
        assert len(rows) >= min(LEAST_KEPT, informative.sum())
    spans = spans_of(rows, times, vectors, float(seconds))
    assert spans[0, 0] == 0.0
    assert spans[-1, 1] == float(seconds)
    assert (spans[1:, 0] == spans[:-1, 1]).all()
    assert ((spans[:, 0] <= times[rows]) & (times[rows] <= spans[:, 1])).all()


def test_a_still_scene_keeps_fewer_frames_than_a_moving_one_of_the_same_length() -> None:
    selector = KeyframeSelector(learned=False)
    still, times = video(1, 200, 0.0)
    moving, _ = video(1, 200, 0.3)
    informative = np.ones(200, dtype=np.bool_)
    assert len(selector.select(still, times, informative, 200.0)) <= 5
    assert len(selector.select(moving, times, informative, 200.0)) >= 12


def test_every_shot_keeps_a_frame_and_its_span_ends_at_the_cut() -> None:
    rng = np.random.default_rng(4)
    shots = unit(rng.standard_normal((8, 128)))
    vectors = unit(np.repeat(shots, 15, axis=0) + 0.02 * rng.standard_normal((120, 128)))
    rows = KeyframeSelector(learned=False).select(vectors, np.arange(120.0), np.ones(120, dtype=np.bool_), 120.0)
    assert set(rows // 15) == set(range(8))
    spans = spans_of(rows, np.arange(120.0), vectors, 120.0)
    starts = {int(row // 15): spans[np.flatnonzero(rows // 15 == row // 15)[0], 0] for row in rows}
    assert all(starts[shot] == pytest.approx(15 * shot - 0.5) for shot in range(1, 8))


def test_dark_stretches_between_shots_belong_to_no_key_frame() -> None:
    rng = np.random.default_rng(4)
    vectors = unit(np.repeat(unit(rng.standard_normal((2, 128))), 20, axis=0) + 0.02 * rng.standard_normal((40, 128)))
    informative = np.ones(40, dtype=np.bool_)
    informative[17:23] = False
    times = np.arange(40.0)
    rows = KeyframeSelector(learned=False).select(vectors, times, informative, 40.0)
    spans = spans_of(rows, times, vectors, 40.0, informative)
    assert not any(start < 19.5 < end for start, end in spans)
    assert spans[:, 1].max() == 40.0


def test_the_pooled_vector_resembles_its_span_at_least_as_much_as_the_frame_itself() -> None:
    vectors, times = video(6, 80, 0.3, cuts=6)
    informative = np.ones(80, dtype=np.bool_)
    informative[30:33] = False
    rows = KeyframeSelector(learned=False).select(vectors, times, informative, 80.0)
    spans = spans_of(rows, times, vectors, 80.0, informative)
    stored = pooled(rows, spans, vectors, times, 80.0, informative)
    assert np.allclose(np.linalg.norm(stored, axis=1), 1, atol=1e-5)
    weights = dwell(times, 80.0) * informative
    for place, (start, end) in enumerate(spans):
        inside = (times >= start) & (times < end)
        own, mean = (weights[inside] @ (vectors[inside] @ v) for v in (vectors[rows[place]], stored[place]))
        assert mean >= own - 1e-5


def test_a_span_without_information_keeps_its_own_vector() -> None:
    vectors, times = video(6, 10, 0.3)
    nothing = np.zeros(10, dtype=np.bool_)
    rows = np.array([5])
    stored = pooled(rows, spans_of(rows, times, vectors, 10.0), vectors, times, 10.0, nothing)
    assert np.allclose(stored, vectors[rows])

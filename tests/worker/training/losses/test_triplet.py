import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.training.losses.batches import random_batch, scores, seeds, sizes, weighted
from worker.training.losses.triplet import triplet


def loop(rows: list[list[float]], negative: list[list[bool]], weight: list[float], margin: float, semi: bool) -> float:
    losses, kept = [], []
    for i, (row, kinds) in enumerate(zip(rows, negative, strict=True)):
        others = [s for s, n in zip(row, kinds, strict=True) if n]
        if not others:
            continue
        chosen = max(others)
        if semi:
            below = [s for s in others if s < row[i]]
            chosen = max(below) if below else min(others)
        losses.append(max(0.0, margin + chosen - row[i]))
        kept.append(weight[i])
    return weighted(losses, kept)


@settings(max_examples=40, deadline=None)
@given(seeds, sizes, st.integers(0, 2), st.booleans())
def test_it_is_the_loop_over_rows_and_columns(seed: int, pairs: int, mined: int, semi: bool) -> None:
    batch = random_batch(seed, pairs, mined=mined)
    forward, backward, forward_negative, backward_negative = scores(batch)
    weight = batch.weight.tolist()
    expected = 0.5 * (
        loop(forward, forward_negative, weight, 0.3, semi) + loop(backward, backward_negative, weight, 0.3, semi)
    )
    assert float(triplet(batch, margin=0.3, semi_hard=float(semi))) == pytest.approx(expected, abs=1e-9)


def test_pairs_that_keep_the_margin_cost_nothing() -> None:
    batch = random_batch(0, 3, groups=False)
    batch.text = batch.video = torch.eye(3, 5, dtype=torch.float64)
    assert triplet(batch, margin=0.9) == 0
    assert triplet(batch, margin=1.5) == pytest.approx(0.5)

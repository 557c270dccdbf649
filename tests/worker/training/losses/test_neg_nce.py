import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.training.losses.batches import logsumexp, nce, random_batch, scores, seeds, sizes, weighted
from worker.training.losses.batch import PairBatch
from worker.training.losses.info_nce import info_nce
from worker.training.losses.neg_nce import log_complement, neg_nce


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 5), st.integers(2, 6), st.sampled_from([1.0, 20.0, 300.0]))
def test_the_log_of_the_complement_is_that_of_the_row_without_the_entry(
    seed: int, rows: int, columns: int, spread: float
) -> None:
    logits = spread * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = log_complement(logits)
    for i, row in enumerate(logits.tolist()):
        for j in range(columns):
            expected = logsumexp(row[:j] + row[j + 1 :]) - logsumexp(row)
            assert float(found[i, j]) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def loop(
    rows: list[list[float]], negative: list[list[bool]], weight: list[float], scale: float, negative_weight: float
) -> float:
    count = len(rows)
    own = [rows[i][i] for i in range(count)]
    pushed, shares = [], []
    for i, (row, kinds) in enumerate(zip(rows, negative, strict=True)):
        for j, s in enumerate(row):
            hard = s > own[i] or (j < count and s > own[j])
            if kinds[j] and hard:
                logits = [scale * x for x in row]
                pushed.append(logsumexp(logits) - logsumexp(logits[:j] + logits[j + 1 :]))
                shares.append(weight[i])
    pulled = weighted([nce(row, kinds, scale) for row, kinds in zip(rows, negative, strict=True)], weight)
    return pulled + negative_weight * weighted(pushed, shares)


@settings(max_examples=40, deadline=None)
@given(seeds, sizes, st.integers(0, 2))
def test_it_is_the_loop_over_rows_and_columns(seed: int, pairs: int, mined: int) -> None:
    batch = random_batch(seed, pairs, mined=mined)
    forward, backward, forward_negative, backward_negative = scores(batch)
    weight = batch.weight.tolist()
    expected = 0.5 * (
        loop(forward, forward_negative, weight, 10.0, 0.5) + loop(backward, backward_negative, weight, 10.0, 0.5)
    )
    assert float(neg_nce(batch)) == pytest.approx(expected, abs=1e-8)


def pair_below_its_negative() -> tuple[torch.Tensor, PairBatch]:
    """Two texts at one place: the first one's own video has cosine 0.5, the other's 0.7. float32, scale 100."""
    similarity = torch.tensor([[0.5, 0.7], [0.3, 0.9]], requires_grad=True)
    batch = PairBatch(
        text=torch.eye(2),
        video=similarity.T,  # with unit texts the similarities are these numbers
        positive=torch.eye(2, dtype=torch.bool),
        scale=torch.tensor(100.0),
        weight=torch.ones(2),
    )
    return similarity, batch


def clamped(similarity: torch.Tensor, scale: float) -> torch.Tensor:
    """The negative term of the first row as published: probabilities are clamped before the logarithm."""
    probability = torch.softmax(scale * similarity, 1).clamp(1e-6, 1 - 1e-6)
    return -torch.log(probability[0, 0]) - 0.5 * torch.log(1 - probability[0, 1])


def test_a_positive_far_below_its_negative_has_a_gradient_where_clamping_leaves_none() -> None:
    similarity, batch = pair_below_its_negative()
    clamped(similarity, 100.0).backward()
    assert similarity.grad is not None
    assert torch.equal(similarity.grad, torch.zeros(2, 2))  # exactly nothing is learnt from the worst pair
    similarity.grad = None
    neg_nce(batch).backward()
    # Row 0 to the videos: 100 * (1 + 0.5) on the positive, weighed by half a direction and half the rows for the
    # first part, by half a direction and one hard entry for the second.
    assert float(similarity.grad[0, 0]) == pytest.approx(-(100 * 0.25 + 50 * 0.5), rel=1e-3)
    assert float(similarity.grad[0, 1]) > 25
    assert torch.isfinite(similarity.grad).all()


def test_the_gradient_is_that_of_double_precision() -> None:
    similarity, batch = pair_below_its_negative()
    neg_nce(batch).backward()
    exact = similarity.detach().double().requires_grad_()
    batch.text, batch.video = torch.eye(2, dtype=torch.float64), exact.T
    batch.scale, batch.weight = batch.scale.double(), batch.weight.double()
    neg_nce(batch).backward()
    assert similarity.grad is not None and exact.grad is not None
    torch.testing.assert_close(similarity.grad.double(), exact.grad, rtol=1e-4, atol=1e-4)


def test_the_loss_of_a_single_wrong_pair_is_known() -> None:
    similarity, batch = pair_below_its_negative()
    # Row 0: -log P_00 = log(1 + e^20), and -log(1 - P_01) the same. In the other direction the hard set is the same
    # entry, by the column's positive; there P_01 is e^-20 of the row.
    big, small = math.log1p(math.exp(20)), math.log1p(math.exp(-20))
    forward = (big + math.log1p(math.exp(-60))) / 2 + 0.5 * big
    backward = (small + small) / 2 + 0.5 * small
    assert float(neg_nce(batch).detach()) == pytest.approx(0.5 * (forward + backward), rel=1e-5)


def test_without_hard_negatives_it_is_info_nce() -> None:
    batch = random_batch(0, 3, groups=False)
    batch.text = batch.video = torch.eye(3, 5, dtype=torch.float64)
    torch.testing.assert_close(neg_nce(batch), info_nce(batch))

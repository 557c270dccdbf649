import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.training.losses.batches import nce, random_batch, scores, seeds, sizes, weighted
from worker.training.losses import info_nce_rows, symmetric_info_nce
from worker.training.losses.info_nce import info_nce


@settings(max_examples=40, deadline=None)
@given(seeds, sizes, st.integers(0, 3))
def test_it_is_the_loop_over_rows_and_columns(seed: int, pairs: int, mined: int) -> None:
    batch = random_batch(seed, pairs, mined=mined)
    expected = 0.0
    forward, backward, forward_negative, backward_negative = scores(batch)
    for rows, negative in ((forward, forward_negative), (backward, backward_negative)):
        losses = [nce(row, kinds, 10.0) for row, kinds in zip(rows, negative, strict=True)]
        expected += 0.5 * weighted(losses, batch.weight.tolist())
    assert float(info_nce(batch)) == pytest.approx(expected, abs=1e-9)


def test_with_one_positive_a_row_it_is_the_cross_entropy() -> None:
    batch = random_batch(1, 5, groups=False)
    batch.weight = torch.ones(5, dtype=torch.float64)
    logits = 10 * batch.text @ batch.video.T
    labels = torch.arange(5)
    expected = 0.5 * (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels))
    torch.testing.assert_close(info_nce(batch), expected)
    torch.testing.assert_close(symmetric_info_nce(logits, batch.positive), expected)
    torch.testing.assert_close(info_nce_rows(logits, batch.positive), F.cross_entropy(logits, labels))


def test_a_second_caption_of_the_same_video_is_no_negative() -> None:
    apart = random_batch(3, 4, groups=False)
    together = random_batch(3, 4, groups=False)
    together.positive[0, 1] = together.positive[1, 0] = True
    assert info_nce(together) < info_nce(apart)


def test_a_pair_without_weight_changes_nothing_as_an_anchor() -> None:
    batch = random_batch(5, 3, groups=False)
    batch.weight = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    losses = 0.5 * sum(
        weighted([nce(row, kinds, 10.0) for row, kinds in zip(r, n, strict=True)], [1, 1, 0])
        for r, n in zip(scores(batch)[:2], scores(batch)[2:], strict=True)
    )
    assert float(info_nce(batch)) == pytest.approx(losses)


def test_a_mined_negative_near_the_text_raises_the_loss_and_one_that_is_not_ok_does_not() -> None:
    batch = random_batch(7, 3, groups=False)
    plain = info_nce(batch)
    batch.mined_video, batch.mined_text = batch.text[:, None].clone(), batch.video[:, None].clone()
    batch.mined_ok = torch.zeros(3, 1, dtype=torch.bool)
    torch.testing.assert_close(info_nce(batch), plain)
    batch.mined_ok = ~batch.mined_ok
    assert info_nce(batch) > plain + 0.1

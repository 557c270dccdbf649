import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.training.losses.batches import logsumexp, random_batch, seeds, sizes, weighted
from worker.training.losses.batch import LossError, PairBatch
from worker.training.losses.s3 import masked_captions, masking, matching, pick_significant, s3


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 4))
def test_only_significant_words_are_picked_as_many_as_there_are(seed: int, count: int) -> None:
    g = torch.Generator().manual_seed(seed)
    mask = torch.rand(3, 6, generator=g) < 0.7
    weight = torch.randint(1, 3, (3, 6), generator=g).float()
    picked = pick_significant(weight, mask, count, g)
    candidates = mask & (weight == 2)
    assert not (picked & ~candidates).any()
    assert picked.sum(1).tolist() == candidates.sum(1).clamp(max=count).tolist()


def masking_loop(batch: PairBatch) -> float:
    assert batch.words is not None and batch.word_mask is not None and batch.word_weight is not None
    losses, weights = [], []
    for i in range(len(batch.text)):
        words = [n for n in range(batch.words.shape[1]) if batch.word_mask[i, n]]
        rest = [n for n in words if batch.word_weight[i, n] < 2]
        if not rest or len(rest) == len(words):
            continue
        masked = F.normalize(torch.stack([batch.words[i, n] for n in rest]).sum(0), dim=0)
        own, other = 10 * float(batch.text[i] @ batch.video[i]), 10 * float(masked @ batch.video[i])
        losses.append(logsumexp([own, other]) - own)
        weights.append(float(batch.weight[i]))
    return weighted(losses, weights)


@settings(max_examples=40, deadline=None)
@given(seeds, sizes)
def test_masking_is_the_loop_over_captions_that_have_something_to_lose(seed: int, pairs: int) -> None:
    batch = random_batch(seed, pairs, tokens=True)
    assert float(masking(batch)) == pytest.approx(masking_loop(batch), abs=1e-9)


def matching_loop(batch: PairBatch) -> float:
    """With every significant word chosen."""
    assert batch.words is not None and batch.word_mask is not None and batch.word_weight is not None
    assert batch.frames is not None and batch.frame_mask is not None
    count = len(batch.text)
    words = [batch.words[i][batch.word_mask[i] & (batch.word_weight[i] >= 2)] for i in range(count)]
    frames = [batch.frames[i][batch.frame_mask[i]] for i in range(count)]
    usable = [i for i in range(count) if len(words[i])]
    pairs = {
        (i, j): logsumexp((10 * words[i] @ frames[j].T).flatten().tolist()) - math.log(len(words[i]) * len(frames[j]))
        for i in usable
        for j in usable
    }
    result = 0.0
    for swap in (False, True):
        losses = []
        for i in usable:
            row = {j: pairs[(j, i) if swap else (i, j)] for j in usable}
            losses.append(logsumexp(list(row.values())) - logsumexp([row[j] for j in usable if batch.positive[i, j]]))
        result += 0.5 * weighted(losses, [float(batch.weight[i]) for i in usable])
    return result


@settings(max_examples=40, deadline=None)
@given(seeds, sizes)
def test_matching_is_the_loop_over_words_and_frames(seed: int, pairs: int) -> None:
    batch = random_batch(seed, pairs, tokens=True)
    assert float(matching(batch, count=6)) == pytest.approx(matching_loop(batch), abs=1e-9)


def test_captions_of_the_batch_go_before_masked_words() -> None:
    batch = random_batch(0, 3, tokens=True)
    batch.hard_text = F.normalize(torch.ones(3, 2, 5, dtype=torch.float64), dim=-1)
    assert masked_captions(batch) is batch.hard_text
    batch.hard_text[1] = 0  # this caption had no significant word
    kept = masking(batch)
    batch.weight[1] = 100.0
    torch.testing.assert_close(masking(batch), kept)


def test_captions_without_significant_words_are_left_out_of_everything() -> None:
    batch = random_batch(1, 3, tokens=True)
    assert batch.word_weight is not None
    batch.word_weight[:] = 1.0
    assert s3(batch) == 0


def test_it_says_what_it_needs() -> None:
    batch = random_batch(0, 2)
    with pytest.raises(LossError, match="needs hard_text, or words"):
        s3(batch)
    batch.hard_text = batch.text[:, None]
    with pytest.raises(LossError, match="needs words and word_mask and word_weight"):
        s3(batch)
    assert torch.isfinite(s3(batch, matching_weight=0.0))
    with pytest.raises(LossError, match="not both 0"):
        s3(batch, matching_weight=0.0, masking_weight=0.0)

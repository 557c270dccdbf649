import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.training.losses.batches import random_batch, seeds, sizes
from worker.training.losses import interaction
from worker.training.losses.batch import PairBatch
from worker.training.losses.dmae import dmae, drop_low_words
from worker.training.losses.neg_nce import neg_nce


def tokens_of(batch: PairBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    assert batch.words is not None and batch.word_mask is not None
    assert batch.frames is not None and batch.frame_mask is not None
    return batch.words, batch.word_mask, batch.frames, batch.frame_mask


def loop(batch: PairBatch, i: int, j: int, visual: float) -> float:
    words, word_mask, frames, frame_mask = tokens_of(batch)
    assert batch.word_weight is not None
    own_words = [(words[i, n], float(batch.word_weight[i, n])) for n in range(words.shape[1]) if word_mask[i, n]]
    own_frames = [frames[j, n] for n in range(frames.shape[1]) if frame_mask[j, n]]
    total = weights = 0.0
    for word, weight in own_words:
        alike = [float(word @ frame) for frame in own_frames]
        best = alike.index(max(alike))
        score = alike[best]
        others = [(float(own_frames[best] @ own_frames[n]), n) for n in range(len(own_frames)) if n != best]
        if others:
            closeness, second = max(others)
            score += visual * closeness * alike[second]
        total += weight * score
        weights += weight
    back = [max(float(word @ frame) for word, _ in own_words) for frame in own_frames]
    return 0.5 * (total / weights + sum(back) / len(back))


@settings(max_examples=30, deadline=None)
@given(seeds, sizes, st.sampled_from([0.0, 0.5]))
def test_the_interaction_is_the_loop_over_words_and_frames(seed: int, pairs: int, visual: float) -> None:
    batch = random_batch(seed, pairs, tokens=True)
    found = interaction(*tokens_of(batch), batch.word_weight, visual=visual)
    expected = [[loop(batch, i, j, visual) for j in range(pairs)] for i in range(pairs)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_as_a_reranker_it_takes_one_query_and_any_number_of_videos() -> None:
    batch = random_batch(0, 4, tokens=True)
    words, word_mask, frames, frame_mask = tokens_of(batch)
    whole = interaction(words, word_mask, frames, frame_mask)
    torch.testing.assert_close(interaction(words[1:2], word_mask[1:2], frames, frame_mask), whole[1:2])


def test_blocks_give_the_same_values_and_gradients_as_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = random_batch(2, 5, tokens=True)
    words, word_mask, frames, frame_mask = tokens_of(batch)
    results = []
    module = sys.modules["worker.training.losses.dmae"]  # the package's attribute of that name is the function
    for elements in (1 << 24, 2 * 6 * 5 * 4):  # all at once, two texts at a time
        monkeypatch.setattr(module, "BLOCK_ELEMENTS", elements)
        w, f = words.clone().requires_grad_(), frames.clone().requires_grad_()
        value = interaction(w, word_mask, f, frame_mask)
        value.square().sum().backward()
        assert w.grad is not None and f.grad is not None
        results.append((value.detach(), w.grad, f.grad))
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(whole, parts)


def test_a_text_without_words_and_a_video_without_frames_are_like_nothing() -> None:
    batch = random_batch(1, 3, tokens=True)
    words, word_mask, frames, frame_mask = tokens_of(batch)
    word_mask[0], frame_mask[1] = False, False
    found = interaction(words, word_mask, frames, frame_mask)
    assert torch.equal(found[0], torch.zeros(3, dtype=torch.float64))
    assert torch.equal(found[:, 1], torch.zeros(3, dtype=torch.float64))


def test_significant_words_count_twice() -> None:
    words = torch.eye(3)[None, :2]  # one text: a word like the frame, and one that is not
    mask = torch.ones(1, 2, dtype=torch.bool)
    frames, frame_mask = torch.eye(3)[None, :1], torch.ones(1, 1, dtype=torch.bool)
    plain = interaction(words, mask, frames, frame_mask, torch.tensor([[1.0, 1.0]]))
    twice = interaction(words, mask, frames, frame_mask, torch.tensor([[2.0, 1.0]]))
    assert float(plain) == pytest.approx(0.5 * (1 / 2 + 1))
    assert float(twice) == pytest.approx(0.5 * (2 / 3 + 1))


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 30))
def test_few_low_words_are_dropped_and_never_another(seed: int, length: int) -> None:
    g = torch.Generator().manual_seed(seed)
    mask = torch.rand(3, length, generator=g) < 0.8
    tfidf = 0.3 * torch.rand(3, length, generator=g)
    kept = drop_low_words(mask, tfidf, g)
    gone = mask & ~kept
    assert not (kept & ~mask).any()
    assert (tfidf[gone] < 0.1).all()
    assert (gone.sum(1) <= 5).all()
    assert (2 * gone.sum(1) <= mask.sum(1)).all()


def test_words_are_dropped_only_where_their_tfidf_is_known() -> None:
    batch = random_batch(4, 4, tokens=True)
    first, second = dmae(batch), dmae(batch)
    assert torch.equal(first, second)
    batch.word_tfidf = torch.zeros(4, 6, dtype=torch.float64)
    assert len({round(float(dmae(batch)), 9) for _ in range(8)}) > 1
    torch.testing.assert_close(dmae(batch, drop_below=0.0), first)


def test_the_loss_is_negnce_on_the_interaction() -> None:
    batch = random_batch(5, 4, tokens=True)
    similarity = interaction(*tokens_of(batch), batch.word_weight)
    plain = PairBatch(torch.eye(4).double(), similarity.T, batch.positive, batch.scale, batch.weight)
    torch.testing.assert_close(dmae(batch), neg_nce(plain))

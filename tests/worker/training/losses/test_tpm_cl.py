import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.worker.training.losses.batches import random_batch, seeds, sizes, weighted
from worker.training.losses.batch import PairBatch
from worker.training.losses.tpm_cl import importance, tpm_cl, without_important


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8), st.floats(0.05, 1.0))
def test_the_most_important_go_until_the_share_is_gone(values: list[float], share: float) -> None:
    mass = torch.tensor([values], dtype=torch.float64)
    mass = mass / mass.sum()
    mask = torch.ones_like(mass, dtype=torch.bool)
    left = without_important(mass, mask, share)
    gone = mass[~left]
    assert left.any()
    assert len(gone) == 0 or float(gone.min()) >= float(mass[left].max())
    if left.sum() > 1:
        assert float(gone.sum()) >= share - 1e-9  # enough went
    if len(gone):
        assert float(gone.sum() - gone.min()) < share + 1e-9  # and no more than needed


def test_padding_has_no_importance_and_is_never_left() -> None:
    batch = random_batch(0, 3, tokens=True)
    assert batch.words is not None and batch.word_mask is not None
    mass = importance(batch.words, batch.word_mask, batch.video, sharpness=10.0)
    torch.testing.assert_close(mass.sum(1), torch.ones(3, dtype=torch.float64))
    assert (mass[~batch.word_mask] == 0).all()
    assert not (without_important(mass, batch.word_mask, 0.6) & ~batch.word_mask).any()


def masses(tokens: list[Tensor], other: Tensor) -> list[float]:
    raised = [math.exp(10 * float(token @ other)) for token in tokens]
    return [r / sum(raised) for r in raised]


def left_after(mass: list[float]) -> list[int]:
    gone, total = [], 0.0
    for n in sorted(range(len(mass)), key=lambda n: -mass[n])[: len(mass) - 1]:
        if total >= 0.6:
            break
        gone.append(n)
        total += mass[n]
    return [n for n in range(len(mass)) if n not in gone]


def loop(batch: PairBatch) -> float:
    assert batch.words is not None and batch.word_mask is not None
    assert batch.frames is not None and batch.frame_mask is not None
    terms: list[list[float]] = [[], [], []]
    weights: list[list[float]] = [[], [], []]
    for i in range(len(batch.text)):
        words, frames = list(batch.words[i][batch.word_mask[i]]), list(batch.frames[i][batch.frame_mask[i]])
        word_mass, frame_mass = masses(words, batch.video[i]), masses(frames, batch.text[i])

        def mean(tokens: list[Tensor], weight: list[float], kept: list[int]) -> Tensor:
            return F.normalize(torch.stack([weight[n] * tokens[n] for n in kept]).sum(0), dim=0)

        v = mean(frames, [1.0] * len(frames), list(range(len(frames))))
        v_left = mean(frames, [1.0] * len(frames), left_after(frame_mass))
        g = mean(words, word_mass, list(range(len(words))))
        g_left = mean(words, word_mass, left_after(word_mass))
        t = batch.text[i]
        gaps = [t @ v - t @ v_left, g @ v - g @ v_left, g @ v - g_left @ v]
        for n, (gap, tokens) in enumerate(zip(gaps, (frames, frames, words), strict=True)):
            if len(tokens) > 1:
                terms[n].append(max(0.0, 0.6 - float(gap)))
                weights[n].append(float(batch.weight[i]))
    return sum(weighted(t, w) for t, w in zip(terms, weights, strict=True)) / 3


@settings(max_examples=30, deadline=None)
@given(seeds, sizes)
def test_it_is_the_loop_over_pairs(seed: int, pairs: int) -> None:
    batch = random_batch(seed, pairs, tokens=True)
    assert float(tpm_cl(batch)) == pytest.approx(loop(batch), abs=1e-8)


def test_it_looks_at_matched_pairs_only() -> None:
    batch = random_batch(3, 4, tokens=True, groups=False)
    assert batch.word_mask is not None and batch.frame_mask is not None
    batch.word_mask[:], batch.frame_mask[:] = True, True
    single = [float(tpm_cl(only(batch, i))) for i in range(4)]
    assert float(tpm_cl(batch)) == pytest.approx(weighted(single, batch.weight.tolist()), abs=1e-9)


def only(batch: PairBatch, i: int) -> PairBatch:
    assert batch.words is not None and batch.word_mask is not None
    assert batch.frames is not None and batch.frame_mask is not None
    part = slice(i, i + 1)
    return PairBatch(
        batch.text[part],
        batch.video[part],
        batch.positive[part, part],
        batch.scale,
        batch.weight[part],
        words=batch.words[part],
        word_mask=batch.word_mask[part],
        frames=batch.frames[part],
        frame_mask=batch.frame_mask[part],
    )

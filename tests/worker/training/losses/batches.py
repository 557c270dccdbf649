"""Small random batches for the losses, and plain-Python pieces of their oracles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor

from worker.training.losses.batch import PairBatch

torch.set_num_threads(1)

DIM = 5


def random_batch(
    seed: int,
    pairs: int = 4,
    *,
    tokens: bool = False,
    mined: int = 0,
    groups: bool = True,
    scale: float = 10.0,
    dtype: torch.dtype = torch.float64,
) -> PairBatch:
    """Pairs with random groups, weights and masks; every text has a word and every video a frame."""
    g = torch.Generator().manual_seed(seed)

    def unit(*shape: int) -> Tensor:
        return F.normalize(torch.randn(*shape, DIM, generator=g, dtype=dtype), dim=-1)

    group = torch.randint(0, pairs, (pairs,), generator=g) if groups else torch.arange(pairs)
    batch = PairBatch(
        text=unit(pairs),
        video=unit(pairs),
        positive=group[:, None] == group[None, :],
        scale=torch.tensor(scale, dtype=dtype),
        weight=torch.rand(pairs, generator=g, dtype=dtype) + 0.1,
        generator=torch.Generator().manual_seed(seed),
    )
    if tokens:
        batch.words, batch.frames = unit(pairs, 6), unit(pairs, 4)
        batch.word_mask = random_mask(g, pairs, 6)
        batch.frame_mask = random_mask(g, pairs, 4)
        batch.word_weight = torch.randint(1, 3, (pairs, 6), generator=g).to(dtype)
    if mined:
        batch.mined_video, batch.mined_text = unit(pairs, mined), unit(pairs, mined)
        batch.mined_ok = torch.rand(pairs, mined, generator=g) < 0.7
    return batch


def random_mask(g: torch.Generator, rows: int, length: int) -> Tensor:
    mask = torch.rand(rows, length, generator=g) < 0.6
    mask[torch.arange(rows), torch.randint(0, length, (rows,), generator=g)] = True
    return mask


seeds = st.integers(0, 2**31 - 1)
sizes = st.integers(1, 5)

ROWS = (
    "text video weight words word_mask word_weight word_tfidf frames frame_mask "
    "hard_text mined_video mined_text mined_ok"
).split()


def permuted(batch: PairBatch, order: Tensor) -> PairBatch:
    """The same pairs in another order."""
    rows = {name: getattr(batch, name) for name in ROWS}
    moved = {name: value[order] for name, value in rows.items() if value is not None}
    return replace(batch, positive=batch.positive[order][:, order], **moved)


def padded(batch: PairBatch, extra: int = 3) -> PairBatch:
    """The same with more words and frames that the masks exclude."""

    def longer(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        junk = torch.full((len(tokens), extra, tokens.shape[-1]), 7.0, dtype=tokens.dtype)
        return torch.cat([tokens, junk], 1), F.pad(mask, (0, extra))

    assert batch.words is not None and batch.word_mask is not None and batch.word_weight is not None
    assert batch.frames is not None and batch.frame_mask is not None
    words, word_mask = longer(batch.words, batch.word_mask)
    frames, frame_mask = longer(batch.frames, batch.frame_mask)
    return replace(
        batch,
        words=words,
        word_mask=word_mask,
        word_weight=F.pad(batch.word_weight, (0, extra), value=2.0),
        frames=frames,
        frame_mask=frame_mask,
    )


def scores(batch: PairBatch) -> tuple[list[list[float]], list[list[float]], list[list[bool]], list[list[bool]]]:
    """Both directions as lists: similarities (with mined columns), and which of them are negatives."""
    ways = []
    for anchors, others, positive, mined in (
        (batch.text, batch.video, batch.positive, batch.mined_video),
        (batch.video, batch.text, batch.positive.T, batch.mined_text),
    ):
        rows, negative = [], []
        for i in range(len(anchors)):
            row = [float(anchors[i] @ others[j]) for j in range(len(others))]
            kinds = [not bool(positive[i, j]) for j in range(len(others))]
            if mined is not None and batch.mined_ok is not None:
                for k in range(mined.shape[1]):
                    if batch.mined_ok[i, k]:
                        row.append(float(anchors[i] @ mined[i, k]))
                        kinds.append(True)
            rows.append(row)
            negative.append(kinds)
        ways.append((rows, negative))
    return ways[0][0], ways[1][0], ways[0][1], ways[1][1]


def logsumexp(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values))


def nce(row: list[float], negative: list[bool], scale: float) -> float:
    positives = [scale * s for s, n in zip(row, negative, strict=True) if not n]
    return logsumexp([scale * s for s in row]) - logsumexp(positives)


def weighted(values: Sequence[float], weight: Sequence[float]) -> float:
    total = sum(weight)
    return sum(v * w for v, w in zip(values, weight, strict=True)) / total if total else 0.0

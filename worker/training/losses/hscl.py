"""HSCL (CNVid-3.5M, CVPR 2023): InfoNCE whose negatives grow harder by epoch and whose easy positives weigh less."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from worker.training.losses.batch import LossError, PairBatch, Rows, both_ways, exclude, weighted_mean
from worker.training.losses.info_nce import info_nce_losses

LEAST_WEIGHT = 0.2
ROUNDING = 1e-6  # of cosines in float32: equal similarities count as equal to their mean


def hard_probability(epoch: int, *, step: float = 0.15, every: float = 1.0, start: float = 0.0) -> float:
    """min(start + step * floor(epoch / every), 1): HSCL's schedule (CNVid-3.5M, CVPR 2023) with T in epochs.

    In its ablation hard negatives from the first epoch on were worse than none, hence the ramp. Raises ValueError for a
    schedule that does not ramp up.
    """
    if every <= 0 or step < 0 or not 0 <= start <= 1:
        raise ValueError("a curriculum needs every > 0, step >= 0 and start between 0 and 1")
    return min(start + step * math.floor(epoch / every), 1.0)


def easy_weight(own: Tensor) -> Tensor:
    """(B,) similarities of pairs -> (B,): 1 up to their mean, then (mean - min) / (s - min), at least 0.2. Constant."""
    s = own.detach().double()
    mean, least = s.mean(), s.min()
    easy = ((mean - least) / (s - least).clamp(min=ROUNDING)).clamp(min=LEAST_WEIGHT, max=1.0)
    return torch.where(s <= mean + ROUNDING, torch.ones_like(s), easy).to(own.dtype)


def nearest_negatives(rows: Rows, share: float) -> Tensor:
    """(B, N) bool: that share of a row's negatives (one at least) with scores nearest to the positive's; ties stay."""
    distance = (rows.similarity - rows.own()[:, None]).abs().masked_fill(~rows.negative, torch.inf)
    count = (rows.negative.sum(1) * share).round().long().clamp(min=1)
    limit = distance.detach().sort(1).values.gather(1, count[:, None] - 1)
    return rows.negative & (distance <= limit)


def hscl(
    batch: PairBatch, *, step: float = 0.15, every: float = 1.0, start: float = 0.0, nearest: float = 0.25
) -> Tensor:
    """Half of both directions. In a row drawn with probability p only the nearest negatives stay, in others all do.

    p = min(start + step * floor(epoch / every), 1). ``start`` 1 is hard mining without the curriculum. At p = 0 this is
    InfoNCE with weighted positives.
    """
    if not 0 < nearest <= 1:
        raise LossError("hscl: nearest is a share of the negatives, above 0 and at most 1")
    probability = hard_probability(batch.epoch, step=step, every=every, start=start)
    draws = torch.rand(2, len(batch.text), generator=batch.generator).to(batch.text.device)
    directions = []
    for rows, draw in zip(both_ways(batch), draws, strict=True):
        kept = rows.negative
        if probability > 0:
            kept = torch.where((draw < probability)[:, None], nearest_negatives(rows, nearest), kept)
        logits = exclude(batch.scale * rows.similarity, rows.positive | kept)
        losses = info_nce_losses(logits, rows.positive) * easy_weight(rows.own())
        directions.append(weighted_mean(losses, batch.weight))
    return 0.5 * (directions[0] + directions[1])

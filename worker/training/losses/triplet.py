"""Triplet loss with the hardest (VSE++, Faghri 2018) or a semi-hard (FaceNet, Schroff 2015) negative of the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from worker.training.losses.batch import PairBatch, Rows, both_ways, exclude, weighted_mean


def triplet(batch: PairBatch, *, margin: float = 0.2, semi_hard: float = 0.0) -> Tensor:
    """Half of both directions of max(0, margin + negative - positive), on cosines.

    ``semi_hard`` 0: the negative that is most alike. Above 0: the most alike below the positive; where there is none,
    the least alike of all, so that one outlier does not drive the row. Rows without a negative are left out.
    """
    losses = [_direction(rows, batch.weight, margin, semi_hard > 0) for rows in both_ways(batch)]
    return 0.5 * (losses[0] + losses[1])


def _direction(rows: Rows, weight: Tensor, margin: float, semi_hard: bool) -> Tensor:
    own = rows.own()
    if semi_hard:
        below = rows.negative & (rows.similarity < own[:, None])
        easiest = -exclude(-rows.similarity, rows.negative).amax(1)
        negative = torch.where(below.any(1), exclude(rows.similarity, below).amax(1), easiest)
    else:
        negative = exclude(rows.similarity, rows.negative).amax(1)
    usable = rows.negative.any(1)
    loss = torch.relu(margin + torch.where(usable, negative, own - margin) - own)
    return weighted_mean(loss, weight, usable)

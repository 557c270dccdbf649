"""NegNCE (DMAE, Jiang et al., ACM MM 2023): InfoNCE that also pushes every negative down that beats a positive.

The published code clamps probabilities to [1e-6, 1 - 1e-6]. With scale 100 a positive 0.2 below its negative then has
no gradient at all, which is where the loss should act most. Here all stays in the log domain (docs/adr/0018).
"""

from __future__ import annotations

import torch
from torch import Tensor

from worker.training.losses.batch import PairBatch, Rows, both_ways, exclude, weighted_mean
from worker.training.losses.info_nce import info_nce_losses


def log_complement(logits: Tensor) -> Tensor:
    """(B, N) -> (B, N): log(1 - softmax), that is logsumexp(row without j) - logsumexp(row), in O(B N).

    Only a row's greatest entry can hold more than half of the mass. For it the others are summed; for the rest 1 - P is
    at least a half, so log1p loses nothing.
    """
    top = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, logits.argmax(1, keepdim=True), True)
    whole = torch.logsumexp(logits, 1, keepdim=True)
    others = torch.logsumexp(exclude(logits, ~top), 1, keepdim=True) - whole
    # The greatest entry is taken out before exp: log1p(-1) would put NaN into its gradient.
    rest = torch.log1p(-torch.exp(exclude(logits - whole, ~top)))
    return torch.where(top, others, rest)


def hard_negatives(rows: Rows) -> Tensor:
    """(B, N) bool: negatives that beat the positive of their row or of their column. A mined column has no positive."""
    own = rows.own()
    beaten = rows.similarity > own[:, None]
    count = len(own)
    in_batch = beaten[:, :count] | (rows.similarity[:, :count] > own[None, :])
    return torch.cat([in_batch, beaten[:, count:]], 1) & rows.negative


def neg_nce_direction(rows: Rows, scale: Tensor, weight: Tensor, negative_weight: float) -> Tensor:
    """mean(-log P_ii) + negative_weight * mean over the hard set of -log(1 - P_ij); rows weighted."""
    logits = rows.logits(scale)
    loss = weighted_mean(info_nce_losses(logits, rows.positive), weight)
    if not negative_weight or logits.shape[1] == 1:
        return loss
    hard = hard_negatives(rows)
    pushed = -log_complement(logits).masked_fill(~hard, 0.0)
    share = (hard * weight[:, None]).to(logits.dtype)
    return loss + negative_weight * (pushed * share).sum() / share.sum().clamp(min=torch.finfo(logits.dtype).tiny)


def neg_nce(batch: PairBatch, *, negative_weight: float = 0.5) -> Tensor:
    """Both directions averaged; mined negatives are further columns."""
    forward, backward = both_ways(batch)
    return 0.5 * (
        neg_nce_direction(forward, batch.scale, batch.weight, negative_weight)
        + neg_nce_direction(backward, batch.scale, batch.weight, negative_weight)
    )

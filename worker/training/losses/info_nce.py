"""Symmetric InfoNCE with several positives a row. van den Oord 2018; the form for several is MIL-NCE's, Miech 2020."""

from __future__ import annotations

import torch
from torch import Tensor

from worker.training.losses.batch import PairBatch, both_ways, exclude, weighted_mean


def info_nce_losses(logits: Tensor, positive: Tensor) -> Tensor:
    """(B, N) -> (B,): -log of the softmax mass on a row's positives, at least one a row; 0 where all are positive."""
    return torch.logsumexp(logits, 1) - torch.logsumexp(exclude(logits, positive), 1)


def info_nce_rows(logits: Tensor, positive: Tensor) -> Tensor:
    """Mean over rows of ``info_nce_losses``. With one positive a row this is the cross-entropy."""
    return info_nce_losses(logits, positive).mean()


def symmetric_info_nce(logits: Tensor, positive: Tensor) -> Tensor:
    """Half of both directions of a square (B, B) similarity matrix."""
    return 0.5 * (info_nce_rows(logits, positive) + info_nce_rows(logits.T, positive.T))


def info_nce(batch: PairBatch) -> Tensor:
    """Half of both directions, pairs weighted; mined negatives are further columns of the softmax."""
    losses = [info_nce_losses(rows.logits(batch.scale), rows.positive) for rows in both_ways(batch)]
    return 0.5 * (weighted_mean(losses[0], batch.weight) + weighted_mean(losses[1], batch.weight))

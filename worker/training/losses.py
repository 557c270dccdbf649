"""Contrastive losses on unit embeddings. science: symmetric InfoNCE with multi-positives."""

from __future__ import annotations

import torch
from torch import Tensor


def info_nce(logits: Tensor, positive: Tensor) -> Tensor:
    """Mean over rows of -log(sum of softmax over the row's positives).

    logits (B, N), positive (B, N) bool with at least one True a row. With one positive a row this is the
    cross-entropy of InfoNCE (van den Oord 2018); with several it is the MIL-NCE form (Miech 2020).
    """
    negative_infinity = torch.finfo(logits.dtype).min
    kept = logits.masked_fill(~positive, negative_infinity)
    return (torch.logsumexp(logits, 1) - torch.logsumexp(kept, 1)).mean()


def symmetric_info_nce(logits: Tensor, positive: Tensor) -> Tensor:
    """Half of both directions of a square (B, B) similarity matrix."""
    return 0.5 * (info_nce(logits, positive) + info_nce(logits.T, positive.T))

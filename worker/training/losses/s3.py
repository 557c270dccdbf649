"""S3 (CNVid-3.5M's masked significant words and local word-video matching) as a regulariser of the dual encoder.

The published model predicts masked words with a language model head; a dual encoder has none. What is kept of it: a
caption that lost its significant words must score below the caption itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from worker.training.losses.batch import LossError, PairBatch, exclude, require, square_rows, unit_mean, weighted_mean
from worker.training.losses.info_nce import info_nce_losses

SIGNIFICANT = 2.0  # least word_weight of a significant word


def pick_significant(
    word_weight: Tensor, word_mask: Tensor, count: int, generator: torch.Generator | None = None
) -> Tensor:
    """(B, L) bool: at most ``count`` significant words of each caption, drawn at random."""
    candidates = word_mask & (word_weight >= SIGNIFICANT)
    draw = torch.rand(word_mask.shape, generator=generator).to(word_mask.device)
    rank = draw.masked_fill(~candidates, 2.0).argsort(1).argsort(1)
    return candidates & (rank < count)


def masked_captions(batch: PairBatch) -> Tensor:
    """(B, K, D) hard negative captions: those of the batch, or else the mean of the words that are not significant."""
    if batch.hard_text is not None:
        return batch.hard_text
    if batch.words is None:
        raise LossError("the loss s3 needs hard_text, or words with word_mask and word_weight, for its masked captions")
    words, mask, weight = require("s3", batch, "words", "word_mask", "word_weight")
    significant = mask & (weight >= SIGNIFICANT)
    # A caption without significant words has nothing to lose; its row becomes zero, which counts as none.
    rest = mask & ~significant & significant.any(1, keepdim=True)
    return unit_mean(words, rest)[:, None]


def masking(batch: PairBatch) -> Tensor:
    """Each video chooses its caption among it and its masked forms: -log softmax over 1 + K scores."""
    masked = masked_captions(batch)  # (B, K, D)
    there = masked.detach().norm(dim=-1) > 0.5
    own = (batch.text * batch.video).sum(1, keepdim=True)
    further = torch.einsum("bd,bkd->bk", batch.video, masked)
    kept = torch.cat([torch.ones_like(there[:, :1]), there], 1)
    logits = exclude(batch.scale * torch.cat([own, further], 1), kept)
    first = torch.zeros_like(kept)
    first[:, 0] = True
    return weighted_mean(info_nce_losses(logits, first), batch.weight, there.any(1))


def local_similarity(words: Tensor, chosen: Tensor, frames: Tensor, frame_mask: Tensor, scale: Tensor) -> Tensor:
    """(A, L, D), (A, L) bool, (B, F, D), (B, F) bool -> (A, B) logits: logsumexp over pairs of word and frame.

    Less the log of their number: a long video would win every caption otherwise. Rows without words and columns without
    frames are far below all others.
    """
    count = max(int(chosen.sum(1).max()), 1)
    place = chosen.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :count]  # chosen words first
    picked = words.gather(1, place.unsqueeze(-1).expand(-1, -1, words.shape[-1]))
    there = chosen.gather(1, place)
    logits = scale * torch.einsum("ald,bfd->abfl", picked, frames)
    kept = there[:, None, None, :] & frame_mask[None, :, :, None]
    number = kept.sum((2, 3)).clamp(min=1).to(logits.dtype)
    return torch.logsumexp(exclude(logits, kept).flatten(2), 2) - number.log()


def matching(batch: PairBatch, *, count: int = 3) -> Tensor:
    """MIL-NCE over ``count`` significant words of each caption against frames, both directions."""
    words, word_mask, weight = require("s3", batch, "words", "word_mask", "word_weight")
    frames, frame_mask = require("s3", batch, "frames", "frame_mask")
    chosen = pick_significant(weight, word_mask, count, batch.generator)
    logits = local_similarity(words, chosen, frames, frame_mask, batch.scale)
    usable = chosen.any(1) & frame_mask.any(1)  # pairs; others are neither rows nor columns
    both = usable[:, None] & usable[None, :]
    losses = []
    for rows in square_rows(logits, batch.positive):
        # An unusable row keeps its own entry, so that it has numbers; it weighs nothing.
        own = torch.eye(len(usable), dtype=torch.bool, device=usable.device)
        values = torch.where(both, rows.similarity, torch.zeros_like(rows.similarity))
        positive = (rows.positive & both) | own
        each = info_nce_losses(exclude(values, both | own), positive)
        losses.append(weighted_mean(each, batch.weight, usable))
    return 0.5 * (losses[0] + losses[1])


def s3(batch: PairBatch, *, masking_weight: float = 1.0, matching_weight: float = 1.0, words: float = 3.0) -> Tensor:
    """masking_weight * masking + matching_weight * matching; what weighs 0 is not computed and needs nothing."""
    if words < 1 or masking_weight < 0 or matching_weight < 0 or masking_weight + matching_weight == 0:
        raise LossError("s3: words must be at least 1, the weights not negative and not both 0")
    loss = batch.scale.new_zeros(())
    if masking_weight:
        loss = loss + masking_weight * masking(batch)
    if matching_weight:
        loss = loss + matching_weight * matching(batch, count=int(words))
    return loss

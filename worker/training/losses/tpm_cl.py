"""TPM-CL (Jiang et al., ACM MM 2023): a pair must beat itself with its most important tokens gone, by a margin.

The published module learns token importance in a network of its own; here it is a softmax over cosines with the other
side, so the loss has no parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from worker.training.losses.batch import PairBatch, exclude, require, unit_mean, weighted_mean


def importance(tokens: Tensor, mask: Tensor, other: Tensor, *, sharpness: float) -> Tensor:
    """(B, L, D) tokens of one side, (B, D) vectors of the other -> (B, L), summing to 1 over real tokens."""
    scores = exclude(sharpness * torch.einsum("bld,bd->bl", tokens, other), mask)
    return torch.softmax(scores, 1) * mask


def without_important(mass: Tensor, mask: Tensor, share: float) -> Tensor:
    """(B, L) bool: ``mask`` less the most important tokens, until ``share`` of the mass is gone; one at least stays."""
    order = mass.masked_fill(~mask, -1.0).argsort(1, descending=True)
    taken = mass.gather(1, order).cumsum(1)
    before = taken - mass.gather(1, order)
    place = torch.arange(mask.shape[1], device=mask.device)
    gone = (before < share) & (place < mask.sum(1, keepdim=True) - 1)
    return mask & ~torch.zeros_like(mask).scatter(1, order, gone)


def tpm_cl(batch: PairBatch, *, mass: float = 0.6, margin: float = 0.6, sharpness: float = 10.0) -> Tensor:
    """Mean of three margin terms over the B matched pairs: s(t, v) > s(t, v'), s(g, v) > s(g, v'), s(g, v) > s(g', v).

    t is the sentence vector, v the mean of the frames and v' of those left; g is the mean of the words by importance,
    g' that of those left. The choice of tokens has no gradient. A pair with a single word or frame has no part in the
    terms that would need more.
    """
    words, word_mask, frames, frame_mask = require("tpm_cl", batch, "words", "word_mask", "frames", "frame_mask")
    word_mass = importance(words, word_mask, batch.video, sharpness=sharpness)
    frame_mass = importance(frames, frame_mask, batch.text, sharpness=sharpness)
    words_left = without_important(word_mass.detach(), word_mask, mass)
    frames_left = without_important(frame_mass.detach(), frame_mask, mass)
    video, poorer_video = unit_mean(frames, frame_mask), unit_mean(frames, frames_left)
    # The words left may hold little of the mass; scaled by the greatest of it, their mean keeps its direction.
    left_mass = word_mass * words_left
    left_mass = left_mass / left_mass.detach().amax(1, keepdim=True).clamp(min=torch.finfo(words.dtype).tiny)
    whole_text, poorer_text = unit_mean(words, word_mass), unit_mean(words, left_mass)
    ranked = [
        (batch.text, video, batch.text, poorer_video, frame_mask),
        (whole_text, video, whole_text, poorer_video, frame_mask),
        (whole_text, video, poorer_text, video, word_mask),
    ]
    terms = []
    for text, clip, other_text, other_clip, mask in ranked:
        gap = (text * clip).sum(1) - (other_text * other_clip).sum(1)
        terms.append(weighted_mean(torch.relu(margin - gap), batch.weight, mask.sum(1) > 1))
    return torch.stack(terms).mean()

"""DMAE's attention (Jiang et al., ACM MM 2023): similarity of words and frames, with weights on both sides.

``interaction`` is also a re-ranker: it needs no parameters, only the tokens of a query and of candidate videos.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from worker.training.losses.batch import LossError, PairBatch, exclude, require, square_rows
from worker.training.losses.neg_nce import neg_nce_direction

BLOCK_ELEMENTS = 1 << 24  # of the words x frames matrix that is held at once: 64 MiB in float32
MOST_DROPPED = 5
DROP_PROBABILITY = 0.5


def interaction(
    words: Tensor,
    word_mask: Tensor,
    frames: Tensor,
    frame_mask: Tensor,
    word_weight: Tensor | None = None,
    *,
    visual: float = 0.5,
) -> Tensor:
    """(A, L, D) words and (B, F, D) frames, unit rows, with (A, L) and (B, F) bool masks -> (A, B) similarities.

    Text to video: weighted mean over words of the best frame f*, plus ``visual`` * cos(f*, f2) * sim(word, f2), where
    f2 is the other frame most like f*. Video to text: mean over frames of the best word. The result is their average.
    A text without words or a video without frames has similarity 0. Costs A * L * B * F * D multiplications; many texts
    go in blocks that are computed again in the backward pass.
    """
    weight = word_mask.to(words.dtype) if word_weight is None else word_weight * word_mask
    frames, source = _without_padding(frames, frame_mask)
    second, closeness = _second_frames(frames, frame_mask)
    videos = _Videos(frames, frame_mask, second.gather(1, source), closeness.gather(1, source))
    words = _without_padding(words, word_mask)[0]
    step = max(BLOCK_ELEMENTS // max(words.shape[1] * frames.shape[0] * frames.shape[1], 1), 1)
    whole = step >= len(words)

    def block(part: slice) -> Tensor:
        inputs = (words[part], word_mask[part], weight[part], videos, visual)
        if whole or not torch.is_grad_enabled():
            return _block(*inputs)
        result: Tensor = checkpoint(_block, *inputs, use_reentrant=False, preserve_rng_state=False)
        return result

    return torch.cat([block(slice(start, start + step)) for start in range(0, len(words), step)])


def _without_padding(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens with the first real one in every padded place, and (B, L) where each was taken from.

    A maximum over them needs no mask then, and the matrix of all words and all frames is gone through once less.
    """
    place = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    source = torch.where(mask, place, mask.to(torch.uint8).argmax(1, keepdim=True))
    return tokens.gather(1, source.unsqueeze(-1).expand_as(tokens)), source


def _second_frames(frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """(B, F) the number of the other frame most like each, and (B, F) its cosine; 0 where there is no other."""
    cosine = frames @ frames.transpose(1, 2)
    other = mask[:, None, :] & ~torch.eye(frames.shape[1], dtype=torch.bool, device=frames.device)
    closeness, second = exclude(cosine, other).max(-1)
    return second, torch.where(other.any(-1), closeness, torch.zeros_like(closeness))


class _Videos(NamedTuple):
    frames: Tensor  # (B, F, D)
    mask: Tensor  # (B, F) bool
    second: Tensor  # (B, F) the other frame most like each
    closeness: Tensor  # (B, F) its cosine


def _block(words: Tensor, word_mask: Tensor, weight: Tensor, videos: _Videos, visual: float) -> Tensor:
    # The matrix is in the order (L, a, B, F): both maxima then run over whole rows of memory.
    similarity = (words.transpose(0, 1) @ videos.frames.flatten(0, 1).T).unflatten(-1, videos.mask.shape)
    best, place = similarity.max(-1)  # (L, a, B)
    if visual:
        video = torch.arange(len(videos.frames), device=words.device)
        supporting = similarity.gather(-1, videos.second[video, place].unsqueeze(-1)).squeeze(-1)
        best = best + visual * videos.closeness[video, place] * supporting
    best = torch.where(videos.mask.any(1), best, torch.zeros_like(best))
    small = torch.finfo(words.dtype).tiny
    forward = torch.einsum("lab,al->ab", best, weight) / weight.sum(1, keepdim=True).clamp(min=small)
    described = similarity.max(0).values  # (a, B, F)
    described = torch.where(word_mask.any(1)[:, None, None] & videos.mask, described, torch.zeros_like(described))
    return 0.5 * (forward + described.sum(-1) / videos.mask.sum(1).clamp(min=1))


def drop_low_words(
    mask: Tensor, tfidf: Tensor, generator: torch.Generator | None = None, *, threshold: float = 0.1
) -> Tensor:
    """(B, L) bool: ``mask`` without about half of the words whose TF-IDF is below ``threshold``, drawn at random.

    At most ``MOST_DROPPED`` a caption and at most half of its words, so no caption loses all.
    """
    draw = torch.rand(mask.shape, generator=generator).to(mask.device)
    candidates = mask & (tfidf < threshold) & (draw < DROP_PROBABILITY)
    rank = draw.masked_fill(~candidates, 2.0).argsort(1).argsort(1)
    most = (mask.sum(1, keepdim=True) // 2).clamp(max=MOST_DROPPED)
    return mask & ~(candidates & (rank < most))


def dmae(batch: PairBatch, *, visual: float = 0.5, negative_weight: float = 0.5, drop_below: float = 0.1) -> Tensor:
    """NegNCE (InfoNCE with ``negative_weight`` 0) on the interaction similarity, both directions.

    Needs words and frames with their masks; ``word_weight`` and ``word_tfidf`` are used where given. Mined negatives
    take no part, since they have no tokens here.
    """
    words, word_mask, frames, frame_mask = require("dmae", batch, "words", "word_mask", "frames", "frame_mask")
    if visual < 0 or negative_weight < 0:
        raise LossError("dmae: visual and negative_weight must not be negative")
    if batch.word_tfidf is not None and drop_below > 0:
        word_mask = drop_low_words(word_mask, batch.word_tfidf, batch.generator, threshold=drop_below)
    similarity = interaction(words, word_mask, frames, frame_mask, batch.word_weight, visual=visual)
    forward, backward = square_rows(similarity, batch.positive)
    return 0.5 * (
        neg_nce_direction(forward, batch.scale, batch.weight, negative_weight)
        + neg_nce_direction(backward, batch.scale, batch.weight, negative_weight)
    )

"""What every loss looks at: one batch of embedded text-video pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

START_SCALE = 1 / 0.05  # where nothing else is known
MAX_SCALE = 100.0


class LossError(ValueError):
    """A loss cannot be computed from what the batch or the configuration holds; the message says what is missing."""


@dataclass
class PairBatch:
    """B text-video pairs, already embedded. Vectors have unit length; what a mask excludes may hold anything finite.

    ``positive`` has a True diagonal and marks pairs of one video or one same-source group. ``scale`` is
    exp(logit_scale), at most MAX_SCALE. ``weight`` is below 1 for weak labels (feedback).
    """

    text: Tensor  # (B, D)
    video: Tensor  # (B, D), pooled over time
    positive: Tensor  # (B, B) bool
    scale: Tensor  # ()
    weight: Tensor  # (B,)
    words: Tensor | None = None  # (B, L, D)
    word_mask: Tensor | None = None  # (B, L) bool
    word_weight: Tensor | None = None  # (B, L), 2 for nouns, verbs and adjectives, 1 for others
    word_tfidf: Tensor | None = None  # (B, L), of unit length over a caption's words; dmae drops low ones where given
    frames: Tensor | None = None  # (B, F, D)
    frame_mask: Tensor | None = None  # (B, F) bool
    hard_text: Tensor | None = None  # (B, K, D) captions without their significant words; a zero row counts as none
    mined_video: Tensor | None = None  # (B, K, D) hard negatives of each text
    mined_text: Tensor | None = None  # (B, K, D) hard negatives of each video
    mined_ok: Tensor | None = None  # (B, K) bool
    progress: float = 0.0  # 0..1 of the run
    epoch: int = 0  # from 0
    epochs: int = 1
    generator: torch.Generator | None = None  # on the processor; None draws from torch's global one


Objective = Callable[[PairBatch, Tensor], Tensor]  # the loss of a batch, and how far it is from the base


@dataclass(frozen=True)
class Rows:
    """One direction. A column that is neither positive nor negative takes no part."""

    similarity: Tensor  # (B, N), cosines; own pairs on the diagonal of the first B columns
    positive: Tensor  # (B, N) bool
    negative: Tensor  # (B, N) bool

    def own(self) -> Tensor:
        """(B,) the similarity of each pair."""
        return torch.diagonal(self.similarity)

    def logits(self, scale: Tensor) -> Tensor:
        """(B, N) scaled, with columns that take no part far below all others."""
        return exclude(scale * self.similarity, self.positive | self.negative)


def lowest(like: Tensor) -> float:
    """Below every logit, yet finite: a row of nothing else gives numbers, not NaN, in both passes."""
    return torch.finfo(like.dtype).min / 4


def exclude(values: Tensor, kept: Tensor) -> Tensor:
    """``values`` where ``kept``, ``lowest`` elsewhere; no gradient passes where not kept."""
    return values.masked_fill(~kept, lowest(values))


def both_ways(batch: PairBatch) -> tuple[Rows, Rows]:
    """Text to video, then video to text: (B, B), with K further columns where negatives were mined."""
    similarity = batch.text @ batch.video.T
    forward = _rows(similarity, batch.positive, batch.text, batch.mined_video, batch.mined_ok)
    return forward, _rows(similarity.T, batch.positive.T, batch.video, batch.mined_text, batch.mined_ok)


def square_rows(similarity: Tensor, positive: Tensor) -> tuple[Rows, Rows]:
    """Both directions of a (B, B) matrix without mined columns."""
    return Rows(similarity, positive, ~positive), Rows(similarity.T, positive.T, ~positive.T)


def _rows(similarity: Tensor, positive: Tensor, anchors: Tensor, mined: Tensor | None, ok: Tensor | None) -> Rows:
    if mined is None:
        return Rows(similarity, positive, ~positive)
    further = torch.einsum("bd,bkd->bk", anchors, mined)
    usable = torch.ones_like(further, dtype=torch.bool) if ok is None else ok
    return Rows(
        torch.cat([similarity, further], 1),
        torch.cat([positive, torch.zeros_like(usable)], 1),
        torch.cat([~positive, usable], 1),
    )


def require(name: str, batch: PairBatch, *fields: str) -> list[Tensor]:
    """Those fields of the batch. Raises LossError that names what ``name`` lacks."""
    missing = [field for field in fields if getattr(batch, field) is None]
    if missing:
        raise LossError(f"the loss {name} needs {' and '.join(missing)}, which this batch does not hold")
    return [getattr(batch, field) for field in fields]


def weighted_mean(values: Tensor, weight: Tensor, kept: Tensor | None = None) -> Tensor:
    """Mean of (B,) by (B,) weights over the ``kept`` rows; 0 where nothing is kept or all weigh nothing."""
    share = weight.to(values.dtype) if kept is None else weight.to(values.dtype) * kept
    return (values * share).sum() / share.sum().clamp(min=torch.finfo(values.dtype).tiny)


def unit_mean(tokens: Tensor, weight: Tensor) -> Tensor:
    """(B, L, D) tokens and (B, L) weights >= 0 -> (B, D) unit rows; where nothing weighs, a zero row."""
    total = torch.einsum("bld,bl->bd", tokens, weight.to(tokens.dtype))
    return torch.nn.functional.normalize(total, dim=-1, eps=1e-6)

"""Pooling over time: frame vectors of a clip -> one vector. All three start as the masked mean.

``forward(frames, mask)``: (B, F, D) unit rows and (B, F) bool -> (B, D) unit rows. What the mask excludes may hold
anything, NaN included; a clip without frames gives a zero row. Plain operations only, so that torch.onnx exports them
with any number of frames.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

POOLINGS = ("mean", "attention", "transformer")


def weighted_pool(frames: Tensor, weight: Tensor) -> Tensor:
    """(B, F, D) and weights (B, F) that sum to 1 (or 0) over a clip -> (B, D), unit or zero rows."""
    return F.normalize(torch.einsum("bfd,bf->bd", frames, weight), dim=-1)


def mean_weight(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, F) bool -> (B, F): the same share for each frame of a clip."""
    share = mask.to(dtype)
    return share / share.sum(1, keepdim=True).clamp(min=1)


def cleared(frames: Tensor, mask: Tensor) -> Tensor:
    """Unit frames, zero where the mask excludes them."""
    return F.normalize(frames.masked_fill(~mask.unsqueeze(-1), 0.0), dim=-1)


class MeanPooling(nn.Module):
    """CLIP4Clip's mean pooling (Luo et al., 2021): normalised before and after."""

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        return weighted_pool(cleared(frames, mask), mean_weight(mask, frames.dtype))


class AttentionPooling(nn.Module):
    """Softmax over frames of their product with a learned query; the query starts at zero."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(dim))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        frames = cleared(frames, mask)
        # Finite, not -inf: a clip without frames must give zeros and not NaN.
        scores = (frames @ self.query).masked_fill(~mask, torch.finfo(frames.dtype).min / 2)
        return weighted_pool(frames, torch.softmax(scores, 1) * mask)


class FrameBlock(nn.Module):
    """One pre-norm transformer layer over the frames of a clip."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * dim)
        self.from_heads = nn.Linear(dim, dim)
        self.norm_hidden = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, 4 * dim)
        self.down = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """x (B, F, D); seen (B, 1, 1, F) bool, the frames that may be looked at."""
        qkv = self.to_qkv(self.norm_attention(x)).unflatten(-1, (3, self.heads, -1))  # (B, F, 3, H, D / H)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        looked = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + self.from_heads(looked.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm_hidden(x))))


class TemporalTransformer(nn.Module):
    """Frames look at each other; what they learn is added to them through a gate that starts at zero.

    Positions are learned; frames from ``max_frames`` on share the last one. In the ablations of DRL (Wang et al., 2022)
    such a transformer gained about nothing, so it has to earn its place on validation.
    """

    def __init__(self, dim: int, layers: int = 1, heads: int = 4, max_frames: int = 64) -> None:
        super().__init__()
        if dim % heads or not 1 <= layers <= 4 or max_frames < 1:
            raise ValueError(
                f"no transformer has {dim} dimensions, {heads} heads, {layers} layers, {max_frames} frames"
            )
        self.positions = nn.Parameter(torch.randn(max_frames, dim) * 0.02)
        self.blocks = nn.ModuleList(FrameBlock(dim, heads) for _ in range(layers))
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        frames = cleared(frames, mask)
        place = torch.arange(frames.shape[1], device=frames.device).clamp(max=self.positions.shape[0] - 1)
        x = frames + self.positions[place]
        # A clip without frames looks at its padding; its result is weighed by zero below.
        seen = (mask | ~mask.any(1, keepdim=True))[:, None, None, :]
        for block in self.blocks:
            x = block(x, seen)
        return weighted_pool(frames + torch.tanh(self.gate) * x, mean_weight(mask, frames.dtype))


def make_pooling(name: str, dim: int) -> nn.Module:
    """One of ``POOLINGS`` for vectors of ``dim``. Raises ValueError for another name."""
    if name == "mean":
        return MeanPooling()
    if name == "attention":
        return AttentionPooling(dim)
    if name == "transformer":
        return TemporalTransformer(dim, heads=math.gcd(dim, 4))
    raise ValueError(f"there is no pooling called {name}; there are {', '.join(POOLINGS)}")

"""The key-frame selector: keeps at most 15 % of what one frame a second would be, at no loss of found segments.

A small temporal network gives every sampled frame a score: how well it stands for the seconds around it once copies
are edited, and how well it tells them from other footage. Frames with a high score are cheaper to keep; which are kept
is then the best choice for rebuilding the whole video from them (``coverage``). So a still scene keeps one frame a
minute, a slow pan a few that are blended in between, and every shot longer than a second or two its own frame, as long
as the budget lasts; beyond it the shots that matter least are left out.

Budget: ``SHARE`` of the seconds of the video, so that no library can exceed it, except that a video keeps at least
``LEAST_KEPT`` frames where it has that many. A video under 20 seconds therefore keeps more than its share (three of
ten), which matters little: short videos hold few frames to begin with, and they need three frames to be found.
Scores and choices are made on all sampled frames, which are denser than one a second under a minute.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from worker.detection.bundled import bundled_net
from worker.detection.coverage import best_frames, pooled, spans_of
from worker.types import FloatArray

__all__ = ["KeyframeNet", "KeyframeSelector", "budget", "pooled", "select", "spans_of"]

WEIGHTS = Path(__file__).resolve().parents[2] / "models" / "keyframes" / "keyframes.safetensors"
SHARE = 0.15
LEAST_KEPT = 3
PRICE = 0.25  # seconds times lost cosine that a further frame must win back
LAGS = (1, 2, 4, 8, 16)
HIDDEN = 48

Times = NDArray[np.float64]
Indices = NDArray[np.int64]


def budget(duration: float) -> int:
    """How many frames a video of ``duration`` seconds may keep."""
    return max(LEAST_KEPT, int(SHARE * duration + 1e-9))


class KeyframeNet(nn.Module):
    """vectors (B, N, D), times (B, N) -> logits (B, N). 28 thousand parameters.

    It sees how much each frame resembles those up to 16 before and after it and the mean of its video, and how far
    apart in time they are; never the descriptors themselves, so that it outlives a new revision of them.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = 1 + 4 * len(LAGS)
        self.layers = nn.ModuleList(
            nn.Conv1d(inputs if i == 0 else HIDDEN, HIDDEN, 5, padding=2 * d, dilation=d)
            for i, d in enumerate((1, 2, 4))
        )
        self.head = nn.Conv1d(HIDDEN, 1, 1)
        nn.init.constant_(self.head.bias, -1.5)

    def forward(self, vectors: Tensor, times: Tensor) -> Tensor:
        middle = F.normalize(vectors.mean(1, keepdim=True), dim=-1)
        features = [(vectors * middle).sum(-1, keepdim=True)]
        for lag in LAGS:
            for way in (lag, -lag):
                other, moments = torch.roll(vectors, way, 1), torch.roll(times, way, 1)
                apart = (times - moments).abs()
                inside = torch.ones_like(times, dtype=torch.bool)
                if lag < times.shape[1]:
                    inside[:, :lag] &= way < 0
                    inside[:, -lag:] &= way > 0
                else:
                    inside[:] = False
                alike = torch.where(inside, (vectors * other).sum(-1), 0.0)
                features += [alike[..., None], torch.where(inside, torch.log1p(apart), 0.0)[..., None]]
        x = torch.cat(features, -1).transpose(1, 2)
        for i, layer in enumerate(self.layers):
            y = F.gelu(layer(x))
            x = y if i == 0 else x + y
        return self.head(x)[:, 0]


class KeyframeSelector:
    """Needs ``models/keyframes``; ``learned=False`` rates all frames alike and needs no weights."""

    def __init__(self, weights: Path = WEIGHTS, net: KeyframeNet | None = None, *, learned: bool = True) -> None:
        self.weights, self._given, self.learned = weights, net, learned

    @property
    def net(self) -> KeyframeNet:
        if self._given is not None:
            return self._given
        return bundled_net(KeyframeNet, self.weights, name="key-frame selector", folder="models/keyframes")

    def scores(self, vectors: FloatArray, times: Times) -> FloatArray:
        """(N, D) unit rows and (N,) ascending seconds of informative frames -> (N,) in 0..1."""
        with torch.inference_mode():
            logits = self.net(
                torch.from_numpy(np.asarray(vectors, np.float32))[None], torch.from_numpy(times)[None].float()
            )
        return np.asarray(torch.sigmoid(logits)[0].numpy(), dtype=np.float32)

    def select(
        self, vectors: FloatArray, times: Times, informative: NDArray[np.bool_], duration: float,
        price: float = PRICE, most: int | None = None,
    ) -> Indices:  # fmt: skip
        """Rows to keep, ascending. vectors (N, D) unit rows, times (N,) ascending seconds, informative (N,).

        Frames without information are never kept, unless there are no others: then the middle one is.
        """
        usable = np.flatnonzero(informative)
        if not len(usable):
            return np.arange(len(times))[len(times) // 2 : len(times) // 2 + 1]
        chosen, moments = np.asarray(vectors, np.float32)[usable], np.asarray(times, np.float64)[usable]
        scores = self.scores(chosen, moments) if self.learned else None
        most = budget(duration) if most is None else most
        kept = best_frames(chosen, moments, duration, price=price, most=most, scores=scores)
        return usable[_at_least(kept, moments, min(LEAST_KEPT, most))]


def _at_least(kept: Indices, times: Times, least: int) -> Indices:
    """``kept`` with the frames farthest in time from all others added until there are ``least``."""
    chosen = sorted(kept.tolist())
    while len(chosen) < min(least, len(times)):
        apart = np.abs(times[:, None] - times[chosen][None]).min(axis=1)
        apart[chosen] = -1.0
        chosen = sorted([*chosen, int(apart.argmax())])
    return np.array(chosen, dtype=np.int64)


def select(vectors: FloatArray, times: Times, informative: NDArray[np.bool_], duration: float) -> Indices:
    """``KeyframeSelector.select`` with the bundled weights."""
    return KeyframeSelector().select(vectors, times, informative, duration)

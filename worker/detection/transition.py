"""Does the source change between two neighbouring query frames? A small network on their two descriptors.

Fully connected 1000-512-128-2 with batch norm and tanh, after the PDVR report; its input is both descriptors and their
difference. It lowers the price of a switch in worker.detection.vfrm. Trained by
worker/pretraining/segments/transition.py; figures in models/transition/README.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from worker.embedders.base import EmbedderError
from worker.embedders.weights import load_packed
from worker.types import FloatArray

WIDTHS = (1000, 512, 128)
BATCH = 1024
WEIGHTS = Path(__file__).resolve().parents[2] / "models" / "transition" / "transition.safetensors"


class TransitionNet(nn.Module):
    """Two frames' descriptors (B, D), (B, D) -> (B, 2) logits: same source, other source."""

    def __init__(self, dim: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3 * dim
        for width in widths:
            layers += [nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.Tanh()]
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, 2))

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        scale = before.shape[1] ** 0.5  # about one a number
        return self.layers(scale * torch.cat([before, after, (before - after).abs()], 1))


class TransitionClassifier:
    """A trained network. Raises EmbedderError when its weights are missing or damaged."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        try:
            state = load_packed(weights)
        except (OSError, SafetensorError) as error:
            raise EmbedderError(
                f"The transition classifier in {weights} cannot be read ({error}). Install vsearch again."
            ) from error
        linear = sorted(
            (int(k.split(".")[1]), v.shape) for k, v in state.items() if k.endswith(".weight") and v.ndim == 2
        )
        self.dim = int(linear[0][1][1]) // 3
        self.net = TransitionNet(self.dim, tuple(int(shape[0]) for _, shape in linear[:-1]))
        self.net.load_state_dict(state)
        self.net.eval()

    @torch.inference_mode()
    def of_pairs(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """(N, D), (N, D) unit rows -> (N,) probability that the second shows another source than the first."""
        if before.shape != after.shape or before.ndim != 2 or before.shape[1] != self.dim:
            raise ValueError(f"this classifier takes pairs of {self.dim} numbers, not {before.shape} and {after.shape}")
        out = np.empty(len(before), np.float32)
        for start in range(0, len(before), BATCH):
            part = slice(start, start + BATCH)
            pair = (torch.from_numpy(np.array(side[part], np.float32)) for side in (before, after))
            out[part] = self.net(*pair).softmax(1)[:, 1].numpy()
        return out

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """(N, D) descriptors in time order -> (N,) probability of a change before each frame; 1 before the first."""
        return np.r_[np.ones(min(len(vectors), 1), np.float32), self.of_pairs(vectors[:-1], vectors[1:])]

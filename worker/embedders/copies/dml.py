"""The DML head: three fully connected layers that pull near-duplicate videos together in 500 numbers.

Input is a video's MAC feature (worker.embedders.copies.mac); similarity is the inner product. Trained by
worker/pretraining/copies/dml.py; figures in models/dml/README.md.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from worker.embedders.base import EmbedderError
from worker.embedders.weights import load_packed
from worker.types import FloatArray

WIDTHS = (2000, 1000, 500)
WEIGHTS = Path(__file__).resolve().parents[3] / "models" / "dml" / "dml.safetensors"


class DmlHead(nn.Module):
    """(B, C) unit rows -> (B, 500) unit rows.

    ``centre`` (C,) is the mean of the training videos. ``whitening`` (C, C) shrinks the directions along which edits
    move a video; both are estimated before training. ``dropout`` is the share of a layer's inputs that training leaves
    out.
    """

    centre: Tensor
    whitening: Tensor

    def __init__(self, inputs: int, widths: tuple[int, ...] = WIDTHS, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        sizes = (inputs, *widths)
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("whitening", torch.eye(inputs))

    def whitened(self, x: Tensor) -> Tensor:
        """(B, C) unit rows -> (B, C) unit rows, what the layers begin with."""
        return F.normalize(F.normalize(x - self.centre, dim=1) @ self.whitening, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.whitened(x)
        x = x * x.shape[1] ** 0.5  # about one a channel: small inputs would leave tanh linear and slow to train
        for layer in self.layers:
            x = torch.tanh(layer(F.dropout(x, self.dropout, self.training)))
        return F.normalize(x, dim=1)


class Dml:
    """A trained head. Raises EmbedderError when its weights are missing or damaged."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        try:
            state = load_packed(weights)
        except (OSError, SafetensorError) as error:
            raise EmbedderError(
                f"The DML head in {weights} cannot be read ({error}). Install vsearch again."
            ) from error
        shapes = [state[f"layers.{i}.weight"].shape for i in range(sum(k.endswith(".weight") for k in state))]
        self.inputs = int(shapes[0][1])
        self.head = DmlHead(self.inputs, tuple(int(s[0]) for s in shapes)).eval()
        self.head.load_state_dict(state)

    @torch.inference_mode()
    def embed(self, videos: FloatArray) -> FloatArray:
        """(V, C) ``normalised`` features -> (V, 500) unit rows."""
        if videos.ndim != 2 or videos.shape[1] != self.inputs:
            raise ValueError(f"this head takes (videos, {self.inputs}) MAC features, not {videos.shape}")
        return np.asarray(self.head(torch.from_numpy(np.ascontiguousarray(videos))).numpy(), dtype=np.float32)

"""A fine-tuned semantic encoder: a base model with a trained head on its embeddings and a pooling head over time.

Folder: ``base/`` (the base model's own folder), ``head.safetensors`` and ``config.json`` with the architecture
``vsearch-fine-tuned``, the dimension, the pooling and what the base is called. The head maps both kinds of base
embedding into one new space; it starts as the identity, so an untrained head answers exactly as the base does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.semantic.bundled import BundledEmbedder
from worker.embedders.semantic.image_onnx import BATCH, IMAGE_FILE, open_images
from worker.embedders.semantic.temporal import make_pooling
from worker.embedders.semantic.transformers_model import TransformersEmbedder
from worker.embedders.weights import files_sha256
from worker.types import ByteImage, EmbedderSpec, FloatArray

ARCHITECTURE = "vsearch-fine-tuned"
HEAD_FILE = "head.safetensors"
HIDDEN = 2  # width of the hidden layer, in units of the output


class Projection(nn.Module):
    """(..., inputs) -> (..., dim) unit rows: a linear map plus a zero-started hidden layer.

    Between equal dimensions the linear map starts as the identity.
    """

    def __init__(self, inputs: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, dim)
        if inputs == dim:
            nn.init.eye_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)
        self.up = nn.Linear(inputs, HIDDEN * dim)
        self.down = nn.Linear(HIDDEN * dim, dim)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.linear(x) + self.down(F.gelu(self.up(x))), dim=-1)


class DualHead(nn.Module):
    """Both projections and the pooling over time. Inputs are base embeddings (or any cached features)."""

    def __init__(self, video_inputs: int, text_inputs: int, dim: int, pooling: str) -> None:
        super().__init__()
        self.video = Projection(video_inputs, dim)
        self.text = Projection(text_inputs, dim)
        self.pooling = make_pooling(pooling, dim)

    def clip(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(B, F, D) unit frames of the new space and (B, F) bool -> (B, D) unit."""
        return self.pooling(frames, mask)


class FineTunedEmbedder:
    """See ``worker.embedders.base.Embedder``. ``base`` is the embedder of the folder's ``base/``."""

    def __init__(self, folder: Path, base: Embedder, *, name: str = "", revision: str = "") -> None:
        try:
            self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
            self.base = base
            self.head = DualHead(base.spec.dim, base.spec.dim, int(self.config["dim"]), str(self.config["pooling"]))
            self.head.load_state_dict(load_file(folder / HEAD_FILE))
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise EmbedderError(
                f"The fine-tuned model in {folder} cannot be read ({error}). Train it again, or roll back."
            ) from error
        self.head.eval()
        self._images = open_images(folder)
        self.spec = fine_tuned_spec(folder, base.spec, name=name, revision=revision)

    @torch.inference_mode()
    def encode_frames(self, images: Sequence[ByteImage]) -> FloatArray:
        """N images -> (N, D)."""
        if not len(images):
            return np.empty((0, self.spec.dim), np.float32)
        if self._images is not None and isinstance(self.base, BundledEmbedder | TransformersEmbedder):
            some = [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
            return torch.cat([self._images(self.base.pixels(part)) for part in some]).numpy()
        vectors: FloatArray = self.head.video(torch.from_numpy(self.base.encode_frames(images))).numpy()
        return vectors

    @torch.inference_mode()
    def encode_clip(self, frame_vectors: FloatArray) -> FloatArray:
        """(F, D) -> (D,)."""
        if len(frame_vectors) == 0:
            raise ValueError("a clip without frames has no vector")
        frames = torch.from_numpy(np.asarray(frame_vectors, np.float32))[None]
        vector: FloatArray = self.head.clip(frames, torch.ones(1, len(frame_vectors), dtype=torch.bool))[0].numpy()
        return vector

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> FloatArray:
        """N texts -> (N, D)."""
        if not texts:
            return np.empty((0, self.spec.dim), np.float32)
        vectors: FloatArray = self.head.text(torch.from_numpy(self.base.encode_text(texts))).numpy()
        return vectors


def fine_tuned_spec(folder: Path, base: EmbedderSpec, *, name: str, revision: str) -> EmbedderSpec:
    """The weights' hash covers the base and the head; the preprocessing is the base's with the pooling."""
    config = json.loads((folder / "config.json").read_text())
    files = [file for file in (folder / HEAD_FILE, folder / IMAGE_FILE) if file.exists()]
    weights = hashlib.sha256(f"{base.weights_sha256} {files_sha256(files)}".encode()).hexdigest()
    preprocessing = hashlib.sha256(f"{base.preprocessing_hash} {config['pooling']}".encode()).hexdigest()
    return EmbedderSpec(
        role="semantic",
        name=name or folder.name,
        revision=revision,
        dim=int(config["dim"]),
        image_side=base.image_side,
        preprocessing_hash=preprocessing,
        weights_sha256=weights,
    )

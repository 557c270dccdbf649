"""The bundled semantic encoder: small towers of our own, so that search works where no hub is reachable.

Its folder holds image.safetensors, text.safetensors, tokenizer.json, config.json and the model card.
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
from tokenizers import Tokenizer
from transformers import BertConfig

from worker.embedders.base import EmbedderError, pool_clip
from worker.embedders.towers import ImageTower, TextTower, fuse_norms
from worker.embedders.weights import files_sha256, load_packed
from worker.types import ByteImage, EmbedderSpec, FloatArray

BATCH = 32


def squash(images: Sequence[ByteImage], side: int) -> torch.Tensor:
    """Images of any sizes -> (N, 3, side, side) float in [0, 1]; the whole picture is kept, its aspect is not."""
    out = torch.empty((len(images), 3, side, side))
    for i, image in enumerate(images):
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1).unsqueeze(0)
        # uint8 antialiased bilinear has a fast kernel; the model never sees more than 8 bits anyway.
        out[i] = F.interpolate(x, (side, side), mode="bilinear", antialias=True)[0].float().div_(255)
    return out.contiguous(memory_format=torch.channels_last)


class BundledEmbedder:
    """See ``worker.embedders.base.Embedder``."""

    def __init__(self, folder: Path) -> None:
        try:
            self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
            image_state = load_packed(folder / "image.safetensors")
            text_state = load_packed(folder / "text.safetensors")
            self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except (OSError, ValueError, SafetensorError) as error:
            raise EmbedderError(
                f"The bundled model in {folder} cannot be read ({error}). Install vsearch again."
            ) from error
        dim = int(self.config["dim"])
        self.image = ImageTower(dim, tuple(self.config["widths"]), tuple(self.config["blocks"])).eval()
        self.image.load_state_dict(image_state)
        fuse_norms(self.image.net)
        self.image = self.image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.text = TextTower(BertConfig(**self.config["bert"]), dim).eval()
        self.text.load_state_dict(text_state)
        self.max_length = int(self.config["max_length"])
        self.spec = bundled_spec(folder)

    def pixels(self, images: Sequence[ByteImage]) -> torch.Tensor:
        """N images -> (N, 3, S, S), what the image tower takes."""
        return squash(images, self.spec.image_side)

    @torch.inference_mode()
    def encode_frames(self, images: Sequence[ByteImage]) -> FloatArray:
        """N images -> (N, D)."""
        side = self.spec.image_side
        parts = [
            F.normalize(self.image(squash(images[i : i + BATCH], side)), dim=1).numpy()
            for i in range(0, len(images), BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.spec.dim), np.float32)

    def encode_clip(self, frame_vectors: FloatArray) -> FloatArray:
        """(F, D) -> (D,)."""
        return pool_clip(frame_vectors)

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> FloatArray:
        """N texts -> (N, D)."""
        if not texts:
            return np.empty((0, self.spec.dim), np.float32)
        self.tokenizer.enable_truncation(self.max_length)
        self.tokenizer.enable_padding()
        encoded = self.tokenizer.encode_batch(list(texts))
        ids = torch.tensor([e.ids for e in encoded])
        mask = torch.tensor([e.attention_mask for e in encoded])
        vectors: FloatArray = F.normalize(self.text(ids, mask), dim=1).numpy()
        return vectors


def bundled_spec(folder: Path) -> EmbedderSpec:
    """Reads config.json and hashes the weights; loads neither tower."""
    config = json.loads((folder / "config.json").read_text())
    preprocessing = json.dumps(
        {"side": config["image_side"], "resize": "squash-bilinear", "text": config["max_length"]}
    )
    return EmbedderSpec(
        role="semantic",
        name="bundled",
        revision=str(config["revision"]),
        dim=int(config["dim"]),
        image_side=int(config["image_side"]),
        preprocessing_hash=hashlib.sha256(preprocessing.encode()).hexdigest(),
        weights_sha256=files_sha256([folder / "image.safetensors", folder / "text.safetensors"]),
    )

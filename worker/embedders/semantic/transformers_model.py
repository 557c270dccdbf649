"""Any CLIP or SigLIP family model of transformers, from a local folder (the hub download is a step before).

Pictures are prepared from preprocessor_config.json with our own few lines instead of the library's image
processors: those of transformers 5 want torchvision, which has no CPU build to rely on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoTokenizer

from worker.embedders.base import EmbedderError, pool_clip
from worker.embedders.weights import files_sha256
from worker.types import ByteImage, EmbedderSpec, FloatArray

BATCH = 16
SIGLIP_TEXT_LENGTH = 64  # SigLIP models were trained on texts padded to 64 and are wrong with any other padding


@dataclass(frozen=True)
class Preprocessing:
    """side: edge of the square that goes in; crop: resize the short side and crop the centre, else squash."""

    side: int
    crop: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]


def read_preprocessing(folder: Path, default_side: int) -> Preprocessing:
    """From preprocessor_config.json (or processor_config.json); a model folder without one gets CLIP's values."""
    config: dict[str, Any] = {}
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).exists():
            config = json.loads((folder / name).read_text())
            config = config.get("image_processor", config)
            break
    size = config.get("crop_size") if config.get("do_center_crop") else config.get("size")
    side = size if isinstance(size, int) else (size or {}).get("height") or (size or {}).get("shortest_edge")
    return Preprocessing(
        side=int(side or default_side),
        crop=bool(config.get("do_center_crop", False)),
        mean=tuple(config.get("image_mean", (0.48145466, 0.4578275, 0.40821073))),
        std=tuple(config.get("image_std", (0.26862954, 0.26130258, 0.27577711))),
    )


def square(image: ByteImage, how: Preprocessing) -> Tensor:
    """(H, W, 3) uint8 -> (3, side, side) uint8."""
    x = torch.from_numpy(np.array(image)).permute(2, 0, 1).unsqueeze(0)
    if how.crop:
        height, width = x.shape[-2:]
        scale = how.side / min(height, width)
        size = (max(how.side, round(height * scale)), max(how.side, round(width * scale)))
        x = F.interpolate(x, size, mode="bicubic", antialias=True)
        top, left = (size[0] - how.side) // 2, (size[1] - how.side) // 2
        x = x[..., top : top + how.side, left : left + how.side]
    else:
        x = F.interpolate(x, (how.side, how.side), mode="bicubic", antialias=True)
    return x[0]


def normalise(pixels: Tensor, how: Preprocessing) -> Tensor:
    """(..., 3, side, side) uint8 -> the same as floats around zero."""
    mean = torch.tensor(how.mean, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(how.std, device=pixels.device).view(3, 1, 1)
    return (pixels.float() / 255 - mean) / std


def prepare(image: ByteImage, how: Preprocessing) -> Tensor:
    """(H, W, 3) uint8 -> (3, side, side) normalised float."""
    return normalise(square(image, how), how)


def embedding_of(output: Any) -> Tensor:
    """transformers 5 returns an output object with ``pooler_output``; older code and some models a tensor."""
    if isinstance(output, Tensor):
        return output
    pooled = getattr(output, "pooler_output", None)
    if isinstance(pooled, Tensor):
        return pooled
    raise EmbedderError(
        f"This model gives {type(output).__name__} instead of an embedding; choose a CLIP or SigLIP model."
    )


def _refuse_unsafe(folder: Path) -> list[Path]:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise EmbedderError(
            f"{folder} has no .safetensors weights. Pickled weights (.bin, .pt) can run code and are not loaded; "
            "choose a model that offers safetensors."
        )
    return weights


class TransformersEmbedder:
    """See ``worker.embedders.base.Embedder``. ``name`` is what people installed: the hub id or the folder."""

    def __init__(self, folder: Path, *, name: str = "", revision: str = "") -> None:
        weights = _refuse_unsafe(folder)
        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            self.model = AutoModel.from_pretrained(folder, use_safetensors=True, trust_remote_code=False)
            self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise EmbedderError(f"The model in {folder} cannot be loaded: {error}") from error
        if not hasattr(self.model, "get_text_features") or not hasattr(self.model, "get_image_features"):
            raise EmbedderError(
                f"{config.model_type} has no text and image towers in one space; choose a CLIP or SigLIP family model."
            )
        self.model = self.model.float().eval().to(self.device)
        self.siglip = "siglip" in config.model_type
        side = int(getattr(config.vision_config, "image_size", 224))
        self.preprocessing = read_preprocessing(folder, side)
        self.max_length = SIGLIP_TEXT_LENGTH if self.siglip else int(config.text_config.max_position_embeddings)
        digest = hashlib.sha256(repr((self.preprocessing, self.max_length, self.siglip)).encode()).hexdigest()
        self.spec = EmbedderSpec(
            role="semantic",
            name=name or folder.name,
            revision=revision,
            dim=self._dim(),
            image_side=self.preprocessing.side,
            preprocessing_hash=digest,
            weights_sha256=files_sha256(weights),
        )

    def _dim(self) -> int:
        side = self.preprocessing.side
        return int(self.encode_frames_tensor(torch.zeros(1, 3, side, side)).shape[1])

    def pixels(self, images: Sequence[ByteImage]) -> Tensor:
        """N images -> (N, 3, S, S), what the image tower takes."""
        return torch.stack([prepare(image, self.preprocessing) for image in images])

    @torch.inference_mode()
    def encode_frames_tensor(self, pixels: Tensor) -> Tensor:
        output = self.model.get_image_features(pixel_values=pixels.to(self.device))
        return F.normalize(embedding_of(output).float(), dim=1).cpu()

    def encode_frames(self, images: Sequence[ByteImage]) -> FloatArray:
        """N images -> (N, D)."""
        parts = [
            self.encode_frames_tensor(
                torch.stack([prepare(im, self.preprocessing) for im in images[i : i + BATCH]])
            ).numpy()
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
        padding = "max_length" if self.siglip else True
        tokens = self.tokenizer(
            list(texts), padding=padding, truncation=True, max_length=self.max_length, return_tensors="pt"
        )
        inputs = {"input_ids": tokens["input_ids"].to(self.device)}
        if not self.siglip:
            inputs["attention_mask"] = tokens["attention_mask"].to(self.device)
        vectors: FloatArray = (
            F.normalize(embedding_of(self.model.get_text_features(**inputs)).float(), dim=1).cpu().numpy()
        )
        return vectors

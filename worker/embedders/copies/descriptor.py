"""The copy descriptor: 128 numbers a frame that survive edits (crop, mirror, bars, logo, colour, re-encoding).

Trained without labels (worker/pretraining/copies/descriptor.py); see models/copy/README.md. Similarity is the inner
product. Subtract what a frame has in common with ``background()`` before comparing scores across queries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from worker.embedders.copies.borders import Borders, trim_borders
from worker.embedders.towers import ResidualNet, fuse_norms
from worker.types import ByteImage, EmbedderSpec, FloatArray

DIM = 128
SIDE = 96
WIDTHS = (32, 64, 160, 320)
BLOCKS = (1, 1, 2, 1)
BATCH = 64
REVISION = "2"
PREPROCESSING = f"static-bars-trimmed;squash-{SIDE};bilinear-antialias-uint8;mean-colour-and-contrast-removed"
WEIGHTS = Path(__file__).resolve().parents[3] / "models" / "copy" / "copy.safetensors"

Frames = NDArray[np.uint8] | Sequence[ByteImage]


def gem(x: Tensor) -> Tensor:
    """(B, C, h, w) non-negative -> (B, C): generalised mean with p = 3, between average and maximum."""
    return x.float().clamp(min=1e-4).pow(3).mean((2, 3)).pow(1 / 3)


def even_out(x: Tensor) -> Tensor:
    """Each picture minus its mean colour, over its contrast: brightness, tint and fades cannot matter then.

    The constant keeps the grain of a plain frame from being blown up.
    """
    x = x - x.mean((2, 3), keepdim=True)
    return x / (x.square().mean((1, 2, 3), keepdim=True).sqrt() + 0.02)


class CopyNet(nn.Module):
    """(B, 3, S, S) in [0, 1] -> (B, 128) unit rows.

    The last two stages are pooled: the finer one sees pictures that fill only a part of the frame. ``centre`` and
    ``rotation`` (centring and whitening, estimated after training) stay neutral until a release sets them.
    """

    centre: Tensor
    rotation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.net = ResidualNet(WIDTHS, BLOCKS)
        self.project = nn.Linear(WIDTHS[-2] + WIDTHS[-1], DIM)
        self.register_buffer("centre", torch.zeros(DIM), persistent=False)
        self.register_buffer("rotation", torch.eye(DIM), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        net = self.net
        finer = net.layers[: -BLOCKS[-1]](net.stem(even_out(x)))
        coarser = net.layers[-BLOCKS[-1] :](finer)
        z = F.normalize(self.project(torch.cat([gem(finer), gem(coarser)], 1)).float(), dim=1)
        return z if self.training else F.normalize((z - self.centre) @ self.rotation, dim=1)


def to_square(images: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, 96, 96) float in [0, 1], squashed so that nothing at the border is lost."""
    x = torch.from_numpy(np.require(images, requirements=["C", "W"])).permute(0, 3, 1, 2)
    if x.shape[-2:] != (SIDE, SIDE):
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
    return x.contiguous(memory_format=torch.channels_last).float().div_(255)


class CopyDescriptor:
    """The embedder of role ``copy``. Reads its weights at first use; safe to make and pass around before that."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self.weights = weights

    @cached_property
    def spec(self) -> EmbedderSpec:
        return EmbedderSpec(
            role="copy",
            name="bundled-copy",
            revision=REVISION,
            dim=DIM,
            image_side=SIDE,
            preprocessing_hash=hashlib.sha256(PREPROCESSING.encode()).hexdigest()[:16],
            weights_sha256=hashlib.sha256(self._read()).hexdigest(),
        )

    def _read(self) -> bytes:
        if not self.weights.is_file():
            raise FileNotFoundError(
                f"The copy descriptor's weights are missing: {self.weights}. They are part of the repository; "
                "run `git checkout -- models/copy` to get them back."
            )
        return self.weights.read_bytes()

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        self._read()
        return load_file(self.weights)

    @cached_property
    def _net(self) -> CopyNet:
        net = CopyNet()
        learned = {k.removeprefix("net."): v for k, v in self._tensors.items() if k.startswith("net.")}
        net.load_state_dict(learned)
        net.centre, net.rotation = self._tensors["centre"], self._tensors["rotation"]
        fuse_norms(net.eval().net)
        net.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return net

    def background(self) -> FloatArray:
        """(B, 128) unit descriptors of unrelated pictures, for score normalisation."""
        vectors = F.normalize(self._tensors["background"].float(), dim=1)
        return np.asarray(vectors.numpy(), dtype=np.float32)

    def encode_frames(self, images: Frames, borders: Borders | None = None) -> FloatArray:
        """Frames of one video, (N, H, W, 3) uint8 or N pictures of any sizes -> (N, 128) float32 unit rows, in order.

        Static bars are trimmed. A caller that streams a long video passes the ``borders`` of the whole video
        (``find_borders`` on frames spread over it), so that every part is cut alike; otherwise those of the frames
        given are used. Raises ValueError for anything that is not 8-bit RGB.
        """
        _check(images)
        if borders is None:
            images = trim_borders(images)
        elif isinstance(images, np.ndarray):
            images = borders.crop(images)
        else:
            images = [borders.crop(image) for image in images]
        out = np.empty((len(images), DIM), np.float32)
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            if isinstance(part, np.ndarray):
                x = to_square(part)
            else:
                x = torch.cat([to_square(image[None]) for image in part])
            out[start : start + len(part)] = self.encode_squares(x)
        return out

    def encode_squares(self, squares: Tensor) -> FloatArray:
        """(N, 3, 96, 96) in [0, 1], as ``to_square`` gives them -> (N, 128) float32 unit rows; nothing is trimmed."""
        out = np.empty((len(squares), DIM), np.float32)
        with torch.inference_mode():
            for start in range(0, len(squares), BATCH):
                out[start : start + BATCH] = self._net(squares[start : start + BATCH]).numpy()
        return out


def _check(images: Frames) -> None:
    """Raise ValueError unless ``images`` are 8-bit RGB pictures with at least one pixel."""
    for image in [images] if isinstance(images, np.ndarray) else images:
        wanted = 4 if image is images else 3
        if image.dtype != np.uint8 or image.ndim != wanted or image.shape[-1] != 3 or 0 in image.shape[-3:-1]:
            raise ValueError(f"frames must be (H, W, 3) 8-bit RGB pictures, not {image.shape} {image.dtype}")

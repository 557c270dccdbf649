"""MAC features: what each channel of a backbone's intermediate layers answers at most, anywhere in the picture.

Per-channel maximum over every stage's map, concatenated, averaged over a video's frames, zero mean, unit length
(Kordopatis-Zilos et al. 2017, "Near-Duplicate Video Retrieval with Deep Metric Learning").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from worker.embedders.semantic.bundled import BundledEmbedder, squash
from worker.embedders.towers import ResidualNet
from worker.types import ByteImage, FloatArray

BATCH = 32
SIDE = 96  # a maximum over places needs less detail than the tower's own 144 pixels, at less than half the cost

MacSource = Callable[[Sequence[ByteImage]], FloatArray]


def mac(maps: Sequence[Tensor]) -> Tensor:
    """Maps (B, C_l, h_l, w_l) of any sizes -> (B, sum of C_l), the maximum of every channel."""
    if not maps:
        raise ValueError("MAC features need at least one map")
    return torch.cat([m.float().amax((2, 3)) for m in maps], 1)


def stage_maps(net: ResidualNet, x: Tensor) -> list[Tensor]:
    """(B, 3, S, S) in [0, 1] -> the map at the end of every stage; a stage ends where the next block is wider."""
    blocks = list(net.layers)
    widths = [block.conv2.out_channels for block in blocks]
    x = net.stem((x - net.mean) / net.std)  # type: ignore[operator]
    maps: list[Tensor] = []
    for i, block in enumerate(blocks):
        x = block(x)
        if i + 1 == len(blocks) or widths[i + 1] != widths[i]:
            maps.append(x)
    return maps


def semantic_mac(embedder: BundledEmbedder, side: int = SIDE) -> MacSource:
    """N frames -> (N, 960): the 64 + 128 + 256 + 512 channels of the bundled image tower, at ``side`` pixels."""
    net = embedder.image.net

    def features(images: Sequence[ByteImage]) -> FloatArray:
        parts: list[FloatArray] = []
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                maps = stage_maps(net, squash(images[start : start + BATCH], side))
                parts.append(np.asarray(mac(maps).numpy(), dtype=np.float32))
        return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)

    return features


def normalised(pooled: FloatArray) -> FloatArray:
    """(V, C) frame averages of V videos -> (V, C): zero mean over the channels, unit length."""
    centred = pooled - pooled.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9), dtype=np.float32)

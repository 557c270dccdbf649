"""MAC features: what each channel of a backbone's intermediate layers answers at most, anywhere in the picture.

Per-channel maximum over every stage's map, concatenated, averaged over a video's frames, zero mean, unit length
(Kordopatis-Zilos et al. 2017, "Near-Duplicate Video Retrieval with Deep Metric Learning"). Works on any list of maps;
``semantic_mac`` and ``copy_mac`` take those of our own networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from worker.embedders.copies.descriptor import CopyNet, even_out
from worker.embedders.semantic.bundled import BundledEmbedder, squash
from worker.embedders.towers import ResidualBlock, ResidualNet
from worker.types import ByteImage, FloatArray

BATCH = 32
SIDE = 96  # a maximum over places needs less detail than the tower's own 144 pixels, at less than half the cost

MacSource = Callable[[Sequence[ByteImage]], FloatArray]


def mac(maps: Sequence[Tensor]) -> Tensor:
    """Maps (B, C_l, h_l, w_l) of any sizes -> (B, sum of C_l), the maximum of every channel."""
    if not maps:
        raise ValueError("MAC features need at least one map")
    return torch.cat([m.float().amax((2, 3)) for m in maps], 1)


def stage_maps(stem: Callable[[Tensor], Tensor], layers: nn.Sequential, x: Tensor) -> list[Tensor]:
    """The map at the end of every stage of a residual network; a stage ends where the next block is wider."""
    blocks = list(layers)
    if not all(isinstance(block, ResidualBlock) for block in blocks):
        raise TypeError("stage_maps takes a sequence of residual blocks")
    widths = [block.conv2.out_channels for block in blocks]
    x = stem(x)
    maps: list[Tensor] = []
    for i, block in enumerate(blocks):
        x = block(x)
        if i + 1 == len(blocks) or widths[i + 1] != widths[i]:
            maps.append(x)
    return maps


def residual_maps(net: ResidualNet, x: Tensor) -> list[Tensor]:
    """(B, 3, S, S) in [0, 1] -> one map a stage, of a network that removes the usual mean colour itself."""
    return stage_maps(net.stem, net.layers, (x - net.mean) / net.std)  # type: ignore[operator]


def copy_maps(net: CopyNet, x: Tensor) -> list[Tensor]:
    """(B, 3, S, S) in [0, 1] -> one map a stage of the copy descriptor's network."""
    return stage_maps(net.net.stem, net.net.layers, even_out(x))


def _in_batches(maps: Callable[[Tensor], list[Tensor]], side: int, images: Sequence[ByteImage]) -> FloatArray:
    parts: list[FloatArray] = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            pixels = squash(images[start : start + BATCH], side)
            parts.append(np.asarray(mac(maps(pixels)).numpy(), dtype=np.float32))
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def semantic_mac(embedder: BundledEmbedder, side: int = SIDE) -> MacSource:
    """N frames -> (N, 960): the 64 + 128 + 256 + 512 channels of the bundled image tower, at ``side`` pixels."""
    net = embedder.image.net
    return lambda images: _in_batches(lambda x: residual_maps(net, x), side, images)


def copy_mac(net: CopyNet, side: int) -> MacSource:
    """N frames -> (N, sum of widths), of the copy descriptor's network at ``side`` pixels."""
    net.eval()
    return lambda images: _in_batches(lambda x: copy_maps(net, x), side, images)


def video_mac(frames: FloatArray) -> FloatArray:
    """(F, C) MAC features of one video's frames -> (C,): their mean, minus its own mean over channels, unit length.

    A vector without any variation stays zero. Raises ValueError for a video without frames.
    """
    if len(frames) == 0:
        raise ValueError("a video without frames has no MAC feature")
    return normalised(np.asarray(frames, dtype=np.float32).mean(0, keepdims=True))[0]


def normalised(pooled: FloatArray) -> FloatArray:
    """(V, C) frame averages of V videos -> (V, C): zero mean over the channels, unit length."""
    centred = pooled - pooled.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9), dtype=np.float32)

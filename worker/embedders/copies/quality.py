"""Frames that say too little must not vote: black, plain, nearly faded. Numpy only.

The measure is PDQ's: how much the brightness of a 64 x 64 picture changes from pixel to pixel. Changes below one
per cent of full range count nothing, so the grain of a black frame does not look like content.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worker.types import ByteImage, FloatArray

MIN_VOTERS, FEW_SHARE = 3, 0.1
EMPTY_QUALITY = 0.02  # black and plain frames lie below
MIN_QUALITY = 0.25  # frames below it are left out of votes and of the index
GRID = 64
CHUNK = 64
FULL_GRADIENT = 9000.0  # PDQ: 100 points for a summed gradient of 9,000 per cent steps
FULL_CONTRAST = 10.0  # standard deviation of brightness (of 255) from which contrast costs nothing
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def _small_luma(images: NDArray[np.uint8]) -> FloatArray:
    """(N, H, W, 3) -> (N, h, w) brightness 0..255, h and w at most 64: means of the pixels under each cell."""
    step = max(1, min(images.shape[1:3]) // (2 * GRID))  # two samples a cell and direction are enough
    images = images[:, ::step, ::step]
    _, height, width, _ = images.shape
    rows = np.unique(np.linspace(0, height, GRID, endpoint=False).astype(np.int64))
    columns = np.unique(np.linspace(0, width, GRID, endpoint=False).astype(np.int64))
    sums = np.add.reduceat(np.add.reduceat(images, rows, axis=1, dtype=np.uint32), columns, axis=2)
    area = np.diff(np.append(rows, height))[:, None] * np.diff(np.append(columns, width))[None, :]
    luma: FloatArray = (sums @ LUMA / area).astype(np.float32)
    return luma


def _quality(images: NDArray[np.uint8]) -> FloatArray:
    luma = _small_luma(images)
    _, height, width = luma.shape
    steps = luma * (100.0 / 255.0)
    down = np.floor(np.abs(np.diff(steps, axis=1))).sum((1, 2))
    across = np.floor(np.abs(np.diff(steps, axis=2))).sum((1, 2))
    pairs = (height - 1) * width + height * (width - 1)
    gradient = (down + across) * (2 * GRID * (GRID - 1) / max(pairs, 1))  # as if the grid were 64 x 64
    contrast = luma.std((1, 2)) / FULL_CONTRAST
    quality: FloatArray = (np.clip(gradient / FULL_GRADIENT, 0, 1) * np.clip(contrast, 0, 1)).astype(np.float32)
    return quality


def frame_quality(images: NDArray[np.uint8] | Sequence[ByteImage]) -> FloatArray:
    """(N, H, W, 3) uint8, or N pictures of any sizes -> (N,) from 0 (nothing to recognise) to 1.

    Raises ValueError for anything that is not 8-bit RGB.
    """
    if isinstance(images, np.ndarray):
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"frames must be (N, H, W, 3) uint8, not {images.shape} {images.dtype}")
        parts = [_quality(images[i : i + CHUNK]) for i in range(0, len(images), CHUNK)]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)
    return np.concatenate([frame_quality(np.asarray(image)[None]) for image in images] or [np.empty(0, np.float32)])


def informative_frames(quality: list[float]) -> list[bool]:
    """Which frames may vote. Where hardly any reaches MIN_QUALITY (a bird in a clear sky), all that are not empty
    vote instead: a video without votes could never be found, and which half of such frames is the better one changes
    with every edit."""
    good = [q >= MIN_QUALITY for q in quality]
    if sum(good) >= max(MIN_VOTERS, FEW_SHARE * len(quality)):
        return good
    return [q >= EMPTY_QUALITY for q in quality]

"""PDQ: a 256-bit hash of a picture's coarse brightness, the exact tier of copy search. Numpy only.

Written after the published description ("The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm",
Facebook 2019): brightness, two passes of a box filter, 64 x 64 samples, the first 16 x 16 cosine waves without the
constant ones, above or below their median. Filter and sampling are linear and separable, so each side of the picture
needs one matrix, and a batch of frames two matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from worker.types import ByteImage, FloatArray

BITS = 256
BYTES = BITS // 8
GRID = 64
WAVES = 16
MIN_QUALITY = 50  # of 100; the published advice is not to match hashes below it
CHUNK = 32
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
DIHEDRAL = (
    "original", "turned 90", "turned 180", "turned 270", "upside down", "mirrored", "transposed", "anti-transposed",
)  # fmt: skip

Hashes = NDArray[np.uint8]
Distances = NDArray[np.int64]


def _box(length: int, window: int) -> NDArray[np.float64]:
    """(length, length): mean over ``window`` neighbours, one more after than before if even, cut at the ends."""
    place = np.arange(length)
    after = (window + 2) // 2 - 1
    before = window - 1 - after
    offset = place[None, :] - place[:, None]
    inside = (offset <= after) & (offset >= -before)
    return inside / inside.sum(1, keepdims=True)


@lru_cache(maxsize=64)
def _sampling(length: int) -> FloatArray:
    """(64, length): both passes of the box filter along a side of ``length`` pixels, then 64 samples of it."""
    window = (length + 2 * GRID - 1) // (2 * GRID)
    box = _box(length, window)
    picked = ((np.arange(GRID) + 0.5) * length / GRID).astype(np.int64)
    return np.ascontiguousarray(box[picked] @ box, dtype=np.float32)


def _cosines() -> FloatArray:
    """(16, 64): the cosine waves 1 to 16 (the constant one says only how bright the picture is)."""
    wave, place = np.arange(1, WAVES + 1)[:, None], np.arange(GRID)[None]
    return np.asarray(np.sqrt(2 / GRID) * np.cos(np.pi / (2 * GRID) * wave * (2 * place + 1)), dtype=np.float32)


COSINES = _cosines()


def _grid(images: NDArray[np.uint8]) -> FloatArray:
    """(N, H, W, 3) uint8 -> (N, 64, 64) smoothed brightness, 0..255."""
    count, height, width, _ = images.shape
    luma = (images.reshape(-1, 3).astype(np.float32) @ LUMA).reshape(count, height, width)
    if (height, width) == (GRID, GRID):
        return luma
    return np.asarray(_sampling(height) @ luma @ _sampling(width).T, dtype=np.float32)


def _quality(grid: FloatArray) -> NDArray[np.uint8]:
    """(N, 64, 64) -> (N,) 0..100: summed steps between neighbours in whole per cent, 9,000 of them and more are 100."""
    down = np.abs(np.trunc(np.diff(grid, axis=1) * np.float32(100 / 255))).sum((1, 2))
    across = np.abs(np.trunc(np.diff(grid, axis=2) * np.float32(100 / 255))).sum((1, 2))
    return np.asarray(np.minimum((down + across) // 90, 100), dtype=np.uint8)


def _bits(waves: FloatArray) -> Hashes:
    """(..., 16, 16) -> (..., 32): above the lower median of the 256, the highest wave in the first bit."""
    flat = waves.reshape(*waves.shape[:-2], BITS)
    median = np.partition(flat, BITS // 2 - 1, axis=-1)[..., BITS // 2 - 1 : BITS // 2]
    return np.packbits((flat > median)[..., ::-1], axis=-1)


def _turned(waves: FloatArray) -> FloatArray:
    """(N, 16, 16) -> (N, 8, 16, 16) waves of the picture turned and mirrored, in the order of DIHEDRAL.

    Mirroring a picture changes the sign of its odd waves; transposing it transposes them.
    """
    odd = np.where(np.arange(WAVES) % 2 == 0, -1, 1).astype(waves.dtype)  # entry 0 is wave 1
    rows, columns = odd[:, None], odd[None, :]
    flipped = np.swapaxes(waves, 1, 2)
    return np.stack(
        [
            waves, flipped * rows, waves * rows * columns, flipped * columns,
            waves * rows, waves * columns, flipped, flipped * rows * columns,
        ],
        axis=1,
    )  # fmt: skip


def _waves(images: NDArray[np.uint8]) -> tuple[FloatArray, NDArray[np.uint8]]:
    grid = _grid(images)
    return np.asarray(COSINES @ grid @ COSINES.T, dtype=np.float32), _quality(grid)


def _by_shape(images: NDArray[np.uint8] | Sequence[ByteImage]) -> list[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Batches of equally large pictures with their places in the input. Raises ValueError for anything else."""
    if isinstance(images, np.ndarray):
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape[1:]:
            raise ValueError(f"frames must be (N, H, W, 3) 8-bit RGB, not {images.shape} {images.dtype}")
        places = np.arange(len(images))
        return [(places[i : i + CHUNK], images[i : i + CHUNK]) for i in range(0, len(images), CHUNK)]
    sizes: dict[tuple[int, ...], list[int]] = {}
    for i, image in enumerate(images):
        sizes.setdefault(image.shape, []).append(i)
    batches = []
    for alike in sizes.values():
        for start in range(0, len(alike), CHUNK):
            part = np.array(alike[start : start + CHUNK])
            batches += [(part[found], frames) for found, frames in _by_shape(np.stack([images[i] for i in part]))]
    return batches


def pdq_hashes(images: NDArray[np.uint8] | Sequence[ByteImage]) -> tuple[Hashes, NDArray[np.uint8]]:
    """(N, H, W, 3) uint8, or N RGB pictures of any sizes -> hashes (N, 32) uint8 and quality (N,) 0..100.

    Bytes are in the order of the published hexadecimal form.
    """
    hashes = np.zeros((len(images), BYTES), np.uint8)
    quality = np.zeros(len(images), np.uint8)
    for places, batch in _by_shape(images):
        waves, quality[places] = _waves(batch)
        hashes[places] = _bits(waves)
    return hashes, quality


def dihedral_hashes(images: NDArray[np.uint8] | Sequence[ByteImage]) -> tuple[Hashes, NDArray[np.uint8]]:
    """As ``pdq_hashes`` for the eight turned and mirrored forms of each picture, (N, 8, 32), named by DIHEDRAL."""
    hashes = np.zeros((len(images), len(DIHEDRAL), BYTES), np.uint8)
    quality = np.zeros(len(images), np.uint8)
    for places, batch in _by_shape(images):
        waves, quality[places] = _waves(batch)
        hashes[places] = _bits(_turned(waves))
    return hashes, quality


def hamming(a: Hashes, b: Hashes) -> Distances:
    """(N, 32), (M, 32) -> (N, M) bits that differ."""
    left = np.ascontiguousarray(a, dtype=np.uint8).view(np.uint64)
    right = np.ascontiguousarray(b, dtype=np.uint8).view(np.uint64)
    out = np.zeros((len(left), len(right)), np.int64)
    for word in range(left.shape[1]):
        out += np.bitwise_count(left[:, word, None] ^ right[None, :, word])
    return out

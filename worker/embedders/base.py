"""The Embedder seam: what every encoder of frames, clips and texts offers.

Output is float32, unit norm, in the order and length of the input. A zero-length input gives a (0, D) array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from worker.types import ByteImage, EmbedderSpec, FloatArray


class EmbedderError(Exception):
    """The model cannot be loaded or used; the message says what to do."""


class Embedder(Protocol):
    """A semantic encoder: frames and texts land in one space."""

    @property
    def spec(self) -> EmbedderSpec: ...

    def encode_frames(self, images: Sequence[ByteImage]) -> FloatArray:
        """N images (H, W, 3) uint8 of any sizes -> (N, D)."""
        ...

    def encode_clip(self, frame_vectors: FloatArray) -> FloatArray:
        """(F, D) vectors of one clip's frames in time order, at least one -> (D,).

        Clips overlap, so frames are encoded once and pooled as often as they are needed.
        """
        ...

    def encode_text(self, texts: Sequence[str]) -> FloatArray:
        """N texts -> (N, D)."""
        ...


def unit(vectors: np.ndarray) -> FloatArray:
    """Rows (N, D) scaled to length one; a zero row stays zero."""
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.maximum(norm, 1e-12)).astype(np.float32)


def pool_clip(frame_vectors: np.ndarray) -> FloatArray:
    """(F, D) unit frame vectors of one clip -> (D,): their mean, normalised again (CLIP4Clip's mean pooling)."""
    if len(frame_vectors) == 0:
        raise ValueError("a clip without frames has no vector")
    return unit(frame_vectors.mean(0, keepdims=True))[0]

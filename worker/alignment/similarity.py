"""Similarity matrices of two descriptor sequences, and the normalisation that makes their scores comparable.

All vectors are unit norm float32; a similarity is a cosine in [-1, 1] until a background penalty is subtracted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from worker.types import Descriptors, FloatArray

BACKGROUND_BETA = 1.0  # published range 1.0-1.2
BACKGROUND_NEAREST = 1  # how many nearest background vectors are averaged


def _checked(vectors: ArrayLike, name: str) -> FloatArray:
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2:
        raise ValueError(f"{name} must have the shape (count, dimension), not {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contain NaN or infinity; compute these descriptors again")
    return array


def unit(vectors: ArrayLike) -> FloatArray:
    """Rows scaled to length one; (N, D) -> (N, D). An all-zero row stays zero and so resembles nothing."""
    array = _checked(vectors, "vectors")
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    return np.asarray(np.divide(array, norms, out=np.zeros_like(array), where=norms > 1e-12), dtype=np.float32)


def similarity_matrix(query: ArrayLike, reference: ArrayLike) -> FloatArray:
    """Cosine of every query row with every reference row: (N, D), (M, D) unit vectors -> (N, M) float32."""
    left, right = _checked(query, "query vectors"), _checked(reference, "reference vectors")
    if left.shape[1] != right.shape[1]:
        raise ValueError(
            f"query vectors have {left.shape[1]} dimensions and reference vectors {right.shape[1]}: "
            "they come from different descriptors and cannot be compared"
        )
    return np.asarray(left @ right.T, dtype=np.float32)


def background_penalty(
    vectors: ArrayLike, background: ArrayLike, beta: float = BACKGROUND_BETA, nearest: int = BACKGROUND_NEAREST
) -> FloatArray:
    """beta x mean similarity to the nearest background vectors; (N, D), (B, D) -> (N,). Never negative.

    A frame that resembles unrelated footage (a plain wall, a test card) loses that much of every score.
    """
    if len(np.asarray(background)) == 0:
        return np.zeros(len(np.asarray(vectors)), dtype=np.float32)
    scores = similarity_matrix(vectors, background)
    count = max(1, min(nearest, scores.shape[1]))
    top = np.partition(scores, scores.shape[1] - count, axis=1)[:, -count:]
    return np.asarray(np.maximum(beta * top.mean(axis=1), 0.0), dtype=np.float32)


def with_penalties(found: Descriptors, background: FloatArray) -> Descriptors:
    """The same descriptors with the background penalty of every frame in every look; without a background as given."""
    if not len(background):
        return found
    views = tuple(replace(view, penalty=background_penalty(view.vectors, background)) for view in found.views)
    return replace(found, views=views, penalty=background_penalty(found.vectors, background))


def normalise_scores(scores: FloatArray, query_penalty: FloatArray, reference_penalty: FloatArray) -> FloatArray:
    """Scores (N, M) less the mean of both sides' penalties, (N,) and (M,).

    The result for (query, reference) is the transpose of the one for (reference, query).
    """
    return np.asarray(scores - 0.5 * (query_penalty[:, None] + reference_penalty[None, :]), dtype=np.float32)

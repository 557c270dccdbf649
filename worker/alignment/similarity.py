"""Similarity matrices of two descriptor sequences, and the normalisation that makes their scores comparable.

All vectors are unit norm float32; a similarity is a cosine in [-1, 1] until a background penalty is subtracted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worker.types import Descriptors, FloatArray

BACKGROUND_BETA = 1.0  # published range 1.0-1.2
BACKGROUND_NEAREST = 1  # how many nearest background vectors are averaged
MIN_FRAME_QUALITY = 0.1  # on the 0..1 scale of the copy descriptor's frame quality


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


def centre(vectors: ArrayLike, background: ArrayLike) -> FloatArray:
    """Subtract the mean of the background set, (B, D), and scale to length one again; (N, D) -> (N, D)."""
    array, ground = _checked(vectors, "vectors"), _checked(background, "background vectors")
    if len(ground) == 0:
        raise ValueError("centring needs at least one background vector")
    return unit(array - ground.mean(axis=0, keepdims=True, dtype=np.float32))


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


def normalise_scores(
    scores: FloatArray, query_penalty: FloatArray, reference_penalty: FloatArray | None = None
) -> FloatArray:
    """Subtract the penalty of the query rows or, where both sides are given, the mean of both sides' penalties.

    With both sides given the result for (query, reference) is the transpose of the one for (reference, query).
    """
    if reference_penalty is None:
        return np.asarray(scores - query_penalty[:, None], dtype=np.float32)
    return np.asarray(scores - 0.5 * (query_penalty[:, None] + reference_penalty[None, :]), dtype=np.float32)


def append_penalty(vectors: ArrayLike, penalty: ArrayLike | None = None) -> FloatArray:
    """(N, D) -> (N, D + 1) so that a plain inner product yields the normalised score.

    Query side: pass its penalty, and the extra column is ``-penalty``. Reference side: pass none, and it is 1.
    """
    array = _checked(vectors, "vectors")
    column = np.ones(len(array), np.float32) if penalty is None else -np.asarray(penalty, dtype=np.float32)
    return np.concatenate([array, column[:, None]], axis=1)


def information_mask(quality: ArrayLike, minimum: float = MIN_FRAME_QUALITY) -> NDArray[np.bool_]:
    """True where a frame carries enough information to vote; quality (N,) in 0..1. NaN counts as no information."""
    values = np.asarray(quality, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"frame quality must be one number a frame, not of shape {values.shape}")
    return np.asarray(values >= minimum)

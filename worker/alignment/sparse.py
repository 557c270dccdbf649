"""Key frames spread over an even grid, so that every aligner works on them unchanged.

A video kept as key frames says with ``spans`` which seconds each frame stands for. Where two spans touch and their
frames resemble each other, the camera moved on between them, and a grid point in between gets the blend of both; at a
cut each grid point gets the frame whose span it lies in. Grid points outside every span are uninformative.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from worker.types import Descriptors, FloatArray, View

GRID_SECONDS = 1.0
JOINED_SIMILARITY = 0.5  # neighbouring key frames at least this alike are two looks at one moving scene
TOUCHING_SECONDS = 0.05
SHORT_SECONDS, SHORT_GRID = 60.0, 0.5  # shorter videos are sampled twice a second, see worker.media.decode.sampler

Times = NDArray[np.float64]
Indices = NDArray[np.int64]


def grid(duration: float, step: float | None = None) -> Times:
    """(G,) seconds from 0 to below ``duration``; one point at least."""
    step = step or (SHORT_GRID if duration < SHORT_SECONDS else GRID_SECONDS)
    return np.arange(max(1, int(np.ceil(duration / step - 1e-6))), dtype=np.float64) * step


def joined(vectors: FloatArray, spans: Times) -> NDArray[np.bool_]:
    """(N - 1,) whether a key frame and the next show one scene that moved on. vectors (N, D), spans (N, 2)."""
    alike = np.einsum("nd,nd->n", vectors[:-1], vectors[1:]) >= JOINED_SIMILARITY
    return np.asarray(alike & (spans[1:, 0] - spans[:-1, 1] <= TOUCHING_SECONDS))


def sources(moments: Times, times: Times, spans: Times, joins: NDArray[np.bool_]) -> tuple[Indices, Indices, Times]:
    """For every moment the two key frames that it is blended of and the share of the second one.

    The share runs from 0 at the first frame's time over 0.5 at the border of the spans to 1 at the second's.
    """
    last = len(times) - 1
    own = np.clip(np.searchsorted(spans[:, 0], moments + 1e-9, side="right") - 1, 0, last)
    after = moments >= times[own]
    first = np.where(after, own, np.maximum(own - 1, 0))
    second = np.where(after, np.minimum(own + 1, last), own)
    apart = second > first
    blended = np.zeros(len(moments), dtype=np.bool_)
    blended[apart] = joins[first[apart]]
    border = 0.5 * (spans[first, 1] + spans[second, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        before = 0.5 * (moments - times[first]) / (border - times[first])
        behind = 0.5 + 0.5 * (moments - border) / (times[second] - border)
    share = np.clip(np.nan_to_num(np.where(moments < border, before, behind), nan=0.5), 0.0, 1.0)
    return np.where(blended, first, own), np.where(blended, second, own), np.where(blended, share, 0.0)


def blend(vectors: FloatArray, first: Indices, second: Indices, share: Times) -> FloatArray:
    """(G, D) unit rows: (1 - share) of the one and share of the other."""
    part = share[:, None].astype(np.float32)
    mixed = vectors[first] * (1 - part) + vectors[second] * part
    norms = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.asarray(mixed / np.maximum(norms, 1e-9), dtype=np.float32)


def expand(descriptors: Descriptors, step: float | None = None) -> Descriptors:
    """The same video on an even grid (1 s; 0.5 s under a minute); one without ``spans`` comes back as it is."""
    spans = descriptors.spans
    if spans is None or not len(descriptors.times):
        return descriptors
    times = descriptors.times
    if spans.shape != (len(times), 2):
        raise ValueError(f"{len(times)} key frames need spans of the shape ({len(times)}, 2), not {spans.shape}")
    moments = grid(descriptors.duration, step)
    first, second, share = sources(moments, times, spans, joined(descriptors.vectors, spans))
    nearer = np.where(share > 0.5, second, first)
    reached = (moments >= spans[nearer, 0] - TOUCHING_SECONDS) & (moments <= spans[nearer, 1] + TOUCHING_SECONDS)
    penalty = descriptors.penalty
    return replace(
        descriptors,
        vectors=blend(descriptors.vectors, first, second, share),
        times=moments,
        informative=np.asarray(reached & descriptors.informative[nearer]),
        views=tuple(_spread(view, nearer) for view in descriptors.views),
        penalty=None if penalty is None else np.asarray(penalty[first] * (1 - share) + penalty[second] * share, "f4"),
        hashes=None if descriptors.hashes is None else descriptors.hashes[nearer],
        spans=None,
    )


def _spread(view: View, nearer: Indices) -> View:
    """A view of key frames as a view of the grid: each grid point shows the view of its key frame."""
    where = np.full(int(max(view.rows.max(initial=-1), nearer.max(initial=-1))) + 1, -1, dtype=np.int64)
    where[view.rows] = np.arange(len(view.rows))
    rows = np.flatnonzero(where[nearer] >= 0)
    picked = where[nearer[rows]]
    penalty = None if view.penalty is None else view.penalty[picked]
    return replace(view, rows=rows, vectors=view.vectors[picked], penalty=penalty)

"""A similarity matrix small enough to look at: the best similarity of each cell, in every look that matched."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from worker.alignment.similarity import similarity_matrix
from worker.types import Descriptors, FloatArray, View

SIDE = 300  # cells at most, across and down
MAX_FRAMES = 3000  # of a longer video as many are taken, evenly: 9 million pairs cost a fraction of a second
DARK, BRIGHT = 0.2, 1.0  # cosines that become 0 and 255


def similarity_picture(
    query: Descriptors, reference: Descriptors, *, looks: Collection[str] = ("whole",), side: int = SIDE
) -> NDArray[np.uint8]:
    """(H, W) uint8, H and W at most ``side``: time of the query runs to the right, of the reference downwards.

    A cell holds the best similarity of the frames in it, over the whole frames and the other ``looks`` (kinds of
    View). Frames without information stay dark. One frame or none on a side gives a picture of one row or column.
    """
    # The whole frames are always among the pairs, and all of them have the same cells.
    best = np.maximum.reduce([_pooled(query, reference, *pair, side) for pair in _pairs(query, reference, looks)])
    shade = np.clip((best - DARK) / (BRIGHT - DARK), 0.0, 1.0)
    return np.asarray(np.rint(255 * shade), dtype=np.uint8)


def _pairs(query: Descriptors, reference: Descriptors, looks: Collection[str]) -> list[tuple[View, View]]:
    wanted = {"whole", *looks}
    pairs = [(mine, reference.looks()[0]) for mine in query.looks() if mine.kind in wanted]
    pairs += [(query.looks()[0], theirs) for theirs in reference.views if theirs.kind in wanted]
    return pairs


def _pooled(query: Descriptors, reference: Descriptors, mine: View, theirs: View, side: int) -> FloatArray:
    """(H, W) the best similarity of each cell; -1 where a cell has no informative pair of frames."""
    across, down = _edges(query, side), _edges(reference, side)
    blank = np.full((max(len(down), 1), max(len(across), 1)), -1.0, np.float32)
    q, r = _thinned(mine), _thinned(theirs)
    if not len(q) or not len(r):
        return blank
    q_rows, r_rows = mine.rows[q], theirs.rows[r]
    scores = similarity_matrix(theirs.vectors[r], mine.vectors[q])
    live = reference.informative[r_rows][:, None] & query.informative[q_rows][None, :]
    scores = np.where(live, scores, np.float32(-1.0))
    columns = np.maximum.reduceat(scores, _firsts(query.times[q_rows], across), axis=1)
    return np.asarray(np.maximum.reduceat(columns, _firsts(reference.times[r_rows], down), axis=0), dtype=np.float32)


def _thinned(look: View) -> NDArray[np.int64]:
    count = len(look.rows)
    if count <= MAX_FRAMES:
        return np.arange(count)
    return np.linspace(0, count - 1, MAX_FRAMES).astype(np.int64)


def _edges(side: Descriptors, cells: int) -> NDArray[np.float64]:
    """Where each cell begins, in seconds; not more cells than frames."""
    count = min(cells, len(side.times))
    return np.arange(count, dtype=np.float64) * np.float64(side.duration / max(count, 1))


def _firsts(times: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first frame of each cell; a cell without one shows the next frame, the last cells the last one."""
    return np.minimum(np.searchsorted(times, edges - 1e-9), len(times) - 1)

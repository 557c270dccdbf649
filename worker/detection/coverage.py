"""Which few frames stand best for a whole video, and which seconds each of them stands for. Pure numpy.

The cost of a choice is the similarity that is lost when the video is rebuilt from the kept frames as
``worker.alignment.sparse`` does it, in seconds times (1 - cosine), plus a price for every kept frame. The best choice
is found exactly by dynamic programming over neighbouring kept frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment.sparse import JOINED_SIMILARITY
from worker.types import FloatArray

REACH = 64  # frames from one kept frame to the next at most
LONGEST_DWELL = 2.0  # seconds that one frame can count for
PRICE_ROUNDS = 14

Times = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Costs:
    """Of N frames: ``between`` (N, W) from frame k - 1 - w to frame k, ``head`` (N,) of all before frame k, ``tail``
    (N,) of all after it; infinite where that is out of reach."""

    between: Times
    head: Times
    tail: Times


def dwell(times: Times, duration: float) -> Times:
    """(N,) seconds that each frame stands for when all are kept; a gap of uninformative frames adds nothing."""
    borders = np.r_[0.0, 0.5 * (times[:-1] + times[1:]), max(duration, times[-1])]
    return np.clip(np.diff(borders), 1e-3, LONGEST_DWELL)


def rebuild_costs(vectors: FloatArray, times: Times, weights: Times) -> Costs:
    """vectors (N, D) unit rows, times and weights (N,). O(N W²) time, O(N W) memory."""
    count = len(vectors)
    reach = min(REACH, count)
    ahead = np.full((count, reach + 1), -1.0)  # ahead[i, a]: similarity of frames i and i + a
    for a in range(reach + 1):
        ahead[: count - a, a] = np.einsum("nd,nd->n", vectors[: count - a], vectors[a:])
    index = np.arange(count)[:, None]
    steps = np.arange(reach + 1)[None, :]
    forward = np.cumsum(np.where(index + steps < count, weights[np.minimum(index + steps, count - 1)], 0.0)
                        * (1 - ahead), axis=1)  # fmt: skip
    back = ahead[np.maximum(index - steps, 0), steps]  # back[k, a]: similarity of frames k and k - a
    backward = np.cumsum(np.where(index >= steps, weights[np.maximum(index - steps, 0)], 0.0) * (1 - back), axis=1)
    between = np.full((count, reach), np.inf)
    for k in range(1, count):
        longest = min(reach, k)
        between[k, :longest] = _between(k, longest, ahead, forward, backward, times, weights)
    every = np.arange(count)
    head = np.where(every <= reach, backward[every, np.minimum(every, reach)], np.inf)
    left = count - 1 - every
    tail = np.where(left <= reach, forward[every, np.minimum(left, reach)], np.inf)
    return Costs(between, head, tail)


def _between(
    k: int, longest: int, ahead: Times, forward: Times, backward: Times, times: Times, weights: Times
) -> Times:
    """(longest,) cost of the frames from k - 1 - w (held to the left) up to k, both kept."""
    lengths = np.arange(1, longest + 1)[:, None]
    inner = np.arange(longest)[None, :]
    valid = inner < lengths
    starts = k - lengths
    held = forward[starts, inner] + backward[k, np.where(valid, lengths - inner - 1, 0)]
    cut = np.where(valid, held, np.inf).min(axis=1)
    alike = ahead[starts[:, 0], lengths[:, 0]]
    if not (alike >= JOINED_SIMILARITY).any():
        return np.asarray(cut)
    frames = np.minimum(starts + inner, k)
    share = (times[frames] - times[starts]) / np.maximum(times[k] - times[starts], 1e-6)
    first, second = ahead[starts, inner], ahead[frames, k - frames]
    norm = np.sqrt(np.maximum((1 - share) ** 2 + share**2 + 2 * share * (1 - share) * alike[:, None], 1e-6))
    lost = np.maximum(1 - ((1 - share) * first + share * second) / norm, 0.0) * weights[frames]
    moving = np.where(valid & (inner > 0), lost, 0.0).sum(axis=1)
    return np.asarray(np.where(alike >= JOINED_SIMILARITY, moving, cut))


def cheapest(costs: Costs, prices: Times) -> Indices:
    """The rows of the choice with the least cost when keeping frame k costs ``prices[k]``."""
    count = len(prices)
    total = costs.head + prices
    previous = np.full(count, -1, dtype=np.int64)
    for k in range(1, count):
        longest = min(costs.between.shape[1], k)
        through = total[k - longest : k][::-1] + costs.between[k, :longest]
        best = int(through.argmin())
        value = float(through[best] + prices[k])
        if value < total[k]:
            total[k], previous[k] = value, k - 1 - best
    kept = [int((total + costs.tail).argmin())]
    while previous[kept[-1]] >= 0:
        kept.append(int(previous[kept[-1]]))
    return np.array(kept[::-1], dtype=np.int64)


def best_frames(
    vectors: FloatArray, times: Times, duration: float, *, price: float, most: int, scores: FloatArray | None = None
) -> Indices:
    """At most ``most`` rows (but one for every ``REACH`` frames); fewer where one more gains less than ``price``.

    ``scores`` (N,) in 0..1 make a frame cheaper to keep: one with score 1 costs half of one with score 0.
    """
    costs = rebuild_costs(vectors, times, dwell(times, duration))
    relative = np.ones(len(times)) if scores is None else 1.0 - 0.5 * np.asarray(scores, dtype=np.float64)
    kept = cheapest(costs, price * relative)
    if len(kept) <= most:
        return kept
    low, high = price, max(price, 1.0) * 1024
    for _ in range(PRICE_ROUNDS):
        middle = float(np.sqrt(low * high))
        tried = cheapest(costs, middle * relative)
        if len(tried) <= most:
            kept, high = tried, middle
        else:
            low = middle
    return kept


def spans_of(
    rows: Indices, times: Times, vectors: FloatArray, duration: float, informative: NDArray[np.bool_] | None = None
) -> Times:
    """(K, 2) seconds that each kept frame stands for; rows (K,) ascending, times (N,) and vectors (N, D) of all frames.

    Where two neighbours resemble each other the border lies half way in time, elsewhere at the cut between them.
    With ``informative`` (N,) dark stretches at a border belong to nobody.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if not len(rows):
        return np.zeros((0, 2))
    borders = [0]
    for i, k in zip(rows[:-1].tolist(), rows[1:].tolist(), strict=True):
        if float(vectors[i] @ vectors[k]) >= JOINED_SIMILARITY:
            last = int(np.searchsorted(times[i : k + 1], 0.5 * (times[i] + times[k]), side="right")) + i - 1
        else:
            steps = dwell(times[i : k + 1], float(times[k]))
            near = np.cumsum(steps * (1 - vectors[i : k + 1] @ vectors[i]))
            far = np.cumsum((steps * (1 - vectors[i : k + 1] @ vectors[k]))[::-1])[::-1]
            last = i + int((near[:-1] + far[1:]).argmin())
        borders.append(int(np.clip(last, i, k - 1)) + 1)
    borders.append(len(times))
    edges = np.r_[0.0, 0.5 * (times[:-1] + times[1:]), max(duration, float(times[-1]))]
    spans = np.empty((len(rows), 2))
    for place, (row, low, high) in enumerate(zip(rows.tolist(), borders[:-1], borders[1:], strict=True)):
        if informative is not None:
            seen = np.flatnonzero(informative[low:high])
            if len(seen):
                low, high = min(row, low + int(seen[0])), max(row, low + int(seen[-1])) + 1
        spans[place] = edges[low], edges[high]
    return spans


def pooled(
    rows: Indices, spans: Times, vectors: FloatArray, times: Times, duration: float, informative: NDArray[np.bool_]
) -> FloatArray:
    """(K, D) unit rows: what to store for each kept frame, the mean direction of all frames in its span.

    It resembles every frame of the span more than any one of them does, and of two shots in one span it resembles
    both. A span without informative frames keeps the frame's own vector.
    """
    weights = dwell(times, duration) * informative
    kept = np.array(vectors[rows], dtype=np.float32)
    for place, (start, end) in enumerate(spans):
        inside = slice(*np.searchsorted(times, (start, end)))
        total = weights[inside] @ vectors[inside].astype(np.float64)
        length = float(np.linalg.norm(total))
        if length > 1e-6:
            kept[place] = total / length
    return kept

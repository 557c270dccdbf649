"""Temporal network (Tan et al. 2009): the longest path through each query frame's best reference frames.

Nodes are the ``TOP_K`` best reference frames of every query frame that reach the least similarity; an edge leads from
one to another that comes later on both axes, by less than ``STEP_SECONDS``, and weighs the similarity of the latter.
The rule that an edge has no node in between needs no check: such a node would make the path heavier, as all weights
are above zero. The heaviest path is taken, with what lies close beside it, and the search is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import AlignerConfig, Mask, SimilarityMatrix
from worker.alignment.paths import Path, follow
from worker.alignment.selection import Shortlist
from worker.types import FloatArray, Segment

TOP_K = 8  # published 5-10
STEP_SECONDS = 6.0  # an edge spans less than this on either axis (published 5-10 frames of one second)
MAX_PATHS = 10  # in either direction
KEEP_LEVEL = 0.25  # a path must weigh more than this for each frame of its mean length (published 0.2-0.3)
CLAIM_SECONDS = 2.5  # nodes this close to a path that was taken go with it
MAX_FAILURES = 4  # paths that lead to nothing new before the search of one direction ends

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Network:
    """Rows that have nodes, and for each its K nodes. A weight of 0 is no node."""

    rows: Indices  # (R,)
    columns: Indices  # (R, K)
    weights: FloatArray  # (R, K)
    edges: Mask  # (R, W, K, K) whether an edge leads here from node k of the row W - w rows above


def build_network(
    scores: FloatArray, query: Floats, reference: Floats, least: float, step: float, top_k: int = TOP_K
) -> Network:
    """Nodes and edges; ``reference`` are the times on the axis along which paths rise: negated for reversed copies."""
    rows = np.flatnonzero(scores.max(axis=1) >= least)
    k = min(top_k, scores.shape[1])
    columns = np.argpartition(scores[rows], scores.shape[1] - k, axis=1)[:, -k:].astype(np.int64)
    weights = scores[rows[:, None], columns]
    weights[weights < least] = 0.0
    clock = query[rows]
    first = np.searchsorted(clock, clock - step, side="right")
    window = int((np.arange(len(rows)) - first).max(initial=1))
    above = np.arange(len(rows))[:, None] + np.arange(-window, 0)  # (R, W)
    near = (above >= first[:, None]) & (clock[above] < clock[:, None])  # a row that does not exist is never near
    times = reference[columns]
    rise = times[:, None, None, :] - times[above][:, :, :, None]
    edges = (rise > 0) & (rise < step) & near[:, :, None, None]
    return Network(rows, columns, weights, edges)


class LongestPaths:
    """Weight of the heaviest path that ends in every node, (R, K), and its previous node (flat, -1 for none)."""

    def __init__(self, network: Network) -> None:
        count, self.k = network.weights.shape
        self.network = network
        self.weights = network.weights.copy()
        self.reach = network.edges.shape[1] * self.k  # nodes above a row that an edge can come from
        self.total = np.zeros(self.reach + count * self.k)  # with empty rows above the first
        self.previous = np.full((count, self.k), -1, dtype=np.int64)
        self.update(0, count)

    @property
    def ends(self) -> Floats:
        """(R * K,) weight of the heaviest path that ends in every node."""
        return self.total[self.reach :]

    def update(self, first: int, stop: int) -> None:
        """Compute again what depends on the rows from ``first`` up to ``stop``."""
        count, k, reach = len(self.weights), self.k, self.reach
        edges = self.network.edges.reshape(count, reach, k)
        each = np.arange(k)
        for row in range(first, count):
            top = row * k
            if row >= stop:
                return
            choices = np.where(edges[row], self.total[top : top + reach, None], 0.0)
            best = choices.argmax(axis=0)
            gain = choices[best, each]
            live = self.weights[row] > 0
            new = (self.weights[row] + gain) * live
            here = slice(top + reach, top + reach + k)
            if (new != self.total[here]).any():
                stop = max(stop, row + 1 + reach // k)
            self.total[here] = new
            self.previous[row] = np.where(live & (gain > 0), best + top - reach, -1)

    def heaviest(self) -> Indices:
        """Flat nodes of the heaviest path in ascending order; empty when no node is left."""
        node = int(self.ends.argmax())
        if self.ends[node] <= 0:
            return np.zeros(0, dtype=np.int64)
        nodes = [node]
        while (node := int(self.previous.ravel()[node])) >= 0:
            nodes.append(node)
        return np.array(nodes[::-1], dtype=np.int64)

    def remove(self, nodes: Indices) -> None:
        """Take flat nodes out of the network."""
        self.weights.ravel()[nodes] = 0.0
        self.update(int(nodes.min()) // self.k, int(nodes.max()) // self.k + 1)


def best_paths(network: Network, query: Floats, reference: Floats) -> Iterator[Path]:
    """At most ``MAX_PATHS`` paths without a node in common, heaviest first."""
    search = LongestPaths(network)
    for _ in range(MAX_PATHS):
        taken = search.heaviest()
        if not len(taken):
            return
        path = Path(network.rows[taken // search.k], network.columns.ravel()[taken])
        yield path
        inside = (network.rows >= path.rows[0]) & (network.rows <= path.rows[-1])
        course = np.interp(query[network.rows], query[path.rows], reference[path.columns])
        beside = inside[:, None] & (np.abs(reference[network.columns] - course[:, None]) <= CLAIM_SECONDS)
        search.remove(np.union1d(taken, np.flatnonzero(beside)))


def coarser_step(matrix: SimilarityMatrix) -> float:
    """Median seconds between the frames of the side that has fewer."""
    sides = (matrix.query_times, matrix.reference_times)
    return max(float(np.median(np.diff(times))) if len(times) > 1 else 0.0 for times in sides)


def is_kept(path: Path, matrix: SimilarityMatrix, config: AlignerConfig) -> bool:
    """Heavy enough for its mean length on both axes, in frames of the side that has fewer, and long enough on both.

    A path through all of a short clip needs no length.
    """
    weight = float(matrix.scores[path.rows, path.columns].sum())
    sides = ((matrix.query_times, path.rows), (matrix.reference_times, path.columns))
    lengths = [abs(float(times[at[-1]] - times[at[0]])) for times, at in sides]
    step = coarser_step(matrix)
    if len(path.rows) >= min(config.min_matched_rows, *matrix.scores.shape) and min(lengths) <= 0:
        return True
    if min(lengths) + step < min(config.min_length_seconds, matrix.query_duration, matrix.reference_duration):
        return False
    return weight > KEEP_LEVEL * (0.5 * sum(lengths) / max(step, 1e-3))


class TemporalNetworkAligner:
    """Follows bent time lines better than a straight one; slower than Hough voting."""

    def align(self, similarity: SimilarityMatrix, config: AlignerConfig) -> list[Segment]:
        """Segments with most evidence first."""
        if similarity.scores.size == 0 or similarity.masked_scores.max() < config.min_similarity:
            return []
        shortlist = Shortlist(similarity, config)
        query, scores = similarity.query_times, similarity.masked_scores
        step = max(STEP_SECONDS, 3 * coarser_step(similarity))
        for sign in (1.0, -1.0) if config.allow_reversed else (1.0,):
            reference = sign * similarity.reference_times
            failures = 0
            network = build_network(scores, query, reference, config.min_similarity, step)
            for path in best_paths(network, query, reference):
                kept = is_kept(path, similarity, config) and follow(path, similarity, config, shortlist, sign)
                failures += not kept
                if failures == MAX_FAILURES:
                    break
        return list(shortlist.best())

"""Text to video and video to text over one set of videos and captions, block by block, kept per query. numpy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worker.evaluation.retrieval import RetrievalScores, average_precisions, ranks, scores_of

BLOCK = 512  # rows of similarities in memory at once


@dataclass(frozen=True)
class QueryResults:
    """What every query of one direction reached. ``source`` numbers what it is about: the unit of the bootstrap."""

    rank: NDArray[np.int64]  # (Q,) of the best relevant item, from 1
    precision: NDArray[np.float64]  # (Q,) average precision
    source: NDArray[np.int64]  # (Q,)

    def scores(self) -> RetrievalScores:
        return scores_of(self.rank, self.precision)


@dataclass(frozen=True)
class BothDirections:
    t2v: QueryResults
    v2t: QueryResults

    def rsum(self) -> float:
        """R@1 + R@5 + R@10 of both directions in per cent, 0 to 600."""
        return 100 * (self.t2v.scores().rsum + self.v2t.scores().rsum)

    def as_dict(self) -> dict[str, Any]:
        """As ``manage.py evaluate retrieval --json`` prints it; recalls and mAP in per cent."""
        named = {"t2v": self.t2v.scores().as_dict(), "v2t": self.v2t.scores().as_dict()}
        sums = {way: values.pop("rsum") for way, values in named.items()}
        return {
            **named,
            "n_videos": len(self.v2t.rank),
            "n_queries": len(self.t2v.rank),
            "rsum": {**sums, "total": sum(sums.values())},
        }


def both_directions(
    similarity: ArrayLike | Callable[[slice], NDArray[Any]],
    caption_videos: Sequence[int] | NDArray[np.int64],
    *,
    video_sources: Sequence[int] | NDArray[np.int64] | None = None,
    videos: int | None = None,
) -> BothDirections:
    """Every caption asks for its video, every video for its captions, of which the best one counts (their maximum).

    ``similarity`` is (C captions, N videos), or a function from a slice of captions to those rows, with ``videos`` = N:
    then no more than BLOCK rows are in memory, beside (N, N) of them. ``caption_videos`` (C,) numbers the video of each
    caption, at least one each. ``video_sources`` (N,): videos of one source are right answers for each other; without
    it only a caption's own video is. NaN is an error.
    """
    rows, count = _rows(similarity, videos)
    owners = np.asarray(caption_videos, dtype=np.int64)
    sources = np.arange(count) if video_sources is None else np.asarray(video_sources, dtype=np.int64)
    if sources.shape != (count,):
        raise ValueError(f"there must be one source for each of the {count} videos")
    if owners.ndim != 1 or not len(owners):
        raise ValueError("there is nothing to evaluate: no caption")
    if owners.min() < 0 or owners.max() >= count:
        raise ValueError("a caption names a video that is not among the columns")
    if missing := set(range(count)) - set(owners.tolist()):
        raise ValueError(f"{len(missing)} videos have no caption, the first is number {min(missing)}")
    best: NDArray[Any] = np.empty(0)  # (caption's video, query video), made when the type of the scores is known
    found: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
    for start in range(0, len(owners), BLOCK):
        part = slice(start, min(start + BLOCK, len(owners)))
        scores, own = rows(part), owners[part]
        if scores.shape != (len(own), count):
            raise ValueError(f"similarity {scores.shape} must be (captions, videos) = {(len(own), count)}")
        relevant = sources[own][:, None] == sources[None, :]
        found.append((ranks(scores, relevant), average_precisions(scores, relevant)))  # refuse NaN
        if not start:
            best = np.full((count, count), -np.inf, np.result_type(scores.dtype, np.float32))
        np.maximum.at(best, own, scores)
    forward = _joined(found, sources[owners])
    found = []
    for start in range(0, count, BLOCK):
        scores = best[:, start : start + BLOCK].T
        relevant = sources[start : start + BLOCK, None] == sources[None, :]
        found.append((ranks(scores, relevant), average_precisions(scores, relevant)))
    return BothDirections(forward, _joined(found, sources))


def _rows(
    similarity: ArrayLike | Callable[[slice], NDArray[Any]], videos: int | None
) -> tuple[Callable[[slice], NDArray[Any]], int]:
    if callable(similarity):
        if videos is None:
            raise ValueError("name the number of videos")
        return similarity, videos
    matrix = np.asarray(similarity)
    if matrix.ndim != 2:
        raise ValueError(f"similarity {matrix.shape} must be (captions, videos)")
    return (lambda part: matrix[part]), matrix.shape[1]


def _joined(found: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]], source: NDArray[np.int64]) -> QueryResults:
    return QueryResults(
        np.concatenate([rank for rank, _ in found]), np.concatenate([precision for _, precision in found]), source
    )

"""Metrics of a split from its vectors, in the form that curves, gates and model cards share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worker.evaluation.directions import both_directions


@dataclass(frozen=True)
class Split:
    """Which item a caption belongs to, (C,), and the same-source group of every item, (N,)."""

    owner: np.ndarray
    group: np.ndarray


def split_scores(texts: np.ndarray, videos: np.ndarray, split: Split) -> dict[str, dict[str, float]]:
    """Captions (C, D) and items (N, D), unit rows -> {"t2v": {...}, "v2t": {...}} as RetrievalScores.as_dict prints."""
    found = both_directions(texts @ videos.T, split.owner, video_sources=split.group)
    return {"t2v": found.t2v.scores().as_dict(), "v2t": found.v2t.scores().as_dict()}


def total_rsum(scores: dict[str, dict[str, float]]) -> float:
    """R@1 + R@5 + R@10 of both directions, 0..600: the primary metric, higher is better."""
    return scores["t2v"]["rsum"] + scores["v2t"]["rsum"]

"""Metrics of a split from its vectors, in the form that curves, gates and model cards share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worker.evaluation.retrieval import evaluate_retrieval, relevance_of


@dataclass(frozen=True)
class Split:
    """Which item a caption belongs to, (C,), and the same-source group of every item, (N,)."""

    owner: np.ndarray
    group: np.ndarray


def split_scores(texts: np.ndarray, videos: np.ndarray, split: Split) -> dict[str, dict[str, float]]:
    """Captions (C, D) and items (N, D), unit rows -> {"t2v": {...}, "v2t": {...}} as RetrievalScores.as_dict prints."""
    similarity = texts @ videos.T  # (C, N)
    forward = evaluate_retrieval(similarity, relevance_of(split.group[split.owner].tolist(), split.group.tolist()))
    # An item's captions count as one by their best score.
    best = np.full((len(videos), len(videos)), -np.inf)  # (caption's item, query item)
    np.maximum.at(best, split.owner, similarity)
    groups = split.group.tolist()
    return {"t2v": forward.as_dict(), "v2t": evaluate_retrieval(best.T, relevance_of(groups, groups)).as_dict()}


def total_rsum(scores: dict[str, dict[str, float]]) -> float:
    """R@1 + R@5 + R@10 of both directions, 0..600: the primary metric, higher is better."""
    return scores["t2v"]["rsum"] + scores["v2t"]["rsum"]

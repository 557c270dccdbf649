"""Drops the pairs whose text and video are least alike under the current encoder (CNVid-3.5M, CVPR 2023).

A percentile and no fixed similarity, because encoders differ in where their cosines lie. numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Filtered:
    """``keep`` (C,) bool. Every dropped pair has a similarity below ``threshold``, every other at least that."""

    keep: NDArray[np.bool_]
    threshold: float
    similarity: NDArray[np.float64]  # (C,)
    owner: NDArray[np.int64]  # (C,) item of each pair

    def report(self, ids: Sequence[str], captions: Sequence[str], examples: int = 5) -> dict[str, Any]:
        """For JSON: how many, below what, and the worst dropped pairs. ``ids`` by item, ``captions`` by pair."""
        dropped = np.flatnonzero(~self.keep)
        worst = dropped[np.argsort(self.similarity[dropped], kind="stable")][:examples]
        lost = sorted(set(self.owner.tolist()) - set(self.owner[self.keep].tolist()))
        return {
            "pairs": len(self.keep),
            "dropped": len(dropped),
            "below": self.threshold,
            "items_lost": len(lost),
            "lost_ids": [ids[item] for item in lost],
            "examples": [
                {"id": ids[self.owner[pair]], "caption": captions[pair], "similarity": float(self.similarity[pair])}
                for pair in worst
            ],
        }


def filter_pairs(
    similarity: ArrayLike, owner: ArrayLike, *, percentile: float
) -> Filtered:
    """Drop at most ``percentile`` per cent of C pairs, those of the lowest ``similarity``; equal ones stay together.

    ``owner`` (C,) is the item that each pair belongs to. An item may lose all of its pairs, and is then reported: with
    one caption a video, as web data has, keeping one of each would keep everything.
    """
    scores, owners = np.asarray(similarity, np.float64), np.asarray(owner, np.int64)
    if scores.ndim != 1 or scores.shape != owners.shape:
        raise ValueError(f"similarity {scores.shape} and owner {owners.shape} must be equal lists")
    if not 0 <= percentile < 100:
        raise ValueError("the percentile is at least 0 and below 100")
    if np.isnan(scores).any():
        raise ValueError("a similarity is NaN; the embeddings are broken")
    if not len(scores):
        return Filtered(np.empty(0, np.bool_), float("-inf"), scores, owners)
    threshold = float(np.partition(scores, place := int(percentile / 100 * len(scores)))[place])
    keep = scores >= threshold
    return Filtered(keep, threshold, scores, owners)

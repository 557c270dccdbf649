"""Two models on the same captions: what each finds, what the one gains over the other, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from worker.embedders.base import Embedder
from worker.evaluation.directions import BothDirections, QueryResults, both_directions
from worker.evaluation.intervals import Gain, paired_gain, recall_sums, score_intervals
from worker.library.stored import Hit
from worker.training.data.features import Features
from worker.training.data.items import Item
from worker.types import FloatArray

EXAMPLES = 12  # of the queries that gained, and of those that lost

Numbers = NDArray[np.int64]


def both_ways(features: Features, embedder: Embedder) -> BothDirections:
    """From captions to items and back."""
    texts, videos = features.texts.astype(np.float32), item_vectors(features, embedder)
    return both_directions(texts @ videos.T, features.owner, video_sources=features.group)


def item_vectors(features: Features, embedder: Embedder) -> FloatArray:
    """(N, D): every item as the version itself pools its frames."""
    starts = features.frame_start
    spans = [features.frames[a:b].astype(np.float32) for a, b in pairwise(starts)]
    return np.stack([embedder.encode_clip(span) for span in spans])


def metrics(results: QueryResults) -> dict[str, dict[str, float]]:
    """Recalls, their sum and mAP in per cent, median and mean rank, each with its interval."""
    values, bounds = results.scores().as_dict(), score_intervals(results)
    return {
        name: dict(zip(("value", "low", "high"), _enclosed(value, *bounds[name]), strict=True))
        for name, value in values.items()
    }


def _enclosed(value: float, low: float, high: float) -> tuple[float, float, float]:
    """The percentiles of a lopsided handful of sources need not enclose the value; what is reported should."""
    return value, min(low, value), max(high, value)


def gain(mine: Numbers, theirs: Numbers, source: Numbers) -> Gain:
    """Of the same queries in R@sum: ranks ``mine`` (Q,) over ``theirs`` (Q,); ``source`` (Q,) is what they are about.

    One source alone gives no interval: both ends are then the value itself.
    """
    before, after = recall_sums(theirs), recall_sums(mine)
    units = len(np.unique(source))
    if units < 2:
        value = float((after - before).mean())
        return Gain(value, value, value, queries=len(source), sources=units)
    found = paired_gain(before, after, source)
    return Gain(*_enclosed(found.mean, found.low, found.high), queries=found.queries, sources=units)


def group_ranks(
    answers: Sequence[Sequence[Hit]], wanted: Sequence[str], groups: Mapping[UUID, str], depth: int
) -> Numbers:
    """(Q,) place of each wanted group among those that its answer names; ``depth`` + 1 where it is not among them.

    A video without a group is one of its own, named by its id.
    """
    places = []
    for group, hits in zip(wanted, answers, strict=True):
        order = list(dict.fromkeys(groups.get(hit.video_id, str(hit.video_id)) for hit in hits))
        places.append(order.index(group) + 1 if group in order else depth + 1)
    return np.array(places, dtype=np.int64)


def examples(features: Features, items: Sequence[Item], mine: Numbers, theirs: Numbers) -> list[dict[str, Any]]:
    """The queries that gained and that lost most, by their part of R@sum and then by rank."""
    change = recall_sums(mine) - recall_sums(theirs) + np.sign(theirs - mine) * 0.5
    order = np.argsort(-change, kind="stable")
    chosen = [*[i for i in order[:EXAMPLES] if change[i] > 0], *[i for i in order[::-1][:EXAMPLES] if change[i] < 0]]
    media = {item.id: str(item.media[0].name) for item in items}
    return [
        {
            "query": features.captions[i],
            "right": media.get(features.ids[features.owner[i]], features.ids[features.owner[i]]),
            "active_rank": int(theirs[i]),
            "candidate_rank": int(mine[i]),
        }
        for i in chosen
    ]

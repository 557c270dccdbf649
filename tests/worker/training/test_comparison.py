"""Paired comparison: ranks and metrics as the oracle says, intervals that draw whole sources."""

from __future__ import annotations

import numpy as np
import pytest

from worker.evaluation.retrieval import evaluate_retrieval, relevance_of
from worker.training.comparison import interval, metrics, paired_gain, recall_points, text_queries, video_queries


def vectors(count: int, seed: int, dim: int = 8) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_metrics_are_those_of_the_evaluation() -> None:
    owner, group = np.repeat(np.arange(12), 2), np.array([0, 0, *range(1, 11)])
    texts, videos = vectors(24, 0), vectors(12, 1)
    found = metrics(text_queries(texts, videos, owner, group))
    relevant = relevance_of(group[owner].tolist(), group.tolist())
    oracle = evaluate_retrieval(texts @ videos.T, relevant).as_dict()
    for name in ("r1", "r5", "r10", "rsum", "map", "mdr", "mnr"):
        assert found[name]["value"] == pytest.approx(oracle[name])
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    back = video_queries(texts, videos, owner, group)
    assert back.rank.shape == (12,) and back.source.tolist() == group.tolist()


def test_the_very_same_answers_have_no_gain() -> None:
    rank = np.array([1, 4, 9, 30])
    assert paired_gain(rank, rank, np.arange(4)) == {"value": 0.0, "low": 0.0, "high": 0.0, "units": 4.0}


def test_a_gain_everywhere_excludes_zero_and_noise_does_not() -> None:
    rng = np.random.default_rng(3)
    active = rng.integers(1, 40, 200)
    better = np.maximum(active - 8, 1)
    assert paired_gain(better, active, np.arange(200))["low"] > 0
    assert paired_gain(active, better, np.arange(200))["high"] < 0
    noise = paired_gain(rng.permutation(active), active, np.arange(200))
    assert noise["low"] < 0 < noise["high"]


def test_captions_of_one_source_do_not_count_as_many() -> None:
    """Ten captions of one video that agree are one observation: the interval stays as wide as that of the videos."""
    values = np.random.default_rng(1).normal(size=30)
    apart = interval(values, np.arange(30))
    repeated = interval(np.repeat(values, 10), np.repeat(np.arange(30), 10))
    naive = interval(np.repeat(values, 10), np.arange(300))
    wide = apart["high"] - apart["low"]
    assert repeated["high"] - repeated["low"] == pytest.approx(wide, rel=0.05)
    assert naive["high"] - naive["low"] < 0.5 * wide


def test_recall_points_add_up_to_r_at_sum() -> None:
    rank = np.array([1, 3, 7, 12])
    assert recall_points(rank).tolist() == [300.0, 200.0, 100.0, 0.0]
    with pytest.raises(ValueError, match="at least one"):
        interval(np.empty(0), np.empty(0))

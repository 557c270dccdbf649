"""Filtering of pairs by percentile."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.training.data.filtering import filter_pairs


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, float]:
    """Similarities of few levels, so that many are equal, owners, and a percentile."""
    count = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([3, 1000]))
    return rng.integers(0, levels, count) / levels, rng.integers(0, 10, count), draw(st.floats(0, 99.9))


@settings(deadline=None)
@given(pairs())
def test_at_most_the_asked_share_goes_and_every_dropped_pair_is_below_every_kept_one(problem) -> None:
    similarity, owner, percentile = problem
    found = filter_pairs(similarity, owner, percentile=percentile)
    assert (~found.keep).sum() <= percentile / 100 * len(similarity)
    assert found.keep.any()
    assert (similarity[found.keep] >= found.threshold).all()
    assert (similarity[~found.keep] < found.threshold).all()
    if len(set(similarity.tolist())) == len(similarity):
        assert (~found.keep).sum() == int(percentile / 100 * len(similarity))


@settings(deadline=None)
@given(pairs())
def test_only_the_order_of_the_similarities_counts(problem) -> None:
    similarity, owner, percentile = problem
    one = filter_pairs(similarity, owner, percentile=percentile)
    other = filter_pairs(np.exp(3 * similarity) - 7, owner, percentile=percentile)
    assert (one.keep == other.keep).all()


def test_the_report_says_how_many_below_what_and_shows_the_worst() -> None:
    similarity, owner = [0.9, 0.1, 0.8, -0.2, 0.7], [0, 0, 1, 2, 1]
    report = filter_pairs(similarity, owner, percentile=40).report(["a", "b", "c"], list("vwxyz"), examples=1)
    assert report == {
        "pairs": 5,
        "dropped": 2,
        "below": 0.7,
        "items_lost": 1,
        "lost_ids": ["c"],
        "examples": [{"id": "c", "caption": "y", "similarity": -0.2}],
    }


def test_faulty_input_is_an_error_and_nothing_is_fine() -> None:
    with pytest.raises(ValueError, match="NaN"):
        filter_pairs([math.nan], [0], percentile=22)
    with pytest.raises(ValueError, match="equal lists"):
        filter_pairs([0.1, 0.2], [0], percentile=22)
    with pytest.raises(ValueError, match="below 100"):
        filter_pairs([0.1], [0], percentile=100)
    assert not len(filter_pairs([], [], percentile=22).keep)

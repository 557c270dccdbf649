"""Retrieval metrics against naive oracles and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.evaluation.retrieval import (
    average_precisions,
    evaluate_retrieval,
    ranks,
    recall_at_k,
    relevance_of,
)


def naive_ranking(scores: list[float], relevant: list[bool]) -> list[bool]:
    """Relevance in ranked order by plain sorting, irrelevant first among equals."""
    return [flag for _, flag in sorted(zip(scores, relevant, strict=True), key=lambda p: (-p[0], p[1]))]


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores from a few levels only, so that ties are the rule, and at least one relevant item a query."""
    queries, items = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    relevant = rng.random((queries, items)) < 0.4
    relevant[np.arange(queries), rng.integers(0, items, queries)] = True
    return rng.integers(0, 4, (queries, items)) / 4.0, relevant


@settings(deadline=None)  # machines under load are no failure
@given(problems())
def test_ranks_and_average_precision_are_those_of_plain_sorting(problem: tuple[np.ndarray, np.ndarray]) -> None:
    scores, relevant = problem
    found_ranks, found_precisions = ranks(scores, relevant), average_precisions(scores, relevant)
    for row in range(len(scores)):
        order = naive_ranking(scores[row].tolist(), relevant[row].tolist())
        assert found_ranks[row] == order.index(True) + 1
        hits, total = 0, 0.0
        for place, flag in enumerate(order, start=1):
            if flag:
                hits += 1
                total += hits / place
        assert found_precisions[row] == pytest.approx(total / hits)


@settings(deadline=None)  # machines under load are no failure
@given(problems())
def test_recall_grows_with_k_and_reaches_one(problem: tuple[np.ndarray, np.ndarray]) -> None:
    found = ranks(*problem)
    recalls = [recall_at_k(found, k) for k in range(1, problem[0].shape[1] + 1)]
    assert recalls == sorted(recalls)
    assert recalls[-1] == 1.0


@settings(deadline=None)  # machines under load are no failure
@given(problems())
def test_order_of_items_and_a_monotone_change_of_scores_do_not_matter(problem: tuple[np.ndarray, np.ndarray]) -> None:
    scores, relevant = problem
    shuffle = np.random.default_rng(0).permutation(scores.shape[1])
    assert evaluate_retrieval(scores, relevant) == evaluate_retrieval(
        np.exp(3 * scores[:, shuffle]), relevant[:, shuffle]
    )


def test_a_hand_counted_example() -> None:
    scores = [[0.9, 0.1, 0.5], [0.2, 0.8, 0.9], [0.3, 0.3, 0.3]]
    result = evaluate_retrieval(scores, np.eye(3, dtype=bool))
    assert result.r1 == pytest.approx(1 / 3)
    assert (result.r5, result.r10, result.mdr, result.mnr, result.queries) == (1.0, 1.0, 2.0, 2.0, 3)
    assert result.map == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert result.rsum == pytest.approx(2 + 1 / 3)
    assert result.as_dict()["r1"] == pytest.approx(100 / 3)


def test_a_model_that_scores_everything_the_same_gets_the_worst_rank() -> None:
    assert ranks(np.zeros((4, 50)), np.eye(4, 50, dtype=bool)).tolist() == [50] * 4


def test_groups_say_what_is_relevant() -> None:
    assert relevance_of(["a", "b"], ["b", "a", "b"]).tolist() == [[False, True, False], [True, False, True]]


def test_nan_is_an_error_and_so_is_a_query_without_an_answer() -> None:
    with pytest.raises(ValueError, match="NaN"):
        evaluate_retrieval([[math.nan, 1.0]], [[True, False]])
    with pytest.raises(ValueError, match="no relevant item"):
        evaluate_retrieval([[0.0, 1.0]], [[False, False]])
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate_retrieval(np.zeros((0, 3)), np.zeros((0, 3)))

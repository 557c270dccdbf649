"""Similarity matrices and their normalisation."""

from __future__ import annotations

import numpy as np
import pytest

from worker.alignment import background_penalty, normalise_scores, similarity_matrix, unit


def vectors(seed: int, count: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, 16)))


def test_similarity_is_the_cosine_of_every_pair() -> None:
    query, reference = vectors(0, 5), vectors(1, 7)
    scores = similarity_matrix(query, reference)
    assert scores.shape == (5, 7)
    assert scores.dtype == np.float32
    for i in range(5):
        for j in range(7):
            assert scores[i, j] == pytest.approx(float(np.dot(query[i], reference[j])), abs=1e-6)


def test_a_zero_vector_resembles_nothing_instead_of_becoming_nan() -> None:
    assert (unit(np.zeros((2, 4))) == 0).all()


def test_the_penalty_is_beta_times_the_nearest_background_similarity_and_never_negative() -> None:
    query, background = vectors(5, 6), vectors(6, 30)
    expected = [max(1.2 * max(float(q @ b) for b in background), 0.0) for q in query]
    assert background_penalty(query, background, beta=1.2) == pytest.approx(expected, abs=1e-5)
    assert (background_penalty(query, -query[:1] * 0 - query.sum(0, keepdims=True)) >= 0).all()
    assert (background_penalty(query, np.zeros((0, 16), dtype=np.float32)) == 0).all()


def test_normalising_with_both_penalties_does_not_depend_on_which_side_asks() -> None:
    query, reference, background = vectors(7, 4), vectors(8, 5), vectors(9, 50)
    a, b = background_penalty(query, background), background_penalty(reference, background)
    forth = normalise_scores(similarity_matrix(query, reference), a, b)
    back = normalise_scores(similarity_matrix(reference, query), b, a)
    assert forth == pytest.approx(back.T, abs=1e-6)
    assert forth[1, 2] == pytest.approx(float(query[1] @ reference[2] - (a[1] + b[2]) / 2), abs=1e-6)


def test_nan_and_foreign_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        similarity_matrix([[np.nan, 0.0]], [[1.0, 0.0]])
    with pytest.raises(ValueError, match="dimensions"):
        similarity_matrix([[1.0, 0.0]], [[1.0, 0.0, 0.0]])

"""The small picture of a similarity matrix, against the plain definition; and spans as videos of their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.alignment.cutting import cut
from worker.alignment.picture import BRIGHT, DARK, similarity_picture
from worker.alignment.similarity import unit
from worker.types import Descriptors, View


def video(seed: int, count: int, step: float = 1.0, *views: View) -> Descriptors:
    vectors = unit(np.random.default_rng(seed).standard_normal((count, 16)))
    times = np.arange(count) * step
    return Descriptors(vectors, times, np.ones(count, bool), count * step, views)


def shade(cosine: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip((cosine - DARK) / (BRIGHT - DARK), 0, 1)).astype(np.uint8)


def test_a_small_matrix_is_shown_frame_by_frame_query_across_reference_down() -> None:
    query, reference = video(1, 7), video(2, 11)
    picture = similarity_picture(query, reference)
    assert picture.shape == (11, 7)
    assert np.array_equal(picture, shade(reference.vectors @ query.vectors.T))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12))
def test_a_cell_holds_the_best_of_its_frames(n: int, m: int, side: int) -> None:
    query, reference = video(n, n), video(100 + m, m)
    picture = similarity_picture(query, reference, side=side)
    scores = shade(reference.vectors @ query.vectors.T)
    columns, rows = min(side, n), min(side, m)
    assert picture.shape == (rows, columns)
    for row in range(rows):
        for column in range(columns):
            here = [i for i in range(m) if row * m / rows <= i + 1e-9 and i < (row + 1) * m / rows - 1e-9]
            there = [j for j in range(n) if column * n / columns <= j + 1e-9 and j < (column + 1) * n / columns - 1e-9]
            assert picture[row, column] == scores[np.ix_(here, there)].max()


def test_frames_without_information_stay_dark() -> None:
    one = video(1, 5)
    picture = similarity_picture(Descriptors(one.vectors, one.times, np.arange(5) != 2, 5.0), one)
    assert (picture[:, 2] == 0).all()
    assert (np.delete(picture.diagonal(), 2) == 255).all()


def test_another_look_is_drawn_in_only_when_it_matched() -> None:
    reference = video(1, 6)
    view = View("mirrored", "mirrored", np.arange(6), reference.vectors, mirrored=True)
    query = video(2, 6, 1.0, view)
    assert (similarity_picture(query, reference, looks=["mirrored"]).diagonal() == 255).all()
    assert (similarity_picture(query, reference).diagonal() < 255).all()


def test_no_frames_give_a_dark_picture() -> None:
    none = Descriptors(np.zeros((0, 16), np.float32), np.zeros(0), np.zeros(0, bool), 0.0)
    assert similarity_picture(none, video(1, 3)).tolist() == [[0], [0], [0]]
    assert similarity_picture(none, none).shape == (1, 1)


def test_a_long_pair_is_bounded() -> None:
    assert similarity_picture(video(1, 4000), video(2, 500)).shape == (300, 300)


def test_a_span_has_its_own_clock_and_only_its_frames() -> None:
    looks = View("left half", "part", np.arange(0, 20, 2), unit(np.random.default_rng(3).standard_normal((10, 16))))
    whole = video(1, 20, 1.0, looks)
    span = cut(whole, 5.0, 11.0)
    assert span.duration == 6.0
    assert span.times.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.array_equal(span.vectors, whole.vectors[5:11])
    (view,) = span.views
    assert view.rows.tolist() == [1, 3, 5]
    assert np.array_equal(view.vectors, looks.vectors[3:6])


def test_a_span_of_key_frames_keeps_those_that_reach_into_it() -> None:
    whole = video(1, 3)
    spans = np.array([[0.0, 10.0], [10.0, 20.0], [20.0, 30.0]])
    kept = Descriptors(whole.vectors, np.array([5.0, 15.0, 25.0]), whole.informative, 30.0, spans=spans)
    span = cut(kept, 8.0, 18.0)
    assert span.spans is not None
    assert span.spans.tolist() == [[0, 2], [2, 10]]
    assert span.times.tolist() == [0, 7]


def test_a_span_without_frames_and_bad_spans() -> None:
    assert len(cut(video(1, 5, 10.0), 12.0, 15.0).times) == 0
    assert cut(video(1, 5), 3.0, 99.0).duration == 2.0
    for start, end in ((3.0, 3.0), (-1.0, 2.0), (4.0, 2.0)):
        with pytest.raises(ValueError, match="span"):
            cut(video(1, 5), start, end)

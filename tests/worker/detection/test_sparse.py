"""Key frames brought back to a grid."""

from __future__ import annotations

import numpy as np
import pytest

from worker.alignment import AlignerConfig, SimilarityMatrix, get_aligner, unit
from worker.alignment.sparse import expand
from worker.detection.coverage import best_frames, spans_of
from worker.types import Descriptors, FloatArray, View


def moving_video(seed: int, shots: int = 10, seconds: int = 16) -> FloatArray:
    """Shots of ``seconds`` at one frame a second, each moving evenly from one look to a related one."""
    rng = np.random.default_rng(seed)
    share = np.linspace(0, 1, seconds)[:, None]
    parts = []
    for _ in range(shots):
        start = unit(rng.standard_normal((1, 64)))
        parts.append(start * (1 - share) + unit(start + unit(rng.standard_normal((1, 64)))) * share)
    return unit(np.concatenate(parts))


def sparse(vectors: FloatArray, most: int) -> Descriptors:
    duration = float(len(vectors))
    times = np.arange(duration)
    rows = best_frames(vectors, times, duration, price=0.1, most=most)
    return Descriptors(
        vectors[rows], times[rows], np.ones(len(rows), dtype=np.bool_), duration,
        spans=spans_of(rows, times, vectors, duration),
    )  # fmt: skip


def test_a_moving_video_comes_back_nearly_as_it_was_from_a_seventh_of_its_frames() -> None:
    vectors = moving_video(0)
    kept = sparse(vectors, 24)
    grid = expand(kept)
    assert len(kept.times) <= 24
    assert np.array_equal(grid.times, np.arange(160.0))
    assert grid.spans is None
    assert np.einsum("nd,nd->n", grid.vectors, vectors).mean() > 0.97
    assert np.allclose(np.linalg.norm(grid.vectors, axis=1), 1, atol=1e-5)


def test_an_aligner_finds_the_same_span_in_the_sparse_reference_as_in_the_dense_one() -> None:
    vectors = moving_video(1)
    rng = np.random.default_rng(2)
    query = unit(vectors[50:100] + 0.06 * rng.standard_normal((50, 64)))
    grid = expand(sparse(vectors, 24))
    matrix = SimilarityMatrix.build(query @ grid.vectors.T, np.arange(50.0), grid.times)
    (found,) = get_aligner("hough").align(matrix, AlignerConfig())
    assert found.reference_start == pytest.approx(50, abs=1.0)
    assert found.reference_end == pytest.approx(100, abs=1.0)


def test_a_cut_is_not_blended() -> None:
    looks = unit(np.random.default_rng(3).standard_normal((2, 64)))
    video = Descriptors(
        looks, np.array([10.0, 90.0]), np.ones(2, dtype=np.bool_), 100.0, spans=np.array([[0.0, 30.5], [30.5, 100.0]])
    )
    grid = expand(video)
    assert np.allclose(grid.vectors[:31], looks[0])
    assert np.allclose(grid.vectors[31:], looks[1])


def test_the_blend_reaches_half_at_the_border_of_the_spans() -> None:
    looks = unit(np.array([[1.0, 0.0], [1.0, 1.0]]))
    video = Descriptors(
        looks, np.array([0.0, 80.0]), np.ones(2, dtype=np.bool_), 81.0, spans=np.array([[0.0, 20.0], [20.0, 81.0]])
    )
    grid = expand(video)
    likeness = grid.vectors @ looks.T
    assert np.allclose(likeness[20, 0], likeness[20, 1], atol=1e-5)
    assert (np.diff(likeness[:, 1]) >= -1e-6).all()
    assert likeness[0, 0] == pytest.approx(1.0)
    assert likeness[80, 1] == pytest.approx(1.0)


def test_seconds_outside_every_span_are_uninformative() -> None:
    looks = unit(np.random.default_rng(3).standard_normal((2, 64)))
    video = Descriptors(
        looks, np.array([10.0, 90.0]), np.ones(2, dtype=np.bool_), 100.0, spans=np.array([[0.0, 30.0], [50.0, 100.0]])
    )
    grid = expand(video)
    assert not grid.informative[32:49].any()
    assert grid.informative[:30].all() and grid.informative[51:].all()


def test_views_hashes_and_penalties_follow_their_key_frame() -> None:
    looks = unit(np.random.default_rng(3).standard_normal((3, 64)))
    view = View("left half", "region", np.array([1]), looks[2:3])
    video = Descriptors(
        looks, np.array([5.0, 50.0, 80.0]), np.ones(3, dtype=np.bool_), 90.0, views=(view,),
        penalty=np.array([0.1, 0.2, 0.3], dtype=np.float32), hashes=np.arange(96, dtype=np.uint8).reshape(3, 32),
        spans=np.array([[0.0, 30.0], [30.0, 60.0], [60.0, 90.0]]),
    )  # fmt: skip
    grid = expand(video)
    assert list(grid.views[0].rows) == list(range(30, 60))
    assert grid.views[0].vectors.shape == (30, 64)
    assert grid.penalty is not None and grid.penalty[40] == pytest.approx(0.2)
    assert grid.hashes is not None and (grid.hashes[70] == video.hashes[2]).all()  # type: ignore[index]


def test_a_dense_video_is_left_alone_and_wrong_spans_are_refused() -> None:
    looks = unit(np.random.default_rng(3).standard_normal((3, 64)))
    dense = Descriptors(looks, np.arange(3.0), np.ones(3, dtype=np.bool_), 3.0)
    assert expand(dense) is dense
    with pytest.raises(ValueError, match="spans of the shape"):
        expand(Descriptors(looks, np.arange(3.0), np.ones(3, dtype=np.bool_), 3.0, spans=np.zeros((2, 2))))

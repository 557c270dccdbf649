"""What holds for every classical aligner whatever the matrix: sides, order, limits, and where spans end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.alignment.planting import Footage, edited, planted
from worker.alignment import AlignerConfig, SimilarityMatrix, get_aligner, similarity_matrix
from worker.alignment.boundaries import crossing
from worker.types import Segment

ALIGNERS = ("hough", "temporal_network", "dynamic_programming", "dtw")
every_aligner = pytest.mark.parametrize("name", ALIGNERS)
CONFIG = AlignerConfig()


def ends(found: Segment) -> tuple[float, float, float, float]:
    return found.query_start, found.query_end, found.reference_start, found.reference_end


@every_aligner
@pytest.mark.parametrize("seed", range(3))
def test_exchanging_the_sides_exchanges_the_spans(name: str, seed: int) -> None:
    matrix = planted([((12, 40), (70, 98))], query_seconds=60, reference_seconds=130, seed=seed)
    (forth,) = get_aligner(name).align(matrix, CONFIG)
    (back,) = get_aligner(name).align(matrix.transposed(), CONFIG)
    a, b, c, d = ends(back)
    assert ends(forth) == pytest.approx((c, d, a, b), abs=0.75)


@every_aligner
def test_playing_the_reference_backwards_turns_the_copy_round(name: str) -> None:
    matrix = planted([((12, 40), (70, 98))], query_seconds=60, reference_seconds=130, seed=4)
    turned = SimilarityMatrix.build(
        matrix.scores[:, ::-1],
        matrix.query_times,
        129.0 - matrix.reference_times[::-1],
        query_duration=60.0,
        reference_duration=130.0,
    )
    (plain,) = get_aligner(name).align(matrix, CONFIG)
    (found,) = get_aligner(name).align(turned, CONFIG)
    assert found.reversed
    assert not plain.reversed
    assert (found.query_start, found.query_end) == pytest.approx((plain.query_start, plain.query_end), abs=0.5)
    expected = (129 - plain.reference_end, 129 - plain.reference_start)
    assert (found.reference_start, found.reference_end) == pytest.approx(expected, abs=1.0)


@every_aligner
def test_scaling_the_scores_and_the_thresholds_together_changes_no_span(name: str) -> None:
    matrix = planted([((12, 40), (70, 98))], query_seconds=60, reference_seconds=130, seed=5)
    weaker = SimilarityMatrix.build(
        matrix.scores * 0.9, matrix.query_times, matrix.reference_times, query_duration=60.0, reference_duration=130.0
    )
    (plain,) = get_aligner(name).align(matrix, CONFIG)
    (scaled,) = get_aligner(name).align(weaker, AlignerConfig(min_similarity=0.36, near_exact=0.765))
    assert ends(scaled) == pytest.approx(ends(plain), abs=0.25)
    assert scaled.score < plain.score


@every_aligner
def test_later_clocks_on_one_side_move_its_span_by_as_much(name: str) -> None:
    matrix = planted([((12, 40), (70, 98))], query_seconds=60, reference_seconds=130, seed=6)
    later = SimilarityMatrix.build(
        matrix.scores, matrix.query_times, matrix.reference_times + 500, query_duration=60.0, reference_duration=630.0
    )
    (plain,) = get_aligner(name).align(matrix, CONFIG)
    (moved,) = get_aligner(name).align(later, CONFIG)
    a, b, c, d = ends(moved)
    assert (a, b, c - 500, d - 500) == pytest.approx(ends(plain), abs=0.05)


@every_aligner
def test_all_frames_masked_on_either_side_yields_nothing(name: str) -> None:
    matrix = planted([((5, 20), (5, 20))], query_seconds=25, reference_seconds=30, seed=7)
    for query, reference in ((False, True), (True, False)):
        blind = SimilarityMatrix.build(
            matrix.scores,
            matrix.query_times,
            matrix.reference_times,
            query_mask=np.full(25, query),
            reference_mask=np.full(30, reference),
        )
        assert get_aligner(name).align(blind, CONFIG) == []


@every_aligner
def test_every_segment_carries_its_evidence(name: str) -> None:
    matrix = planted([((12, 40), (70, 98))], query_seconds=60, reference_seconds=130, cosine=0.8, seed=8)
    (found,) = get_aligner(name).align(matrix, CONFIG)
    assert found.mean_similarity == pytest.approx(0.8, abs=0.08)
    assert found.hit_density > 0.9
    assert found.contrast > 0.5
    assert found.residual_seconds < 0.3
    assert found.matched_rows >= 26


@every_aligner
@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 25),
    columns=st.integers(1, 25),
    level=st.floats(-0.2, 0.95),
    spread=st.floats(0.0, 0.6),
)
def test_no_matrix_leads_out_of_range(
    name: str, seed: int, rows: int, columns: int, level: float, spread: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = np.clip(rng.normal(level, spread, (rows, columns)), -1, 1)
    times = np.sort(rng.uniform(0, 40, rows).round(1)), np.sort(rng.uniform(0, 40, columns).round(1))
    query_mask, reference_mask = rng.random(rows) < 0.8, rng.random(columns) < 0.8
    matrix = SimilarityMatrix.build(scores, *times, query_mask=query_mask, reference_mask=reference_mask)
    for found in get_aligner(name).align(matrix, CONFIG):
        a, b, c, d = ends(found)
        assert 0 <= a < b <= matrix.query_duration + 1e-9
        assert 0 <= c < d <= matrix.reference_duration + 1e-9
        assert 0 <= found.score <= 1


@every_aligner
@pytest.mark.parametrize(("query_step", "limit"), [(0.25, 0.25), (0.5, 0.35), (1.0, 0.5)])
def test_spans_end_within_half_a_second_of_the_truth(name: str, query_step: float, limit: float) -> None:
    """Median error over both ends and both axes, for a reference at 1 fps.

    Where one scene changes slowly, a path that may step along one side alone has no reason to stay on the copy.
    """
    wander = 0.7 if name in ("hough", "temporal_network") else 1.0
    errors = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        q, r, length = rng.uniform(8, 15), rng.uniform(20, 60), rng.uniform(12, 25)
        matrix = planted(
            [((q, q + length), (r, r + length))],
            query_seconds=50,
            reference_seconds=110,
            wander=wander,
            seed=seed,
            query_times=np.arange(0.0, 50.0, query_step),
        )
        found = max(get_aligner(name).align(matrix, CONFIG), key=lambda s: s.query_length)
        errors += [abs(x - y) for x, y in zip(ends(found), (q, q + length, r, r + length), strict=True)]
    assert float(np.median(errors)) <= limit


def test_the_side_with_more_frames_says_where_a_span_ends() -> None:
    rng = np.random.default_rng(3)
    source, other = Footage(rng, 60, 0.5), Footage(rng, 60, 0.5)
    fine, coarse = np.arange(0.0, 40.0, 0.25), np.arange(0.0, 60.0)
    stitched = other.at(fine)
    inside = (fine >= 10.4) & (fine < 25.65)
    stitched[inside] = source.at(fine[inside] + 20)
    scores = similarity_matrix(edited(rng, source.at(coarse), 0.9), stitched)
    matrix = SimilarityMatrix.build(scores, coarse, fine, query_duration=60.0, reference_duration=40.0)
    (found,) = get_aligner("hough").align(matrix, CONFIG)
    assert (found.reference_start, found.reference_end) == pytest.approx((10.4, 25.65), abs=0.4)


def test_an_end_lies_where_similarity_falls_through_half_way() -> None:
    times = np.arange(8.0)
    profile = np.array([0.8, 0.8, 0.8, 0.8, 0.2, 0.2, 0.2, 0.2], dtype=np.float32)
    hard = crossing(times, profile, 3, 1, 0.8)
    assert hard is not None
    assert hard.time == pytest.approx(3.5)
    profile[4] = 0.4  # half of a dissolve: the end moves towards it
    soft = crossing(times, profile, 3, 1, 0.8)
    assert soft is not None
    assert soft.time == pytest.approx(3.75)
    profile[4] = 0.6  # more like the copy than like what follows
    later = crossing(times, profile, 3, 1, 0.8)
    assert later is not None
    assert later.time == pytest.approx(4.25)
    back = crossing(times, profile[::-1].copy(), 4, -1, 0.8)
    assert back is not None
    assert back.time == pytest.approx(7 - 4.25)


def test_no_frame_further_out_means_no_crossing() -> None:
    assert crossing(np.arange(3.0), np.ones(3, dtype=np.float32), 2, 1, 1.0) is None

"""Every classical aligner finds what was planted, and nothing where nothing was."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worker.alignment.planting import Footage, planted
from worker.alignment import AlignerConfig, SimilarityMatrix, aligner_names, get_aligner, similarity_matrix
from worker.types import Segment

CONFIG = AlignerConfig()
ALIGNERS = ("hough", "temporal_network", "dynamic_programming", "dtw")
every_aligner = pytest.mark.parametrize("name", ALIGNERS)
every_aligner_but_dtw = pytest.mark.parametrize("name", ALIGNERS[:3])  # one path in one order


def find(name: str, matrix: SimilarityMatrix, config: AlignerConfig = CONFIG) -> list[Segment]:
    return get_aligner(name).align(matrix, config)


Span = tuple[float, float]


def assert_span(found: Segment, query: Span, reference: Span, within: float = 1.1) -> None:
    actual = (found.query_start, found.query_end, found.reference_start, found.reference_end)
    assert actual == pytest.approx((*query, *reference), abs=within)


def test_the_registry_names_both_and_refuses_others_by_listing_them() -> None:
    assert set(ALIGNERS) <= set(aligner_names())
    with pytest.raises(ValueError, match="hough"):
        get_aligner("no such aligner")


@every_aligner
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cosine", [0.7, 0.95])
def test_a_copied_span_is_found_where_it_was_planted(name: str, seed: int, cosine: float) -> None:
    matrix = planted([((20, 45), (100, 125))], query_seconds=70, reference_seconds=200, cosine=cosine, seed=seed)
    (found,) = find(name, matrix)
    assert_span(found, (20, 45), (100, 125))
    assert not found.reversed


SPEEDS = [(name, speed) for name in ALIGNERS for speed in (0.5, 0.7, 1.3, 2.0)]
SPEEDS.remove(("dtw", 2.0))  # skipping every second frame costs its path more than leaving the copy


@pytest.mark.parametrize(("name", "speed"), SPEEDS)
def test_a_copy_at_another_speed_is_found_with_both_spans(name: str, speed: float) -> None:
    matrix = planted([((10, 50), (30, 30 + 40 * speed))], query_seconds=60, reference_seconds=180, seed=3)
    assert_span(find(name, matrix)[0], (10, 50), (30, 30 + 40 * speed), within=2.0)


@pytest.mark.parametrize("speed", [0.5, 0.7, 1.3, 2.0])
def test_hough_tells_the_speed_even_where_one_uncut_scene_changes_slowly(speed: float) -> None:
    matrix = planted([((10, 50), (30, 30 + 40 * speed))], query_seconds=60, reference_seconds=180, seed=3, wander=0.7)
    assert_span(find("hough", matrix)[0], (10, 50), (30, 30 + 40 * speed), within=3.0)


@every_aligner
def test_a_reversed_copy_is_found_and_said_to_be_reversed(name: str) -> None:
    matrix = planted([((10, 40), (90, 60))], query_seconds=50, reference_seconds=150, seed=1)
    (found,) = find(name, matrix)
    assert found.reversed
    assert_span(found, (10, 40), (60, 90))


@every_aligner
def test_a_reversed_copy_is_ignored_when_the_configuration_says_so(name: str) -> None:
    matrix = planted([((10, 40), (90, 60))], query_seconds=50, reference_seconds=150, seed=1)
    assert find(name, matrix, AlignerConfig(allow_reversed=False)) == []


@every_aligner_but_dtw
def test_pieces_in_shuffled_order_are_all_found(name: str) -> None:
    pieces = [((5.0, 20.0), (100.0, 115.0)), ((20.0, 38.0), (10.0, 28.0)), ((45.0, 60.0), (60.0, 75.0))]
    found = find(name, planted(pieces, query_seconds=70, reference_seconds=140, seed=5))
    assert len(found) == 3
    for segment, (query, reference) in zip(sorted(found, key=lambda s: s.query_start), pieces, strict=True):
        assert_span(segment, query, reference)


@every_aligner_but_dtw
def test_two_occurrences_of_one_span_are_both_found(name: str) -> None:
    matrix = planted([((5, 25), (10, 30))], query_seconds=30, reference_seconds=60, seed=2)
    twice = np.concatenate([matrix.scores, matrix.scores], axis=1)
    matrix = SimilarityMatrix.build(twice, matrix.query_times, np.arange(120.0))
    found = sorted(find(name, matrix), key=lambda s: s.reference_start)
    assert len(found) == 2
    assert_span(found[0], (5, 25), (10, 30))
    assert_span(found[1], (5, 25), (70, 90))


@every_aligner
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("wander", [1.0, 0.25])
def test_unrelated_footage_yields_nothing(name: str, seed: int, wander: float) -> None:
    assert find(name, planted([], query_seconds=90, reference_seconds=200, seed=seed, wander=wander)) == []


@every_aligner
def test_a_block_of_likeness_without_temporal_structure_is_no_segment(name: str) -> None:
    rng = np.random.default_rng(0)
    scores = 0.7 + 0.03 * rng.standard_normal((40, 60))
    assert find(name, SimilarityMatrix.build(scores, np.arange(40.0), np.arange(60.0))) == []


@every_aligner
def test_a_static_scene_that_is_almost_exactly_the_same_is_one_segment_at_speed_one(name: str) -> None:
    rng = np.random.default_rng(0)
    scores = 0.97 + 0.005 * rng.standard_normal((30, 30))
    (found,) = find(name, SimilarityMatrix.build(scores, np.arange(30.0), np.arange(30.0)))
    assert found.query_length == pytest.approx(found.reference_length, abs=1.5)
    assert found.query_length >= 27
    assert not found.reversed


@every_aligner
def test_one_frame_in_common_is_a_coincidence(name: str) -> None:
    scores = np.zeros((40, 60), dtype=np.float32)
    scores[20, 33] = 0.99
    assert find(name, SimilarityMatrix.build(scores, np.arange(40.0), np.arange(60.0))) == []


@every_aligner
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_clip_of_one_to_three_frames_matches_in_full(name: str, frames: int) -> None:
    scores = np.zeros((frames, 60), dtype=np.float32)
    scores[np.arange(frames), 30 + np.arange(frames)] = 0.92
    (found,) = find(name, SimilarityMatrix.build(scores, np.arange(float(frames)), np.arange(60.0)))
    assert (found.query_start, found.query_end) == (0.0, float(frames))
    assert found.reference_start == pytest.approx(30, abs=0.6)


@every_aligner
def test_frames_without_information_never_vote(name: str) -> None:
    matrix = planted([((10, 30), (40, 60))], query_seconds=40, reference_seconds=90, seed=4)
    blind = SimilarityMatrix.build(
        matrix.scores, matrix.query_times, matrix.reference_times, query_mask=np.zeros(40, dtype=bool)
    )
    assert find(name, matrix)
    assert find(name, blind) == []


@every_aligner
def test_a_black_passage_inside_a_copy_does_not_cut_it_in_two(name: str) -> None:
    matrix = planted([((10, 50), (40, 80))], query_seconds=60, reference_seconds=120, seed=4)
    q_mask, r_mask = np.ones(60, dtype=bool), np.ones(120, dtype=bool)
    q_mask[25:35], r_mask[55:65] = False, False
    masked = SimilarityMatrix.build(
        matrix.scores, matrix.query_times, matrix.reference_times, query_mask=q_mask, reference_mask=r_mask
    )
    (found,) = find(name, masked)
    assert_span(found, (10, 50), (40, 80))


@every_aligner
def test_uneven_frame_times_are_taken_in_seconds(name: str) -> None:
    rng = np.random.default_rng(8)
    times = np.sort(np.concatenate([np.arange(0.0, 60.0), rng.uniform(0, 60, 25)]))
    matrix = planted(
        [((15, 40), (70, 95))], query_seconds=60, reference_seconds=130, wander=0.7, seed=8, query_times=times
    )
    assert_span(find(name, matrix)[0], (15, 40), (70, 95), within=2.0)


@every_aligner
def test_an_empty_side_yields_nothing(name: str) -> None:
    assert find(name, SimilarityMatrix.build(np.zeros((0, 5)), [], np.arange(5.0))) == []
    assert find(name, SimilarityMatrix.build(np.zeros((5, 0)), np.arange(5.0), [])) == []


@every_aligner
@pytest.mark.parametrize("seed", range(12))
def test_segments_stay_inside_both_videos_whatever_the_matrix(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 40, 2))
    scores = np.clip(rng.normal(rng.uniform(0, 0.9), rng.uniform(0.01, 0.5), shape), -1, 1)
    q_times, r_times = np.sort(rng.uniform(0, 50, shape[0])), np.sort(rng.uniform(0, 50, shape[1]))
    matrix = SimilarityMatrix.build(scores, q_times, r_times, query_mask=rng.random(shape[0]) < 0.8)
    for found in find(name, matrix):
        assert 0 <= found.query_start < found.query_end <= matrix.query_duration + 1e-9
        assert 0 <= found.reference_start < found.reference_end <= matrix.reference_duration + 1e-9
        assert 0 <= found.score <= 1


def test_a_matrix_with_nan_or_with_times_that_do_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        SimilarityMatrix.build([[np.nan]], [0.0], [0.0])
    with pytest.raises(ValueError, match="one of each"):
        SimilarityMatrix.build(np.zeros((2, 2)), [0.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="ascending"):
        SimilarityMatrix.build(np.zeros((2, 1)), [1.0, 0.0], [0.0])


@pytest.mark.parametrize("middle", ["other footage", "nothing alike"])
def test_a_copy_with_something_else_in_its_middle_is_found_on_both_sides_of_it(middle: str) -> None:
    rng = np.random.default_rng(7)
    source, other = (Footage(rng, 60).at(np.arange(60.0)) for _ in range(2))
    scores = similarity_matrix(np.concatenate([source[:20], other[:20], source[40:]]), source)
    if middle == "nothing alike":
        scores[20:40] = 0
    matrix = SimilarityMatrix.build(scores, np.arange(60.0), np.arange(60.0))
    found = sorted(get_aligner("hough").align(matrix, AlignerConfig()), key=lambda s: s.query_start)
    spans = [(s.query_start, s.query_end) for s in found]
    assert spans == [pytest.approx((0, 20), abs=1), pytest.approx((40, 60), abs=1)]

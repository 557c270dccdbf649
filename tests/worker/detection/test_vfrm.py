"""VFRM finds what was planted in one reference, and labels a query stitched from several."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worker.alignment.planting import Footage, edited, planted
from worker.alignment import AlignerConfig, SimilarityMatrix, get_aligner
from worker.detection.vfrm import SequenceLabels, VfrmAligner, label_sequence
from worker.types import FloatArray, Segment

CONFIG = AlignerConfig()


def assert_span(found: Segment, query: tuple[float, float], reference: tuple[float, float], within: float) -> None:
    actual = (found.query_start, found.query_end, found.reference_start, found.reference_end)
    assert actual == pytest.approx((*query, *reference), abs=within)


def test_it_is_known_by_name_once_the_detection_package_is_imported() -> None:
    assert isinstance(get_aligner("vfrm"), VfrmAligner)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cosine", [0.7, 0.95])
def test_a_copied_span_is_found_where_it_was_planted(seed: int, cosine: float) -> None:
    matrix = planted([((20, 45), (100, 125))], query_seconds=70, reference_seconds=200, cosine=cosine, seed=seed)
    (found,) = VfrmAligner().align(matrix, CONFIG)
    assert_span(found, (20, 45), (100, 125), 1.1)
    assert not found.reversed


@pytest.mark.parametrize("speed", [0.5, 0.7, 1.3, 2.0])
def test_a_copy_at_another_speed_is_found_with_both_spans(speed: float) -> None:
    matrix = planted([((10, 50), (30, 30 + 40 * speed))], query_seconds=60, reference_seconds=180, seed=3)
    assert_span(VfrmAligner().align(matrix, CONFIG)[0], (10, 50), (30, 30 + 40 * speed), 2.0)


def test_a_reversed_copy_is_found_and_said_to_be_reversed() -> None:
    matrix = planted([((15, 45), (120, 90))], query_seconds=60, reference_seconds=180, seed=1)
    (found,) = VfrmAligner().align(matrix, CONFIG)
    assert found.reversed
    assert_span(found, (15, 45), (90, 120), 1.1)


def test_several_spans_out_of_order_are_all_found() -> None:
    pieces = [((0.0, 20.0), (100.0, 120.0)), ((20.0, 40.0), (30.0, 50.0)), ((45.0, 60.0), (150.0, 165.0))]
    matrix = planted(pieces, query_seconds=60, reference_seconds=180, seed=2)
    found = sorted(VfrmAligner().align(matrix, CONFIG), key=lambda s: s.query_start)
    assert len(found) == 3
    for segment, (query, reference) in zip(found, pieces, strict=True):
        assert_span(segment, query, reference, 1.1)


def test_footage_that_occurs_twice_in_the_reference_is_found_twice() -> None:
    once = planted([((10, 40), (20, 50))], query_seconds=50, reference_seconds=150, seed=5)
    scores = once.scores.copy()
    scores[:, 90:120] = once.scores[:, 20:50]
    twice = SimilarityMatrix.build(scores, once.query_times, once.reference_times)
    found = sorted(VfrmAligner().align(twice, CONFIG), key=lambda s: s.reference_start)
    assert [round(s.reference_start / 10) for s in found] == [2, 9]


def test_unrelated_videos_and_empty_ones_give_nothing() -> None:
    for seed in range(5):
        assert VfrmAligner().align(planted([], query_seconds=60, reference_seconds=120, seed=seed), CONFIG) == []
    empty = SimilarityMatrix.build(np.empty((0, 5), np.float32), [], np.arange(5.0))
    assert VfrmAligner().align(empty, CONFIG) == []


def test_transition_probabilities_must_fit_the_query() -> None:
    matrix = planted([((5, 25), (5, 25))], query_seconds=30, reference_seconds=40)
    with pytest.raises(ValueError, match="transition probabilities"):
        VfrmAligner(changes=np.zeros(7, np.float32)).align(matrix, CONFIG)


# (reference, first second, last second); None is footage of no reference
PIECES: list[tuple[str | None, int, int]] = [
    ("a", 40, 60), ("c", 10, 25), (None, 0, 8), ("b", 70, 85), ("a", 5, 17), ("c", 60, 45),
]  # fmt: skip


def stitched(cosine: float, seed: int) -> tuple[FloatArray, dict[str, FloatArray], list[tuple[str | None, float]]]:
    """Query vectors, the references' vectors, and the true (name, second) of every query second."""
    rng = np.random.default_rng(seed)
    footage = {name: Footage(rng, 120) for name in ("a", "b", "c", "d")}
    strange = Footage(rng, 120)
    parts, truth = [], []
    for name, first, last in PIECES:
        seconds = np.arange(first, last, 1.0 if last > first else -1.0)
        parts.append((strange if name is None else footage[name]).at(seconds))
        truth += [(name, float(s)) for s in seconds]
    query = edited(rng, np.concatenate(parts), cosine)
    return query, {name: f.at(np.arange(0.0, 120.0)) for name, f in footage.items()}, truth


def correct(found: SequenceLabels, truth: list[tuple[str | None, float]]) -> float:
    right = [
        name == wanted and (wanted is None or abs(second - moment) < 0.5)
        for name, second, (wanted, moment) in zip(found.names, found.times, truth, strict=True)
    ]
    return sum(right) / len(right)


@pytest.mark.parametrize("seed", range(3))
def test_every_second_of_a_stitched_query_is_labelled(seed: int) -> None:
    query, references, truth = stitched(0.85, seed)
    found = label_sequence(query, references)
    assert correct(found, truth) == 1.0
    assert found.backwards.tolist() == [False] * 70 + [True] * 15


def test_the_labels_become_one_segment_a_piece() -> None:
    query, references, _ = stitched(0.9, 4)
    segments = label_sequence(query, references).segments()
    assert [name for name, _ in segments] == ["a", "c", "b", "a", "c"]
    assert_span(segments[0][1], (0, 19.5), (40, 59.5), 0.6)
    assert_span(segments[2][1], (42.5, 57.5), (69.5, 84.5), 0.6)
    assert segments[4][1].reversed


def test_a_sure_transition_makes_a_weak_switch_worth_it() -> None:
    rng = np.random.default_rng(0)
    a, b = Footage(rng, 40).at(np.arange(40.0)), Footage(rng, 40).at(np.arange(40.0))
    blend = np.concatenate([a[:10], 0.48 * b[10:12] + 0.02 * a[10:12], a[12:20]])
    query = (blend / np.linalg.norm(blend, axis=1, keepdims=True)).astype(np.float32)
    query[10:12] = 0.65 * b[10:12] + np.sqrt(1 - 0.65**2) * query[10:12][:, ::-1]
    query = (query / np.linalg.norm(query, axis=1, keepdims=True)).astype(np.float32)
    sure = np.zeros(20, np.float32)
    sure[[0, 10, 12]] = 1
    constant = label_sequence(query, {"a": a, "b": b})
    gated = label_sequence(query, {"a": a, "b": b}, transition=lambda vectors: sure)
    assert constant.names[10] != "b"
    assert gated.names[10:12] == ["b", "b"]
    assert gated.names[:10] == ["a"] * 10


def test_seconds_that_say_nothing_go_with_their_neighbours() -> None:
    rng = np.random.default_rng(1)
    source = Footage(rng, 60).at(np.arange(60.0))
    query = source[20:40].copy()
    query[8:11] = Footage(rng, 10).at(np.arange(3.0))
    informative = np.ones(20, bool)
    informative[8:11] = False
    found = label_sequence(query, {"a": source}, informative=informative)
    assert found.names == ["a"] * 20
    assert np.allclose(found.times, np.arange(20.0, 40.0))


def test_a_query_at_another_rate_keeps_its_times() -> None:
    source = Footage(np.random.default_rng(2), 60)
    times = np.arange(0.0, 15.0, 0.5)
    found = label_sequence(
        source.at(10 + 1.5 * times), {"a": source.at(np.arange(0.0, 60.0, 0.5))},
        query_times=times, reference_times={"a": np.arange(0.0, 60.0, 0.5)},
    )  # fmt: skip
    assert np.abs(found.times - (10 + 1.5 * times)).max() <= 0.5
    ((_, segment),) = found.segments(duration=15.0)
    assert segment.reference_length / segment.query_length == pytest.approx(1.5, abs=0.1)


def test_nothing_to_label_or_nothing_to_compare_with() -> None:
    some = Footage(np.random.default_rng(0), 5).at(np.arange(5.0))
    assert label_sequence(some, {}).names == [None] * 5
    assert label_sequence(some[:0], {"a": some}).segments() == []

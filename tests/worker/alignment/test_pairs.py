"""match_pair, the verdict, and both seen from the other side."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.alignment.planting import Footage, edited
from worker.alignment import DecisionModel, Verdict, background_penalty, decide, match_pair, swap_pair, swap_verdict
from worker.alignment.decision import covered_seconds, union
from worker.types import Descriptors, FloatArray, Segment, View


def video(vectors: FloatArray, mirrored: FloatArray | None = None) -> Descriptors:
    count = len(vectors)
    flipped = () if mirrored is None else (View("mirrored", "mirrored", np.arange(count), mirrored, mirrored=True),)
    return Descriptors(vectors, np.arange(float(count)), np.ones(count, dtype=bool), float(count), flipped)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture
def source(rng: np.random.Generator) -> FloatArray:
    return Footage(rng, 60).at(np.arange(60.0))


@pytest.mark.parametrize("aligner", ["hough", "temporal_network"])
def test_a_re_encode_is_a_near_duplicate(rng: np.random.Generator, source: FloatArray, aligner: str) -> None:
    verdict = match_pair(video(edited(rng, source, 0.9)), video(source), aligner).verdict
    assert verdict.relation == "near_duplicate"
    assert verdict.is_match
    assert verdict.score > 0.9
    assert verdict.query_coverage > 0.95 < verdict.reference_coverage


def test_a_trimmed_copy_lies_inside_the_original_and_the_original_contains_it(source: FloatArray) -> None:
    found = match_pair(video(source[20:45]), video(source))
    assert found.verdict.relation == "contained_in"
    assert found.segments[0].reference_start == pytest.approx(20, abs=0.6)
    assert match_pair(video(source), video(source[20:45])).verdict.relation == "contains"
    assert swap_pair(found).verdict.relation == "contains"


def test_a_stitched_video_shares_segments(rng: np.random.Generator, source: FloatArray) -> None:
    other = Footage(rng, 60).at(np.arange(60.0))
    stitched = np.concatenate([other[:20], source[10:25], other[30:50]])
    found = match_pair(video(stitched), video(source))
    assert found.verdict.relation == "shares_segments"
    assert found.verdict.query_coverage == pytest.approx(15 / 55, abs=0.03)


def test_unrelated_videos_have_nothing_to_do_with_each_other(rng: np.random.Generator, source: FloatArray) -> None:
    found = match_pair(video(Footage(rng, 60).at(np.arange(60.0))), video(source))
    assert found.segments == []
    assert found.verdict == Verdict(0.0, "none", 0.0, 0.0)


def test_a_mirrored_copy_is_recognised_by_the_mirrored_vectors(rng: np.random.Generator, source: FloatArray) -> None:
    flipped = Footage(rng, 60).at(np.arange(60.0))
    found = match_pair(video(flipped, edited(rng, source, 0.9)), video(source))
    assert found.verdict.mirrored
    assert found.verdict.relation == "near_duplicate"


def test_a_symmetric_scene_is_not_called_mirrored(source: FloatArray) -> None:
    assert not match_pair(video(source, source), video(source)).verdict.mirrored


def test_frames_that_resemble_the_background_lose_score(rng: np.random.Generator, source: FloatArray) -> None:
    wall = Descriptors(
        source, np.arange(60.0), np.ones(60, dtype=bool), 60.0, penalty=background_penalty(source, source[::2])
    )
    plain = match_pair(video(source), video(source)).segments[0].score
    assert sum(s.score for s in match_pair(wall, wall).segments) < plain


def test_penalties_on_one_side_only_are_refused(source: FloatArray) -> None:
    one = Descriptors(source, np.arange(60.0), np.ones(60, dtype=bool), 60.0, penalty=np.zeros(60, dtype=np.float32))
    with pytest.raises(ValueError, match="for neither"):
        match_pair(one, video(source))


def test_vectors_of_two_descriptors_are_refused(source: FloatArray) -> None:
    with pytest.raises(ValueError, match="different descriptors"):
        match_pair(video(source[:, :32]), video(source))


def test_a_swapped_pair_swapped_again_is_the_same(source: FloatArray) -> None:
    found = match_pair(video(source[10:40]), video(source))
    assert swap_pair(swap_pair(found)) == found


@pytest.mark.parametrize("relation", ["exact", "near_duplicate", "shares_segments", "none"])
def test_symmetric_relations_stay_when_sides_are_swapped(relation: str) -> None:
    verdict = Verdict(0.7, relation, 0.2, 0.4, True, True)  # type: ignore[arg-type]
    assert swap_verdict(verdict) == Verdict(0.7, relation, 0.4, 0.2, True, True)  # type: ignore[arg-type]


def spans(limit: float = 100.0) -> st.SearchStrategy[tuple[float, float]]:
    end = st.floats(0, limit, allow_nan=False)
    return st.tuples(end, end).map(lambda p: (min(p), max(p)))


@settings(deadline=None)  # machines under load are no failure
@given(st.lists(spans(), max_size=8))
def test_a_union_is_ascending_disjoint_and_as_long_as_a_fine_count_says(intervals: list[tuple[float, float]]) -> None:
    merged = union(intervals)
    assert all(a[1] < b[0] for a, b in pairwise(merged))
    grid = np.arange(0, 100, 0.05) + 0.025
    inside = np.zeros(len(grid), dtype=bool)
    for start, end in intervals:
        inside |= (grid >= start) & (grid < end)
    assert covered_seconds(intervals, 100.0) == pytest.approx(inside.sum() * 0.05, abs=0.1 * (len(intervals) + 1))


@settings(deadline=None)  # machines under load are no failure
@given(
    st.lists(st.tuples(spans(), spans(), st.floats(0, 1), st.booleans()), max_size=6),
    st.floats(1, 200),
    st.floats(1, 200),
)
def test_scores_and_coverages_stay_between_zero_and_one(
    rows: list[tuple[tuple[float, float], tuple[float, float], float, bool]], query: float, reference: float
) -> None:
    verdict = decide([Segment(*q, *r, s, s, rev) for q, r, s, rev in rows], query, reference)
    assert 0 <= verdict.score <= 1
    assert 0 <= verdict.query_coverage <= 1
    assert 0 <= verdict.reference_coverage <= 1
    assert (verdict.relation == "none") == (not rows)


@settings(deadline=None)  # machines under load are no failure
@given(st.floats(0.3, 0.95), st.floats(0.01, 0.05), st.floats(5, 100))
def test_more_similarity_never_lowers_the_score(similarity: float, more: float, length: float) -> None:
    assert (
        decide([Segment(0, 9, 0, 9, 0.4, 0.4)], 100, 100).score
        < decide([Segment(0, 9, 0, 9, 0.7, 0.7)], 100, 100).score
    )

    def score(value: float) -> float:
        return decide([Segment(0, length, 0, length, value, value)], 100.0, 100.0).score

    assert score(similarity + more) >= score(similarity)


def test_a_clip_of_two_seconds_that_lacks_a_third_of_a_second_is_still_whole() -> None:
    verdict = decide([Segment(0.0, 1.7, 40.0, 41.7, 0.9, 0.9)], 2.0, 300.0)
    assert verdict.relation == "contained_in"


def test_a_decision_model_survives_saving_and_refuses_nonsense(tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    model = DecisionModel(bias=-3.5, accept_score=0.7)
    model.save(path)
    assert DecisionModel.load(path) == model
    path.write_text('{"bias": "high"}')
    with pytest.raises(ValueError, match="bias"):
        DecisionModel.load(path)
    path.write_text('{"no such weight": 1}')
    with pytest.raises(ValueError, match="decision model"):
        DecisionModel.load(path)

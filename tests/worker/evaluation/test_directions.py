"""Both directions against naive oracles and scikit-learn; intervals and gains against their definitions and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score

from worker.evaluation import directions
from worker.evaluation.directions import QueryResults, both_directions
from worker.evaluation.intervals import (
    mean_interval,
    paired_gain,
    recall_sums,
    score_intervals,
)
from worker.evaluation.retrieval import evaluate_retrieval


@st.composite
def libraries(draw: st.DrawFn, levels: tuple[int, ...] = (3, 1000)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Similarities (C, N) with or without many ties, the video of each caption and the source of each video."""
    videos = draw(st.integers(2, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    owners = rng.permutation(np.concatenate([np.arange(videos), rng.integers(0, videos, draw(st.integers(0, 8)))]))
    return (
        rng.integers(0, draw(st.sampled_from(levels)), (len(owners), videos)) / 7,
        owners,
        rng.integers(0, draw(st.integers(1, 7)), videos),
    )


def naive(scores: list[float], relevant: list[bool]) -> tuple[int, float]:
    """Rank and average precision by plain sorting, wrong ones first among equals."""
    order = [flag for _, flag in sorted(zip(scores, relevant, strict=True), key=lambda p: (-p[0], p[1]))]
    precisions = [sum(order[:place]) / place for place, flag in enumerate(order, start=1) if flag]
    return order.index(True) + 1, sum(precisions) / len(precisions)


@settings(deadline=None)
@given(libraries(), st.integers(1, 5))
def test_both_directions_are_those_of_plain_sorting_in_any_blocks(problem, block: int) -> None:
    scores, owners, sources = problem
    whole = both_directions(scores, owners, video_sources=sources)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(directions, "BLOCK", block)
        parts = both_directions(lambda rows: scores[rows], owners, videos=scores.shape[1], video_sources=sources)
    for query, owner in enumerate(owners):
        expected = naive(scores[query].tolist(), [s == sources[owner] for s in sources])
        assert (whole.t2v.rank[query], whole.t2v.precision[query]) == pytest.approx(expected)
        assert whole.t2v.source[query] == sources[owner]
    videos = range(scores.shape[1])
    for video in videos:
        best = [max(scores[c][video] for c in range(len(owners)) if owners[c] == other) for other in videos]
        expected = naive(best, [s == sources[video] for s in sources])
        assert (whole.v2t.rank[video], whole.v2t.precision[video]) == pytest.approx(expected)
    for one, other in ((whole.t2v, parts.t2v), (whole.v2t, parts.v2t)):
        assert one.rank.tolist() == other.rank.tolist()
        assert one.precision.tolist() == other.precision.tolist()


@given(st.integers(2, 6), st.integers(0, 10_000))
def test_video_to_text_takes_the_best_caption_of_each_video(videos: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    owners = np.array([*range(videos), *rng.integers(0, videos, 5)])
    scores = rng.integers(0, 6, (len(owners), videos)) / 6.0
    places = []
    for video in range(videos):
        best = [scores[owners == other, video].max() for other in range(videos)]
        places.append(1 + sum(best[other] >= best[video] for other in range(videos) if other != video))
    assert both_directions(scores, owners).v2t.rank.tolist() == places


@settings(deadline=None)
@given(libraries(), st.integers(0, 1000))
def test_the_metrics_are_those_of_scikit_learn(problem, seed: int) -> None:
    scores, owners, sources = problem
    scores = np.random.default_rng(seed).permutation(scores.size).reshape(scores.shape) / scores.size  # without ties
    relevant = sources[owners][:, None] == sources[None, :]
    assert evaluate_retrieval(scores, relevant).map == pytest.approx(
        label_ranking_average_precision_score(relevant, scores)
    )
    found, videos = both_directions(scores, owners).t2v.scores(), scores.shape[1]
    if videos > 2:  # with two classes scikit-learn wants another shape
        for k, recall in ((1, found.r1), (5, found.r5)):
            if k < videos:
                expected = top_k_accuracy_score(owners, scores, k=k, labels=np.arange(videos))
                assert recall == pytest.approx(expected)


@settings(deadline=None)
@given(libraries(levels=(3,)))
def test_with_one_right_answer_ties_count_as_in_scikit_learn(problem) -> None:
    scores, owners, _ = problem
    relevant = np.eye(scores.shape[1], dtype=bool)[owners]
    ours = evaluate_retrieval(scores, relevant).map
    assert ours == pytest.approx(label_ranking_average_precision_score(relevant, scores))


def test_a_model_that_says_the_same_of_everything_is_last_in_both_directions() -> None:
    found = both_directions(np.zeros((6, 3)), [0, 0, 1, 1, 2, 2])
    assert found.t2v.rank.tolist() == [3] * 6
    assert found.v2t.rank.tolist() == [3] * 3


def test_what_is_printed_has_the_asked_keys_in_per_cent() -> None:
    found = both_directions(np.eye(3)[[0, 0, 1, 2]], [0, 0, 1, 2]).as_dict()
    perfect = {"r1": 100, "r5": 100, "r10": 100, "mdr": 1, "mnr": 1, "map": 100}
    assert found == {
        "t2v": perfect,
        "v2t": perfect,
        "n_videos": 3,
        "n_queries": 4,
        "rsum": {"t2v": 300, "v2t": 300, "total": 600},
    }


@pytest.mark.parametrize(
    ("similarity", "owners", "options", "words"),
    [
        ([[0.0, math.nan]], [0], {}, "no caption"),
        ([[0.0, math.nan], [0.0, 1.0]], [0, 1], {}, "NaN"),
        (np.zeros((0, 2)), [], {}, "nothing to evaluate"),
        ([[0.0, 1.0]], [2], {}, "not among"),
        ([[0.0, 1.0]], [-1], {}, "not among"),
        ([[0.0], [1.0]], [0], {"video_sources": [0, 1]}, "one source"),
        ([0.0], [0], {}, "captions, videos"),
        (lambda rows: np.zeros((1, 2)), [0, 1], {}, "number of videos"),
        (lambda rows: np.zeros((1, 2)), [0, 1], {"videos": 2}, "must be"),
    ],
)
def test_faulty_input_is_an_error(similarity, owners, options, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        both_directions(similarity, owners, **options)


def results(rank: list[int], source: list[int]) -> QueryResults:
    return QueryResults(np.array(rank), 1 / np.array(rank, float), np.array(source))


def test_an_interval_is_that_of_scipy_where_every_query_is_its_own_source() -> None:
    values = np.random.default_rng(0).normal(5, 2, 80)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert mean_interval(values, samples=4000) == pytest.approx(tuple(expected), abs=0.06)


def test_queries_about_one_source_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    by_source = rng.normal(0, 1, 50)
    low, high = mean_interval(by_source)
    again = mean_interval(np.repeat(by_source, 20), np.repeat(np.arange(50), 20))
    assert again == pytest.approx((low, high))  # twenty captions a video say no more than one
    alone = mean_interval(np.repeat(by_source, 20))
    assert alone[1] - alone[0] < (high - low) / 3
    assert mean_interval(by_source, [f"name {n:02}" for n in range(50)]) == (low, high)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), min_size=2, max_size=25), st.integers(0, 3))
def test_score_intervals_are_those_of_drawing_whole_sources_one_by_one(rows, seed: int) -> None:
    found = results([r for r, _ in rows], [s for _, s in rows])
    intervals = score_intervals(found, samples=40, seed=seed)
    scores = found.scores().as_dict()
    assert intervals.keys() == scores.keys()
    names = np.unique(found.source)
    rng = np.random.default_rng(seed)
    drawn = []
    for picked in rng.integers(0, len(names), (40, len(names))):
        queries = np.concatenate([np.flatnonzero(found.source == names[p]) for p in picked])
        drawn.append(
            QueryResults(found.rank[queries], found.precision[queries], found.source[queries]).scores().as_dict()
        )
    for name, (low, high) in intervals.items():
        assert (low, high) == pytest.approx(tuple(np.percentile([d[name] for d in drawn], [2.5, 97.5])))


def test_a_gain_is_paired_by_query() -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(0, 10, 400)  # queries differ a lot, the gain little
    after = before + rng.normal(0.3, 0.5, 400)
    gain = paired_gain(before, after, np.arange(400) // 2)
    assert gain.mean == pytest.approx(float((after - before).mean()))
    assert gain.low < gain.mean < gain.high
    assert gain.certain
    assert (gain.queries, gain.sources) == (400, 200)
    unpaired = mean_interval(after)
    assert gain.high - gain.low < (unpaired[1] - unpaired[0]) / 5
    back = paired_gain(after, before, np.arange(400) // 2)
    assert (back.mean, back.low, back.high) == pytest.approx((-gain.mean, -gain.high, -gain.low), abs=0.02)
    assert not back.certain
    assert paired_gain(before, before).as_dict() == {
        "mean": 0.0, "low": 0.0, "high": 0.0, "queries": 400, "sources": 400, "certain": False,
    }  # fmt: skip


def test_about_5_of_100_gains_of_nothing_miss_zero() -> None:
    rng = np.random.default_rng(2)
    found = [paired_gain(np.zeros(60), rng.normal(0, 1, 60), samples=300, seed=trial) for trial in range(100)]
    assert 87 <= sum(gain.low <= 0 <= gain.high for gain in found) <= 100


def test_the_gain_in_recall_sums_is_in_points_of_r_sum() -> None:
    rng = np.random.default_rng(0)
    owners = np.repeat(np.arange(60), 3)
    noise = rng.normal(0, 1, (180, 60))
    weak, strong = (both_directions(np.eye(60)[owners] * signal + noise, owners) for signal in (1.0, 2.0))
    gain = paired_gain(recall_sums(weak.t2v.rank), recall_sums(strong.t2v.rank), weak.t2v.source)
    totals = [found.as_dict()["rsum"]["t2v"] for found in (weak, strong)]
    assert gain.mean == pytest.approx(totals[1] - totals[0])
    assert strong.rsum() == pytest.approx(strong.as_dict()["rsum"]["total"])
    assert gain.certain
    assert (gain.queries, gain.sources) == (180, 60)
    assert recall_sums([1, 5, 10, 11]).tolist() == [300, 200, 100, 0]


def test_gains_of_unlike_or_too_few_queries_are_errors() -> None:
    for arguments, words in (
        (([1.0, 2.0], [1.0]), "same queries"),
        (([1.0], [2.0]), "one source"),
        (([1.0, 2.0], [2.0, 3.0], [7, 7]), "one source"),
        (([1.0, math.nan], [2.0, 3.0]), "NaN"),
        (([], []), "at least one"),
        (([1.0, 2.0], [2.0, 3.0], [1]), "one source for each"),
    ):
        with pytest.raises(ValueError, match=words):
            paired_gain(*arguments)
    with pytest.raises(ValueError, match="between 0 and 1"):
        mean_interval([1.0, 2.0], confidence=95)


def test_a_mean_interval_holds_the_mean_narrows_with_more_data_and_repeats() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(5, 1, 30), rng.normal(5, 1, 3000)
    low, high = mean_interval(few)
    assert low < few.mean() < high
    narrow = mean_interval(many)
    assert narrow[1] - narrow[0] < (high - low) / 4
    assert mean_interval(few) == (low, high)
    assert mean_interval(few, seed=1) != (low, high)
    assert mean_interval([2.0] * 10) == (2.0, 2.0)


def test_about_95_of_100_intervals_hold_the_true_mean() -> None:
    rng = np.random.default_rng(1)
    holds = 0
    for trial in range(100):
        low, high = mean_interval(rng.normal(0, 1, 60), samples=300, seed=trial)
        holds += low <= 0 <= high
    assert 87 <= holds <= 100

"""Voting for candidate videos."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.alignment import FrameHits, vote_for_videos

CLOCK = np.arange(100.0)


def hits(rows: list[tuple[int, str, float, float]]) -> FrameHits[str]:
    return FrameHits([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], [r[3] for r in rows])


def test_aligned_hits_beat_more_hits_that_are_scattered() -> None:
    rng = np.random.default_rng(0)
    aligned = [(q, "copy", q + 40.0, 0.6) for q in range(10, 25)]
    scattered = [(int(rng.integers(0, 100)), "noise", float(rng.uniform(0, 3000)), 0.6) for _ in range(60)]
    first, second = vote_for_videos(hits(scattered + aligned), CLOCK)
    assert (first.video_id, first.query_rows, first.slope) == ("copy", 15, 1.0)
    assert first.offset == pytest.approx(40, abs=4)
    assert second.hits == 60


def test_one_frame_that_hits_a_static_video_a_hundred_times_counts_once() -> None:
    static = [(5, "static", 20 + k / 50, 0.9) for k in range(100)]
    copied = [(q, "copy", float(q), 0.7) for q in range(3)]
    ranked = vote_for_videos(hits(static + copied), CLOCK)
    assert [c.video_id for c in ranked] == ["copy", "static"]
    assert ranked[1].votes == pytest.approx(0.9)


@pytest.mark.parametrize("slope", [0.5, 0.8, 1.25, 2.0, -1.0])
def test_a_copy_at_another_speed_keeps_its_votes_together(slope: float) -> None:
    (best,) = vote_for_videos(hits([(q, "v", 300 + slope * q, 1.0) for q in range(60)]), CLOCK)
    assert best.slope == slope
    assert best.votes == pytest.approx(60)


def test_the_list_is_cut_at_the_limit() -> None:
    rows = [(0, f"v{k}", 1.0, 0.5 + k / 100) for k in range(40)]
    ranked = vote_for_videos(hits(rows), CLOCK)
    assert len(ranked) == 25
    assert ranked[0].video_id == "v39"


def test_no_hits_no_candidates_and_bad_hits_are_refused() -> None:
    assert vote_for_videos(hits([]), CLOCK) == []
    with pytest.raises(ValueError, match="no time"):
        vote_for_videos(hits([(100, "v", 0.0, 1.0)]), CLOCK)
    with pytest.raises(ValueError, match="every hit"):
        vote_for_videos(FrameHits([0], ["a", "b"], [0.0], [1.0]), CLOCK)


def naive(rows: list[tuple[int, str, float, float]], width: float = 4.0) -> dict[str, float]:
    """Best bin of speed one of every video, by plain dictionaries."""
    bins: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    for row, video, time, score in rows:
        half = int(np.floor((time - CLOCK[row]) / (width / 2)))
        for cell in (half, half - 1):
            held = bins[video, cell]
            held[row] = max(held.get(row, 0.0), score)
    best: dict[str, float] = {}
    for (video, _), votes in bins.items():
        best[video] = max(best.get(video, 0.0), sum(votes.values()))
    return best


@settings(deadline=None)  # machines under load are no failure
@given(
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from("abc"), st.floats(0, 50), st.floats(0.01, 1)), max_size=40)
)
def test_votes_are_those_of_a_naive_count(rows: list[tuple[int, str, float, float]]) -> None:
    ranked = vote_for_videos(hits(rows), CLOCK, slopes=(1.0,))
    assert {c.video_id: pytest.approx(c.votes) for c in ranked} == naive(rows)
    assert [c.votes for c in ranked] == sorted((c.votes for c in ranked), reverse=True)

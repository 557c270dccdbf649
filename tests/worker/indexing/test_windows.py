"""Properties of the clip windows, for any shots and any sampling."""

from __future__ import annotations

import bisect
import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker.indexing.windows import REMAINDER_SECONDS, WINDOW_SECONDS, ClipWindower
from worker.types import ClipWindow, SampledFrame, Shot

PIXEL = np.zeros((1, 1, 3), np.uint8)


def clip_windows(shots: list[Shot], times: list[float]) -> list[ClipWindow]:
    """The windows of a whole video. A shot starts with the first sampled frame at or after its start."""
    first_rows = {bisect.bisect_left(times, shot.start) for shot in shots}
    windower = ClipWindower()
    windows: list[ClipWindow] = []
    for row, time in enumerate(times):
        windows += windower.push(SampledFrame(time, PIXEL, "grid", starts_shot=row in first_rows))
    return windows + windower.finish(max([shot.end for shot in shots] + times[-1:], default=0.0))


@st.composite
def videos(draw: st.DrawFn) -> tuple[list[Shot], list[float]]:
    """Shots that follow each other, and sampled frames: a grid (sometimes with gaps) and every shot's first frame."""
    lengths = draw(st.lists(st.floats(0.05, 40.0), min_size=1, max_size=12))
    ends = [round(end, 3) for end in itertools.accumulate(lengths)]
    starts = [0.0, *ends[:-1]]
    shots = [Shot(a, b, a) for a, b in zip(starts, ends, strict=True)]
    step = draw(st.sampled_from([0.25, 0.5, 1.0]))
    grid = [i * step for i in range(int(ends[-1] / step) + 1) if i * step < ends[-1]]
    gap = draw(st.tuples(st.floats(0, ends[-1]), st.floats(0, 25)))
    grid = [t for t in grid if not gap[0] < t < gap[0] + gap[1]]
    return shots, sorted({*grid, *starts})


@given(videos())
def test_every_sampled_frame_is_in_a_window_that_contains_its_time(video: tuple[list[Shot], list[float]]) -> None:
    shots, times = video
    windows = clip_windows(shots, times)
    assert {row for window in windows for row in window.rows} == set(range(len(times)))
    for window in windows:
        assert window.rows
        assert list(window.rows) == sorted(set(window.rows))
        assert all(window.start <= times[row] <= window.end for row in window.rows)


@given(videos())
def test_windows_are_in_order_inside_the_video_and_of_bounded_length(video: tuple[list[Shot], list[float]]) -> None:
    shots, times = video
    windows = clip_windows(shots, times)
    assert [w.start for w in windows] == sorted(w.start for w in windows)
    assert len({(w.start, w.end) for w in windows}) == len(windows)
    longest = WINDOW_SECONDS + REMAINDER_SECONDS + 0.7  # a very short last shot may join
    assert all(0.0 <= w.start <= w.end <= shots[-1].end + 1e-9 and w.end - w.start <= longest for w in windows)


@given(videos())
def test_windows_never_cross_a_cut_between_shots_that_are_long_enough(video: tuple[list[Shot], list[float]]) -> None:
    shots, times = video
    for a, b in itertools.pairwise(shots):
        if a.end - a.start >= 0.7 and b.end - b.start >= 0.7:
            assert not any(w.start < b.start - 1e-9 and w.end > b.start + 1e-9 for w in clip_windows(shots, times))


def spans(shots: list[Shot], times: list[float]) -> list[tuple[float, float]]:
    return [(window.start, window.end) for window in clip_windows(shots, times)]


def every(step: float, end: float) -> list[float]:
    return [i * step for i in range(int(end / step))]


def test_a_short_video_is_one_window() -> None:
    assert spans([Shot(0, 5, 2)], every(0.25, 5)) == [(0, 5)]


def test_a_long_shot_is_covered_by_windows_that_overlap_a_little() -> None:
    assert spans([Shot(0, 20, 10)], every(1, 20)) == [(0, 8), (6, 14), (12, 20)]


def test_a_small_remainder_joins_the_last_window() -> None:
    assert spans([Shot(0, 9, 4)], every(0.25, 9)) == [(0, 9)]


def test_a_very_short_shot_joins_the_next_one_and_the_last_joins_the_one_before() -> None:
    shots = [Shot(0, 0.5, 0), Shot(0.5, 4, 2), Shot(4, 6, 5), Shot(6, 6.4, 6)]
    assert spans(shots, [0, 0.5, 1, 2, 3, 4, 5, 6]) == [(0, 4), (4, 6.4)]


def test_a_very_short_last_shot_does_not_join_over_a_stretch_without_frames() -> None:
    assert spans([Shot(0, 10, 0), Shot(10, 10.5, 10)], [0.0, 10.0, 10.25]) == [(0, 9.5), (10, 10.5)]


def test_one_frame_is_one_window_and_none_are_none() -> None:
    assert spans([Shot(0, 0.04, 0)], [0.0]) == [(0, 0.04)]
    assert clip_windows([], []) == []


def test_a_two_hour_shot_keeps_only_a_window_of_rows() -> None:
    windower = ClipWindower()
    largest = 0
    for second in range(7200):
        windower.push(SampledFrame(float(second), PIXEL, "grid", starts_shot=second == 0))
        largest = max(largest, len(windower._rows))
    assert largest <= 11

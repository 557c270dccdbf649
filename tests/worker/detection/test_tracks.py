"""The path search against trying every path."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from worker.detection import tracks as module
from worker.detection.tracks import NONE, PathCosts, SpeedRange, Tracks, best_path, lay_tracks

COSTS = PathCosts(enter=0.3, jump=0.25, switch=0.4, speed=0.05, worst=-0.3, gate=0.8)
SPEEDS = SpeedRange(0.5, 2.0, 0.75)


def move_cost(tracks: Tracks, a: int, b: int, step: float, keep: float) -> float:
    if b == NONE:
        return 0.0
    if a == NONE:
        return COSTS.enter * keep
    ways = [COSTS.switch * keep]
    if tracks.video[a] == tracks.video[b]:
        ways.append(COSTS.jump * keep)
    advance = tracks.clock[b] - tracks.clock[a]
    low, high = SPEEDS.slowest * step - SPEEDS.slack, SPEEDS.fastest * step + SPEEDS.slack
    if tracks.track[a] == tracks.track[b] and b >= a and low <= advance <= high:
        ways.append(COSTS.speed * min(abs(advance - step) / step, 3))
    return min(ways)


def worth(path: tuple[int, ...], gains: np.ndarray, tracks: Tracks, steps: np.ndarray, changes: np.ndarray) -> float:
    total = 0.0
    for row, place in enumerate(path):
        if place != NONE:
            total += float(gains[row, place])
        if row == 0:
            total -= COSTS.enter * (1 - COSTS.gate) if place != NONE else 0.0
        else:
            total -= move_cost(tracks, path[row - 1], place, float(steps[row]), 1 - COSTS.gate * float(changes[row]))
    return total


@pytest.mark.parametrize("seed", range(12))
def test_no_path_is_worth_more_than_the_one_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = [np.cumsum(rng.uniform(0.4, 2.0, n)) for n in ((2, 2), (3, 1), (4,))[seed % 3]]
    tracks = lay_tracks(times, both_ways=seed % 2 == 0)
    steps = np.r_[0.0, rng.uniform(0.5, 1.5, 3)]
    gains = rng.uniform(-0.3, 0.6, (4, len(tracks))).astype(np.float32)
    changes = rng.uniform(0, 1, 4).astype(np.float32)
    found = best_path(iter(gains), tracks, steps, changes, COSTS, SPEEDS)
    every = itertools.product(range(-1, len(tracks)), repeat=4)
    best = max(worth(path, gains, tracks, steps, changes) for path in every)
    assert worth(tuple(found.places.tolist()), gains, tracks, steps, changes) == pytest.approx(best, abs=1e-4)


def test_tracks_run_forwards_and_backwards_with_an_ascending_clock() -> None:
    tracks = lay_tracks([np.array([0.0, 1.0, 3.0]), np.array([5.0])], both_ways=True)
    assert tracks.video.tolist() == [0] * 6 + [1] * 2
    assert tracks.column.tolist() == [0, 1, 2, 2, 1, 0, 3, 3]
    assert tracks.clock.tolist() == [0, 1, 3, -3, -1, 0, 5, -5]
    assert tracks.video_starts.tolist() == [0, 6]
    with pytest.raises(ValueError, match="at least one video"):
        lay_tracks([np.array([])], both_ways=True)


def test_stretches_are_cut_at_jumps_and_at_gaps() -> None:
    tracks = lay_tracks([np.arange(20.0)], both_ways=False)
    wanted = [2, 3, 4, 12, 13, 14, NONE, NONE, NONE, 8, 9]
    gains = np.full((len(wanted), 20), -0.3, np.float32)
    for row, place in enumerate(wanted):
        if place != NONE:
            gains[row, place] = 0.6
    found = best_path(iter(gains), tracks, np.r_[0.0, np.ones(len(wanted) - 1)])
    assert found.places.tolist() == wanted
    assert [part.tolist() for part in found.stretches()] == [[0, 1, 2], [3, 4, 5], [9, 10]]


def test_a_long_query_is_decoded_in_pieces_with_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    tracks = lay_tracks([np.arange(30.0), np.arange(25.0)], both_ways=True)
    gains = np.random.default_rng(0).uniform(-0.3, -0.1, (40, len(tracks))).astype(np.float32)
    gains[np.arange(5, 25), np.arange(5, 25)] = 0.6
    gains[np.arange(25, 40), 60 + np.arange(15)] = 0.6
    steps = np.r_[0.0, np.ones(39)]
    whole = best_path(iter(gains), tracks, steps)
    monkeypatch.setattr(module, "MAX_CELLS", 7 * len(tracks))
    pieces = best_path(iter(gains), tracks, steps)
    assert (whole.places[5:25] == np.arange(5, 25)).all()
    assert (whole.places[25:] == 60 + np.arange(15)).all()
    assert (pieces.places == whole.places).all()
    assert [len(p) for p in pieces.stretches()] == [20, 15]

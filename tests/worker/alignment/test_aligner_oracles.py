"""The recurrences of the path aligners against plain loops on small matrices."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from worker.alignment import dtw, temporal_network
from worker.alignment.dynamic_programming import DEAD, START, sweep, trace_back
from worker.alignment.paths import Path

LEAST = 0.4
SEEDS = pytest.mark.parametrize("seed", range(25))


def random_scores(seed: int, largest: int = 12) -> np.ndarray:
    """Mostly unrelated frames with a few matches and a planted diagonal; float32 (N, M)."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, largest, 2)
    scores = rng.normal(0.2, 0.25, (rows, columns))
    start = int(rng.integers(0, columns))
    for i in range(min(rows, columns - start)):
        scores[i, start + i] = rng.uniform(0.3, 1.0)
    return np.clip(scores, -1, 1).astype(np.float32)


Cell = tuple[int, int]


def plain_dynamic_programming(scores: np.ndarray, stop: int) -> tuple[dict[Cell, float], dict[Cell, Cell]]:
    """D and the start of the path of every cell that some path reaches, by the recurrence as published."""
    score: dict[Cell, float] = {}
    misses: dict[Cell, int] = {}
    start: dict[Cell, Cell] = {}
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            gain = float(scores[i, j]) + 1.0
            match = scores[i, j] >= LEAST
            ways = [((i - 1, j - 1), gain), ((i - 1, j), gain / 2), ((i, j - 1), gain / 2)]
            best: tuple[float, Cell] | None = None
            for before, gained in ways:
                if before in score and (best is None or score[before] + gained > best[0]):
                    best = score[before] + gained, before
            if best is None or best[0] <= gain:
                if match:
                    score[i, j], misses[i, j], start[i, j] = gain, 0, (i, j)
                continue
            missed = 0 if match else misses[best[1]] + 1
            if missed <= stop:
                score[i, j], misses[i, j], start[i, j] = best[0], missed, start[best[1]]
    return score, start


@SEEDS
@pytest.mark.parametrize("stop", [2, 10])
def test_the_swept_table_holds_the_best_end_of_every_start(seed: int, stop: int) -> None:
    scores = random_scores(seed)
    score, start = plain_dynamic_programming(scores, stop)
    expected: dict[Cell, float] = {}
    for cell, value in score.items():
        if scores[cell] >= LEAST:
            expected[start[cell]] = max(expected.get(start[cell], 0.0), value)
    table = sweep(scores, LEAST, stop)
    assert sorted(table.scores, reverse=True) == pytest.approx(sorted(expected.values(), reverse=True), abs=1e-5)
    assert (np.diff(table.scores) <= 1e-12).all()
    reached = table.moves != DEAD
    assert {(int(i), int(j)) for i, j in np.argwhere(reached)} == set(score)


@SEEDS
def test_a_path_traced_back_collects_exactly_its_score(seed: int) -> None:
    scores = random_scores(seed)
    table = sweep(scores, LEAST)
    for end, value in zip(table.ends, table.scores, strict=True):
        path = trace_back(table, int(end))
        cells = list(zip(path.rows.tolist(), path.columns.tolist(), strict=True))
        total = float(scores[cells[0]]) + 1.0
        for (i, j), (k, n) in pairwise(cells):
            assert (k - i, n - j) in {(1, 1), (1, 0), (0, 1)}
            total += (float(scores[k, n]) + 1.0) * (1.0 if (k - i, n - j) == (1, 1) else 0.5)
        assert total == pytest.approx(value, abs=1e-4)
        assert table.moves[cells[0]] == START
        assert scores[cells[0]] >= LEAST <= scores[cells[-1]]


def test_a_path_dies_after_more_misses_in_a_row_than_allowed() -> None:
    scores = np.full((20, 20), -0.5, dtype=np.float32)
    matches = [*range(4), *range(9, 14)]  # five misses between
    scores[matches, matches] = 0.9
    assert len(sweep(scores, LEAST, stop=5).ends) == 1
    assert len(sweep(scores, LEAST, stop=4).ends) == 2


@SEEDS
def test_the_row_scan_of_dtw_finds_the_cost_of_the_plain_recurrence(seed: int) -> None:
    cost = 1.0 - random_scores(seed).astype(np.float64)
    rows, columns = cost.shape
    plain = np.empty_like(cost)
    for i in range(rows):
        for j in range(columns):
            before = [plain[i - 1, j]] if i else []
            before += [plain[i, j - 1]] if i and j else []
            before += [plain[i - 1, j - 1]] if i and j else []
            plain[i, j] = cost[i, j] + (min(before) if before else 0.0)
    last, _ = dtw.accumulate(cost)
    assert last == pytest.approx(plain[-1], abs=1e-9)
    path = dtw.cheapest_path(cost)
    assert cost[path.rows, path.columns].sum() == pytest.approx(plain[-1].min(), abs=1e-9)
    assert set(zip(np.diff(path.rows).tolist(), np.diff(path.columns).tolist(), strict=True)) <= {
        (0, 1),
        (1, 0),
        (1, 1),
    }
    assert (path.rows[0], path.rows[-1]) == (0, rows - 1)


def test_dtw_follows_the_diagonal_where_all_pairs_cost_the_same() -> None:
    path = dtw.cheapest_path(np.full((5, 8), 0.1))
    assert path.rows.tolist() == [0, 1, 2, 3, 4]
    assert path.columns.tolist() == [3, 4, 5, 6, 7]


def test_a_dtw_path_is_cut_at_runs_of_more_than_three() -> None:
    rows = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    columns = np.array([0, 1, 2, 2, 2, 2, 3, 4, 4, 4, 4, 4])  # three steps up, then four
    matched = np.ones(12, dtype=bool)
    parts = dtw.cut(Path(rows, columns), matched, 3)
    assert [part.rows.tolist() for part in parts] == [[0, 1, 2, 3, 4, 5, 6, 7]]
    matched[2:6] = False
    parts = dtw.cut(Path(rows, columns), matched, 3)
    assert [part.rows.tolist() for part in parts] == [[0, 1], [6, 7]]


def heaviest_by_force(scores: np.ndarray, query: np.ndarray, reference: np.ndarray, step: float, top_k: int) -> float:
    """Weight of the heaviest path by walking all edges, the rule of no node in between included."""
    nodes: list[Cell] = []
    for i, values in enumerate(scores):
        top = sorted(range(len(values)), key=lambda j: -values[j])[:top_k]
        nodes += [(i, j) for j in sorted(top) if values[j] >= LEAST]

    def follows(a: Cell, b: Cell) -> bool:
        return 0 < query[b[0]] - query[a[0]] < step and 0 < reference[b[1]] - reference[a[1]] < step

    best = dict.fromkeys(nodes, 0.0)
    for b in nodes:
        before = [a for a in nodes if follows(a, b)]
        direct = [a for a in before if not any(follows(a, m) and follows(m, b) for m in before)]
        best[b] = float(scores[b]) + max((best[a] for a in direct), default=0.0)
    return max(best.values(), default=0.0)


@SEEDS
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_temporal_network_finds_the_heaviest_path_and_its_weight(seed: int, sign: float) -> None:
    rng = np.random.default_rng(1000 + seed)
    scores = random_scores(seed)
    query = np.sort(rng.uniform(0, 12, scores.shape[0]))
    reference = np.sort(rng.uniform(0, 12, scores.shape[1]))
    expected = heaviest_by_force(scores, query, sign * reference, 4.0, 5)
    if not (scores >= LEAST).any():
        return
    network = temporal_network.build_network(scores, query, sign * reference, LEAST, 4.0, 5)
    nodes = temporal_network.LongestPaths(network).heaviest()
    rows, columns = network.rows[nodes // network.columns.shape[1]], network.columns.ravel()[nodes]
    assert float(scores[rows, columns].sum()) == pytest.approx(expected, abs=1e-5)
    assert (np.diff(query[rows]) > 0).all()
    assert (np.diff(sign * reference[columns]) > 0).all()


@SEEDS
def test_taking_nodes_out_leaves_what_a_network_without_them_would_give(seed: int) -> None:
    scores = random_scores(seed, 30)
    if not (scores >= LEAST).any():
        return
    query, reference = np.arange(float(scores.shape[0])), np.arange(float(scores.shape[1]))
    network = temporal_network.build_network(scores, query, reference, LEAST, 6.0)
    search = temporal_network.LongestPaths(network)
    search.remove(search.heaviest())
    weights = search.weights.copy()
    again = temporal_network.LongestPaths(
        temporal_network.Network(network.rows, network.columns, weights, network.edges)
    )
    assert search.ends == pytest.approx(again.ends)
    assert (search.previous[weights > 0] == again.previous[weights > 0]).all()

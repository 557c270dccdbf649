"""Dynamic programming (Chou et al. 2015): local alignment that gains S + 1 on the diagonal and half of it off it.

D[i, j] = max(D[i-1, j-1] + S', D[i-1, j] + S' / 2, D[i, j-1] + S' / 2) with S' = S + 1. A path starts at a pair of
frames that match, and dies after ``STOP`` pairs in a row that do not. The best path is traced back from its last
match, its box is blanked, and the search is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import AlignerConfig, SimilarityMatrix
from worker.alignment.paths import Path, follow
from worker.alignment.selection import Shortlist
from worker.types import FloatArray, Segment

STOP = 10  # pairs in a row below the least similarity that end a path (published 9-10)
MAX_PATHS = 10  # in either direction
MAX_FAILURES = 3  # paths that lead to nothing new before the search of one direction ends

START, DIAGONAL, UP, LEFT, DEAD = 0, 1, 2, 3, 4  # how a cell was reached

Indices = NDArray[np.int64]
Moves = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Table:
    """How each cell was reached, and for every start its best end, best first. Cells are flat positions."""

    moves: Moves  # (N, M)
    ends: Indices  # (P,) one for every cell at which a path starts
    scores: NDArray[np.float64]  # (P,) D at the end


class _Front:
    """D, the misses in a row and the start of the path, on one anti-diagonal; entry i + 1 is row i."""

    def __init__(self, rows: int) -> None:
        self.score = np.zeros(rows + 1)
        self.misses = np.zeros(rows + 1, dtype=np.int32)
        self.start = np.zeros(rows + 1, dtype=np.int64)


def sweep(scores: FloatArray, least: float, stop: int = STOP) -> Table:
    """Fill D anti-diagonal by anti-diagonal; scores (N, M) in -1..1, a match reaches ``least`` > 0.

    The cells of one anti-diagonal do not depend on each other. Only three of them are kept, and one byte a cell.
    """
    rows, columns = scores.shape
    moves = np.full(rows * columns, DEAD, dtype=np.int8)
    flat = np.ascontiguousarray(scores).ravel()
    hits = np.flatnonzero(flat >= least)
    busy = np.zeros(rows + columns, dtype=np.bool_)
    busy[hits // columns + hits % columns] = True
    noted: list[tuple[Indices, NDArray[np.float64], Indices]] = []
    two, one, now = _Front(rows), _Front(rows), _Front(rows)
    quiet = 2 * (stop + 1) + 1  # after so many anti-diagonals without a match every path has died
    idle = quiet
    for diagonal in range(rows + columns - 1):
        idle = 0 if busy[diagonal] else idle + 1
        if idle == quiet:
            two, one, now = _Front(rows), _Front(rows), _Front(rows)
        if idle >= quiet:
            continue
        low, high = max(0, diagonal - columns + 1), min(rows - 1, diagonal)
        cells = np.arange(low, high + 1) * (columns - 1) + diagonal
        matched = _step((two, one, now), flat, moves, cells, low, least, stop)
        if busy[diagonal]:
            at = matched + low + 1
            noted.append((now.start[at], now.score[at], cells[matched]))
        two, one, now = one, now, two
    return _best_ends(moves.reshape(rows, columns), noted)


def _step(
    fronts: tuple[_Front, _Front, _Front],
    flat: FloatArray,
    moves: Moves,
    cells: Indices,
    low: int,
    least: float,
    stop: int,
) -> Indices:
    """One anti-diagonal from the two before it; which of its cells match."""
    two, one, now = fronts
    before, here = slice(low, low + len(cells)), slice(low + 1, low + 1 + len(cells))  # of row i - 1, of row i
    similarity = flat[cells]
    matched = similarity >= least
    gain = similarity + 1.0
    score = two.score[before] + gain
    misses, start = two.misses[before], two.start[before]
    alive = two.score[before] > 0
    move = np.full(len(cells), DIAGONAL, dtype=np.int8)
    for side, kind in ((before, UP), (here, LEFT)):
        other = one.score[side] + 0.5 * gain
        better = (other > score) & (one.score[side] > 0)
        if better.any():
            score = np.where(better, other, score)
            misses, start = np.where(better, one.misses[side], misses), np.where(better, one.start[side], start)
            alive = alive | better
            move[better] = kind
    misses = np.where(matched, 0, misses + 1)
    going = matched | (alive & (misses <= stop))
    move[~alive] = START
    move[~going] = DEAD
    moves[cells] = move
    now.score[here] = score * going
    now.misses[here] = misses
    now.start[here] = np.where(alive, start, cells)
    return np.flatnonzero(matched)


def _best_ends(moves: Moves, noted: list[tuple[Indices, NDArray[np.float64], Indices]]) -> Table:
    """Of all matches that a path reached, the one with the greatest D for each start."""
    if not noted:
        return Table(moves, np.zeros(0, dtype=np.int64), np.zeros(0))
    start, score, cell = (np.concatenate(column) for column in zip(*noted, strict=True))
    order = np.lexsort((cell, -score, start))
    first = order[np.r_[True, start[order][1:] != start[order][:-1]]]
    ranked = first[np.lexsort((cell[first], -score[first]))]
    return Table(moves, cell[ranked], score[ranked])


def trace_back(table: Table, end: int) -> Path:
    """The path that ends at a flat position, from its start."""
    width = table.moves.shape[1]
    moves = table.moves.ravel()
    back = {DIAGONAL: -width - 1, UP: -width, LEFT: -1}
    cells = [int(end)]
    while (move := int(moves[cells[-1]])) != START:
        cells.append(cells[-1] + back[move])
    rows, columns = np.divmod(np.array(cells[::-1], dtype=np.int64), width)
    return Path(rows, columns)


def best_paths(scores: FloatArray, config: AlignerConfig) -> Iterator[Path]:
    """At most ``MAX_PATHS`` paths through scores (N, M), best first, each cut off from the boxes of those before it.

    The matrix is swept again only when a path meets such a box: others would come out the same.
    """
    blanked = scores
    table, fresh, rank = sweep(scores, config.min_similarity), True, 0
    for _ in range(MAX_PATHS):
        while True:
            if rank == len(table.ends):
                return
            path = trace_back(table, int(table.ends[rank]))
            rank += 1
            if fresh or (blanked[path.rows, path.columns] == scores[path.rows, path.columns]).all():
                break
            table, fresh, rank = sweep(blanked, config.min_similarity), True, 0
        yield path
        blanked = blanked.copy() if blanked is scores else blanked
        blanked[path.rows[0] : path.rows[-1] + 1, path.columns[0] : path.columns[-1] + 1] = -1.0
        fresh = False


class DynamicProgrammingAligner:
    """Follows speed changes and bends; many times slower than Hough voting."""

    def align(self, similarity: SimilarityMatrix, config: AlignerConfig) -> list[Segment]:
        """Segments with most evidence first."""
        if similarity.scores.size == 0:
            return []
        shortlist = Shortlist(similarity, config)
        width = similarity.scores.shape[1]
        for sign in (1.0, -1.0) if config.allow_reversed else (1.0,):
            failures = 0
            for path in best_paths(similarity.masked_scores[:, :: int(sign)], config):
                columns = path.columns if sign > 0 else width - 1 - path.columns
                failures += not follow(Path(path.rows, columns), similarity, config, shortlist, sign)
                if failures == MAX_FAILURES:
                    break
        return list(shortlist.best())

"""Pictures inside the picture: an inset, the parts of a split or stacked screen, found over frames of one shot.

The seam of a composite is a straight upright or level line that stands still while the footage beside it changes, so
in the time average of the absolute gradient it is a ridge one or two pixels wide. Rectangles whose seams lie on such
ridges are regions; the border of the frame itself counts as a seam. Numpy only.

A wrong region costs a few descriptors more, a missed one a copy: thresholds lean towards finding.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from worker.types import Box, FloatArray, box_overlap

GRID = 160  # regions are looked for on squares of this size
MAX_FRAMES = 24  # evenly spaced ones are looked at
MARGIN = 0.04  # of the side: nearer to the border than this a line is a border, not a seam
LEAST_SIDE, LEAST_AREA = 0.2, 0.06
LARGEST_AREA = 0.92
RIDGE = 1.8  # mean step along a seam over the mean of the steps a few pixels beside it
FLOOR = 1.5  # of 255: the least mean step along a seam
COVERED = 0.5  # share of a seam that must stand out by itself
STANDS_OUT = 1.25  # step over the mean of the steps beside it
CEILING = 3.0  # what one place can add to a line
MAX_LINES = 8  # a direction
MAX_REGIONS = 3


def _luma(images: NDArray[np.uint8]) -> FloatArray:
    """(N, H, W, 3) -> (n, GRID, GRID) brightness, at most MAX_FRAMES frames, nearest sampling of a light blur."""
    sample = images[:: max(1, -(-len(images) // MAX_FRAMES))]
    rows = np.linspace(0, sample.shape[1] - 1, GRID).round().astype(np.int64)
    columns = np.linspace(0, sample.shape[2] - 1, GRID).round().astype(np.int64)
    small = sample[:, rows][:, :, columns].astype(np.float32)
    return np.asarray(small @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def _steps(luma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(n, L, W) -> the mean absolute step at each upright seam and beside it, both (L, W - 1).

    A seam may lie between two pixels of the grid, so two neighbouring steps count together; beside is the mean of
    those 3 to 6 pixels away.
    """
    step = np.abs(np.diff(luma, axis=2)).mean(0)
    padded = np.pad(step, ((0, 0), (0, 1)))
    at = np.maximum(step, 0.5 * (step + padded[:, 1:])) + 0.5 * np.minimum(step, padded[:, 1:])
    wide = np.pad(step, ((0, 0), (6, 6)), mode="reflect")
    width = step.shape[1]
    beside = np.mean([wide[:, 6 + s : 6 + s + width] for s in (-6, -5, -4, -3, 3, 4, 5, 6)], axis=0)
    return np.asarray(at, np.float32), np.asarray(1.5 * beside, np.float32)


def _lines(at: FloatArray, beside: FloatArray) -> list[int]:
    """Columns with the longest stretch that stands out, strongest first taken, none within three pixels of another."""
    gain = np.minimum(at / (beside + 1.0), CEILING) - STANDS_OUT
    gain[at < FLOOR] = -STANDS_OUT
    total = np.cumsum(gain, axis=0)
    lowest = np.minimum.accumulate(np.pad(total, ((1, 0), (0, 0))), axis=0)[:-1]
    best = (total - lowest).max(0)  # the heaviest run of each column
    edge = round(MARGIN * GRID)
    best[:edge], best[len(best) - edge :] = 0, 0
    lines: list[int] = []
    for column in np.argsort(-best, kind="stable"):
        if best[column] <= 0.05 * GRID or len(lines) == MAX_LINES:
            break
        if all(abs(int(column) - other) > 3 for other in lines):
            lines.append(int(column))
    return sorted(lines)


def _seam(at: FloatArray, beside: FloatArray, column: int, start: int, stop: int) -> float:
    """How far the side of a rectangle stands out from its surroundings; infinite on the border of the frame, 0: no."""
    if column <= 0 or column >= GRID - 1:
        return np.inf
    mine, other = at[start:stop, column], beside[start:stop, column]
    if mine.mean() < FLOOR or (mine > STANDS_OUT * other).mean() < COVERED:
        return 0.0
    return float(mine.mean() / (other.mean() + 1.0))


def find_regions(images: NDArray[np.uint8]) -> list[Box]:
    """(N, H, W, 3) uint8 frames of one shot, borders trimmed -> at most three rectangles, the surest first.

    Boxes are shares of the picture: (left, top, right, bottom). Empty when the picture is one piece.
    """
    if len(images) == 0 or min(images.shape[1:3]) < 32:
        return []
    luma = _luma(images)
    across, down = _steps(luma), _steps(luma.transpose(0, 2, 1))  # of the transposed picture: level seams
    upright, level = [0, *_lines(*across), GRID - 1], [0, *_lines(*down), GRID - 1]
    found: list[tuple[float, tuple[int, int, int, int]]] = []
    # One line bounds many rectangles, so each stretch of it is looked at once.
    sides = {(x, y0, y1): _seam(*across, x, y0, y1) for x in upright for y0, y1 in combinations(level, 2)}
    caps = {(y, x0, x1): _seam(*down, y, x0, x1) for y in level for x0, x1 in combinations(upright, 2)}
    for x0, x1 in combinations(upright, 2):
        for y0, y1 in combinations(level, 2):
            width, height = (x1 - x0) / GRID, (y1 - y0) / GRID
            if min(width, height) < LEAST_SIDE or not LEAST_AREA <= width * height <= LARGEST_AREA:
                continue
            seams = (sides[x0, y0, y1], sides[x1, y0, y1], caps[y0, x0, x1], caps[y1, x0, x1])
            inner = [s for s in seams if s != np.inf]
            if min(inner) >= RIDGE:
                found.append((float(np.mean(np.minimum(inner, CEILING))) + 0.2 * len(inner), (x0, y0, x1, y1)))
    return [_box(corners) for corners in _distinct(found)]


def _distinct(found: list[tuple[float, tuple[int, int, int, int]]]) -> list[tuple[int, int, int, int]]:
    """The best ones; of two that nearly coincide the more certain one."""
    kept: list[tuple[int, int, int, int]] = []
    for _, box in sorted(found, key=lambda f: -f[0]):
        if len(kept) < MAX_REGIONS and all(box_overlap(box, other) < 0.6 for other in kept):
            kept.append(box)
    return kept


def _box(corners: tuple[int, int, int, int]) -> Box:
    """Grid lines to shares; the seam itself belongs to neither side."""
    left, top, right, bottom = corners
    return (
        (left + 1) / GRID if left > 0 else 0.0,
        (top + 1) / GRID if top > 0 else 0.0,
        right / GRID if right < GRID - 1 else 1.0,
        bottom / GRID if bottom < GRID - 1 else 1.0,
    )

"""Where a span begins and ends between two frames: where similarity crosses half way to the surroundings.

Works on one axis at a time: ascending frame times and the similarity that each frame reaches on the line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.types import FloatArray

UNSEEN = -1.0  # profile of a frame that carries no information, or for which the other side has no frame
_LEVEL_FRAMES = 8  # matches nearest to the end that give the level
_GROUND_FRAMES = 4  # frames just outside that give the surroundings
_LEAST_DROP = 0.05  # a smaller step than this says nothing about where the end lies

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Crossing:
    """``time`` lies between the last frame inside, at ``inner``, and the first outside, at ``outer``."""

    time: float
    inner: float
    outer: float

    @property
    def gap(self) -> float:
        return abs(self.outer - self.inner)

    def at(self, time: float) -> float:
        """Another opinion on the same end, held between the two frames."""
        return min(max(time, min(self.inner, self.outer)), max(self.inner, self.outer))


def level_at(profile: FloatArray, matched: NDArray[np.int64], step: int) -> float:
    """Mean similarity of the matches nearest to the first (step -1) or last (step 1) of them."""
    near = matched[-_LEVEL_FRAMES:] if step > 0 else matched[:_LEVEL_FRAMES]
    return float(profile[near].mean())


def crossing(times: Floats, profile: FloatArray, edge: int, step: int, level: float) -> Crossing | None:
    """The end next to frame ``edge``, looking in the direction of ``step``; None when no frame lies further out.

    The surroundings are the median of the next few frames. Frames beyond ``edge`` that still reach half of the way
    from there to ``level`` belong to the span.
    The time in between is interpolated linearly, and is the middle where one of the frames says nothing.
    """
    outside = (
        profile[edge + 1 : edge + 1 + _GROUND_FRAMES] if step > 0 else profile[max(edge - _GROUND_FRAMES, 0) : edge]
    )
    seen = sorted(value for value in outside.tolist() if value > UNSEEN)
    ground = seen[(len(seen) - 1) // 2] if seen else 0.0  # the lower median
    half = 0.5 * (level + ground)
    outer = edge + step
    if level - ground >= _LEAST_DROP:
        while 0 <= outer < len(times) and profile[outer] >= half:
            edge, outer = outer, outer + step
    if not 0 <= outer < len(times):
        return None
    part = 0.5
    if level - ground >= _LEAST_DROP and profile[outer] > UNSEEN:
        inner_value, outer_value = max(float(profile[edge]), half), min(float(profile[outer]), half)
        part = (inner_value - half) / max(inner_value - outer_value, 1e-9)
    inner_time, outer_time = float(times[edge]), float(times[outer])
    return Crossing(inner_time + part * (outer_time - inner_time), inner_time, outer_time)

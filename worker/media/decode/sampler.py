"""Decides which frames are kept: a uniform grid, the first frame of every shot, and frames where much changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from worker.media.decode.luma import Signature, difference
from worker.types import Shot

VERY_SHORT_SECONDS, SHORT_SECONDS = 8.0, 60.0
TIME_EPSILON = 1e-3
MIN_SHOT_SECONDS = 0.4  # nearer cuts are one cut (flashes, stutters)
CHANGE_DIFFERENCE = 20.0  # of 255, against the last kept frame
CHANGE_GAP_SECONDS = 0.25
CHANGE_PER_SECOND = 0.5  # of extra frames on average, so that a flickering video does not flood the index
CHANGE_SAVED = 4.0  # how many unused extra frames may be saved up


def grid_step(promised_seconds: float) -> float:
    """Seconds between grid frames: 4 a second in very short videos, 2 under a minute, else 1. 0.0: unknown length."""
    if 0.0 < promised_seconds < VERY_SHORT_SECONDS:
        return 0.25
    return 0.5 if promised_seconds < SHORT_SECONDS else 1.0


@dataclass(frozen=True, slots=True)
class Kept:
    reason: Literal["grid", "change"]
    starts_shot: bool


class FrameSampler:
    """``consider`` every judged frame in time order; ``closed_shots`` collects the shots that ended.

    Memory: the times of the frames kept in the running shot.
    """

    def __init__(self, promised_seconds: float) -> None:
        self._step = grid_step(promised_seconds)
        self._next_grid = 0.0
        self._last_kept: Signature | None = None
        self._last_time = -math.inf
        self._credit = CHANGE_SAVED
        self._shot_start = 0.0
        self._shot_times: list[float] = []
        self.closed_shots: list[Shot] = []

    def consider(self, time: float, signature: Signature, is_cut: bool) -> Kept | None:
        first = self._last_kept is None
        starts_shot = first or (is_cut and time - self._shot_start >= MIN_SHOT_SECONDS)
        on_grid = time + TIME_EPSILON >= self._next_grid
        if first:
            self._shot_start = time
        elif starts_shot:
            self._close_shot(time)
        if not (on_grid or starts_shot or self._changed(time, signature)):
            return None
        if on_grid:
            self._next_grid = (math.floor((time + TIME_EPSILON) / self._step) + 1) * self._step
        self._credit = min(CHANGE_SAVED, self._credit + CHANGE_PER_SECOND * max(0.0, time - max(self._last_time, 0.0)))
        if not (on_grid or starts_shot):
            self._credit -= 1.0
        self._last_kept, self._last_time = signature, time
        self._shot_times.append(time)
        return Kept("grid" if on_grid else "change", starts_shot)

    def finish(self, duration: float) -> None:
        if self._shot_times:
            self._close_shot(duration)

    def _changed(self, time: float, signature: Signature) -> bool:
        since = time - self._last_time
        if since < CHANGE_GAP_SECONDS or self._credit + CHANGE_PER_SECOND * since < 1.0 or self._last_kept is None:
            return False
        return difference(self._last_kept, signature) >= CHANGE_DIFFERENCE

    def _close_shot(self, end: float) -> None:
        middle = (self._shot_start + end) / 2
        key = min(self._shot_times, key=lambda time: abs(time - middle))
        self.closed_shots.append(Shot(self._shot_start, end, key))
        self._shot_start, self._shot_times = end, []

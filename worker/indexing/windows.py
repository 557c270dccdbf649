"""Which spans get one embedding each: windows of at most about 8 s that never cross a cut. Pure.

Long shots are covered by windows that start every 6 s, so neighbours overlap by 2 s; the last window of a shot
takes a remainder of up to 1.5 s instead of leaving a tiny one. Shots under 0.7 s join the shot that follows
(the last one joins the shot before it). Every sampled frame is in at least one window.
"""

from __future__ import annotations

from collections import deque

from worker.types import ClipWindow, SampledFrame

WINDOW_SECONDS = 8.0
STRIDE_SECONDS = 6.0
REMAINDER_SECONDS = 1.5
MIN_SHOT_SECONDS = 0.7


class ClipWindower:
    """``push`` frames in time order, get the windows that are final. Rows count the pushes.

    Memory: the rows of one window, and one window of the shot before.
    """

    def __init__(self) -> None:
        self._rows: deque[tuple[float, int]] = deque()  # (time, row) that the open window or a later one may need
        self._count = 0
        self._shot_start = 0.0
        self._window_start = 0.0
        self._covered_row = -1  # the last row that a closed window of this shot has
        self._held: ClipWindow | None = None  # the last window of the shot before: a short last shot may join it

    def push(self, frame: SampledFrame) -> list[ClipWindow]:
        """The windows that became final. ``frame.starts_shot`` is what separates shots."""
        time = frame.time
        final: list[ClipWindow] = []
        if frame.starts_shot and self._rows and time - self._shot_start >= MIN_SHOT_SECONDS:
            final += self._release_held()
            self._held = self._last_window(time)
            self._start_shot(time)
        while time >= self._window_start + WINDOW_SECONDS + REMAINDER_SECONDS:
            final += self._release_held()
            final += self._full_window()
        self._rows.append((time, self._count))
        self._count += 1
        return final

    def finish(self, end: float) -> list[ClipWindow]:
        """The last windows; ``end`` is the duration of the video (at least the last frame's time)."""
        if self._held is not None and self._rows and self._joins(self._held, end):
            held, self._held = self._held, None
            rows = held.rows + tuple(row for _, row in self._rows)
            return [ClipWindow(held.start, max(end, held.end), rows)]
        final = self._release_held()
        last = self._last_window(max(end, self._rows[-1][0])) if self._rows else None
        return final if last is None else [*final, last]

    def _joins(self, held: ClipWindow, end: float) -> bool:
        """A very short last shot joins the window before it, unless a stretch without frames lies between them."""
        short = end - self._shot_start < MIN_SHOT_SECONDS
        return short and end - held.start <= WINDOW_SECONDS + REMAINDER_SECONDS + MIN_SHOT_SECONDS

    def _start_shot(self, time: float) -> None:
        self._rows.clear()
        self._shot_start = self._window_start = time
        self._covered_row = self._count - 1

    def _release_held(self) -> list[ClipWindow]:
        held, self._held = self._held, None
        return [] if held is None else [held]

    def _full_window(self) -> list[ClipWindow]:
        """Closes the open window at its full length and opens the next one. Empty if no frame lies in it."""
        end = self._window_start + WINDOW_SECONDS
        rows = tuple(row for time, row in self._rows if time < end)
        start = self._window_start
        self._window_start += STRIDE_SECONDS
        while self._rows and self._rows[0][0] < self._window_start:
            self._rows.popleft()
        if not rows:
            return []
        self._covered_row = rows[-1]
        return [ClipWindow(start, end, rows)]

    def _last_window(self, end: float) -> ClipWindow | None:
        """The window that ends with its shot; None when all of its frames are in the window before."""
        rows = tuple(row for _, row in self._rows)
        if not rows or rows[-1] <= self._covered_row:
            return None
        # After a stretch without frames the end may be far away: the window stays near its frames.
        last_time = self._rows[-1][0]
        limit = max(self._window_start + WINDOW_SECONDS + REMAINDER_SECONDS, last_time)
        return ClipWindow(self._window_start, max(min(end, limit), last_time), rows)

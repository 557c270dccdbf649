"""The video's own clock: true presentation times made relative to the first frame, always increasing."""

from __future__ import annotations

# FFmpeg's own tool treats larger jumps in these containers as a new time line, so players see none.
DISCONTINUOUS = frozenset({"mpegts", "mpeg"})
JUMP_SECONDS = 10.0
LAST_FRAME_SECONDS = 10.0  # a still picture at the end counts for at most this long


class FrameClock:
    """``read`` once for every decoded frame, in output order."""

    def __init__(self, container_name: str, frames_per_second: float) -> None:
        self._may_jump = container_name in DISCONTINUOUS
        self._usual = 1.0 / frames_per_second if 0.5 <= frames_per_second <= 1000 else 0.04
        self._offset: float | None = None
        self._last = -1.0
        self._last_length = 0.0

    def read(self, raw: float | None, length: float) -> float:
        """Seconds since the first frame. A missing or backward time stamp becomes 'one frame later'.

        raw: the frame's own time stamp in seconds, None if it has none. length: its duration, 0.0 if unknown.
        """
        expected = 0.0 if self._offset is None else self._last + self._usual
        if raw is None:
            time = expected
        elif self._offset is None:
            self._offset, time = raw, 0.0
        else:
            time = raw - self._offset
            if self._may_jump and abs(time - expected) > JUMP_SECONDS:
                self._offset, time = raw - expected, expected
            elif time <= self._last:
                time = self._last + min(self._usual, 0.001)
        if self._offset is None:
            self._offset = 0.0
        self._last = time
        self._last_length = length if length > 0 else self._usual
        return time

    @property
    def end(self) -> float:
        """When the last frame stops being shown: the confirmed duration, 0.0 before the first frame."""
        if self._last < 0.0:
            return 0.0
        return self._last + min(self._last_length, LAST_FRAME_SECONDS)

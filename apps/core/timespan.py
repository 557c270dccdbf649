"""Spans of time in seconds, ``[start, end)``."""

from __future__ import annotations

from typing import NamedTuple


class TimeSpan(NamedTuple):
    start: float
    end: float

    @property
    def length(self) -> float:
        return max(0.0, self.end - self.start)

    def overlap(self, other: TimeSpan) -> float:
        """Seconds that both cover."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


def timecode(seconds: float) -> str:
    """75.4 -> "1:15"; 3675 -> "1:01:15"."""
    whole = max(0, int(seconds))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

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


def parse_timecode(text: str) -> float | None:
    """ "75", "75.5", "1:15" and "1:01:15" -> seconds; None for an empty text. Raises ValueError for anything else."""
    parts = text.strip().replace(",", ".").split(":")
    if parts == [""]:
        return None
    if len(parts) > 3 or not all(part.replace(".", "", 1).isdigit() and part.isascii() for part in parts):
        raise ValueError(f"{text!r} is not a time")
    if any("." in part for part in parts[:-1]) or any(float(part) >= 60 for part in parts[1:]):
        raise ValueError(f"{text!r} is not a time")
    seconds = 0.0
    for part in parts:
        seconds = 60 * seconds + float(part)
    return seconds

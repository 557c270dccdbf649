"""Finds what is gone from the middle of a file: seconds that no packet covers, or whose packets give no frame.

A screen recording may rightly show one frame for minutes, so a gap between two frames is no hole by itself. It is one
where bytes were passed over, where the sound is missing as well, or where packets could not be decoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HOLE_SECONDS = 1.0
LOST_SHARE = 0.25  # of the bytes that so many seconds usually take
LOST_BYTES = 2048  # headers between two packets have less
MOST = 50  # holes that are told apart; a file with more of them has lost more than its parts are worth

Span = tuple[float, float]


@dataclass(slots=True)
class _Track:
    end: float | None = None  # of its last packet
    gaps: list[Span] = field(default_factory=list)

    def passed(self, start: float, end: float) -> None:
        if self.end is not None and start - self.end > HOLE_SECONDS and len(self.gaps) < MOST:
            self.gaps.append((self.end, start))
        self.end = end if self.end is None else max(self.end, end)


class Holes:
    """Tell it every packet of the tracks that are followed, in file order, and every frame; all on the file's clock."""

    def __init__(self) -> None:
        self._picture, self._sound = _Track(), _Track()
        self._found: list[Span] = []
        self._reached_byte = 0
        self._last_frame: Span | None = None  # when the last frame ends, and how many packets were broken by then

    def packet(self, start: float, end: float, *, is_picture: bool, position: int | None, size: int) -> None:
        """start: where it would be if no jump of the clock were corrected; end: corrected. position: in the file."""
        reach = max((t.end for t in (self._picture, self._sound) if t.end is not None), default=None)
        if reach is not None and position is not None and start - reach > HOLE_SECONDS:
            usual = LOST_SHARE * (start - reach) * self._reached_byte / max(reach, HOLE_SECONDS)
            if position - self._reached_byte > LOST_BYTES + usual:
                self._add(reach, start)
        (self._picture if is_picture else self._sound).passed(start, end)
        if position is not None:
            self._reached_byte = max(self._reached_byte, position + size)

    def frame(self, time: float, end: float, broken: int) -> None:
        """broken: packets that could not be decoded so far."""
        if self._last_frame is not None:
            before, broken_before = self._last_frame
            if time - before > HOLE_SECONDS and broken > broken_before:
                self._add(before, time)
        self._last_frame = end, broken

    def _add(self, start: float, end: float) -> None:
        if len(self._found) < MOST:
            self._found.append((start, end))

    def spans(self) -> list[Span]:
        """In order, without overlaps, each longer than HOLE_SECONDS."""
        silent = [
            (max(a, c), min(b, d))
            for a, b in self._picture.gaps
            for c, d in self._sound.gaps
            if min(b, d) - max(a, c) > HOLE_SECONDS
        ]
        merged: list[Span] = []
        for start, end in sorted([*self._found, *silent]):
            if merged and start <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((start, end))
        return merged

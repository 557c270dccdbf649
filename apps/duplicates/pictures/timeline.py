"""Two rows, one a video, with the matched spans joined by ribbons: numbers for an <svg>. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.duplicates.pictures.spans import Span, number_text

WIDTH = 600.0
ROW_HEIGHT = 16.0
GAP = 28.0
LEAST_WIDTH = 2.0  # a span stays visible in a long video


@dataclass(frozen=True, slots=True)
class Bar:
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Ribbon:
    """``a`` and ``b`` are the bars of the two rows, ``points`` the polygon between them."""

    a: Bar
    b: Bar
    points: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Both rows have the scale of the longer video, so that lengths compare by eye. Numbers are ready for attributes:
    text with a point, whatever the language of the page."""

    width: str
    height: str
    row_height: str
    b_top: str
    a_width: str
    b_width: str
    ribbons: tuple[Ribbon, ...]


def timeline(spans: Sequence[Span], a_duration: float, b_duration: float) -> Timeline:
    """Durations of 0 or None-like count as the end of the last span."""
    a_duration = max([a_duration, *(s.a_end for s in spans)], default=0.0)
    b_duration = max([b_duration, *(s.b_end for s in spans)], default=0.0)
    scale = WIDTH / max(a_duration, b_duration, 1e-6)
    b_top = ROW_HEIGHT + GAP
    return Timeline(
        width=number_text(WIDTH),
        height=number_text(b_top + ROW_HEIGHT),
        row_height=number_text(ROW_HEIGHT),
        b_top=number_text(b_top),
        a_width=number_text(max(a_duration * scale, LEAST_WIDTH)),
        b_width=number_text(max(b_duration * scale, LEAST_WIDTH)),
        ribbons=tuple(_ribbon(span, scale, b_top) for span in spans),
    )


def _ribbon(span: Span, scale: float, b_top: float) -> Ribbon:
    a, a_width = span.a_start * scale, max((span.a_end - span.a_start) * scale, LEAST_WIDTH)
    b, b_width = span.b_start * scale, max((span.b_end - span.b_start) * scale, LEAST_WIDTH)
    left, right = (b + b_width, b) if span.reversed else (b, b + b_width)  # crossed when it runs backwards
    corners = [(a, ROW_HEIGHT), (a + a_width, ROW_HEIGHT), (right, b_top), (left, b_top)]
    points = " ".join(f"{number_text(x)},{number_text(y)}" for x, y in corners)
    return Ribbon(Bar(number_text(a), number_text(a_width)), Bar(number_text(b), number_text(b_width)), points)

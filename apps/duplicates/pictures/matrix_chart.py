"""A similarity picture with its axes and the found segments as lines: numbers for an <svg>. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apps.core.timespan import timecode
from apps.duplicates.pictures.spans import Span, number_text

WIDTH = 360.0  # of the whole; text of 12 units stays readable on a narrow phone
LEFT, RIGHT, TOP, BOTTOM = 64.0, 12.0, 8.0, 40.0
LOWEST, HIGHEST = 140.0, 300.0  # of the plot
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000)
MOST_TICKS = 5
WORDED_SEGMENTS = 4


@dataclass(frozen=True, slots=True)
class Tick:
    at: str
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    x1: str
    y1: str
    x2: str
    y2: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Numbers are ready for attributes: text with a point, whatever the language of the page."""

    width: str
    height: str
    left: str
    top: str
    plot_width: str
    plot_height: str
    bottom: str  # where the plot ends
    middle_x: str
    middle_y: str
    across: tuple[Tick, ...]
    down: tuple[Tick, ...]
    lines: tuple[Line, ...]


def chart(spans: Sequence[Span], across: tuple[float, float], down: tuple[float, float]) -> Chart:
    """``across`` and ``down``: the seconds at the edges of the picture. A second has the same length on both axes
    unless the plot would be too flat or too high."""
    width = WIDTH - LEFT - RIGHT
    x_seconds, y_seconds = max(across[1] - across[0], 1e-6), max(down[1] - down[0], 1e-6)
    height = min(max(width * y_seconds / x_seconds, LOWEST), HIGHEST)

    def x(second: float) -> float:
        return LEFT + width * min(max((second - across[0]) / x_seconds, 0.0), 1.0)

    def y(second: float) -> float:
        return TOP + height * min(max((second - down[0]) / y_seconds, 0.0), 1.0)

    return Chart(
        width=number_text(WIDTH),
        height=number_text(TOP + height + BOTTOM),
        left=number_text(LEFT),
        top=number_text(TOP),
        plot_width=number_text(width),
        plot_height=number_text(height),
        bottom=number_text(TOP + height),
        middle_x=number_text(LEFT + width / 2),
        middle_y=number_text(TOP + height / 2),
        across=tuple(Tick(number_text(x(s)), timecode(s)) for s in ticks(*across)),
        down=tuple(Tick(number_text(y(s)), timecode(s)) for s in ticks(*down)),
        lines=tuple(_line(span, x, y) for span in spans),
    )


def _line(span: Span, x: Callable[[float], float], y: Callable[[float], float]) -> Line:
    first, last = (span.b_end, span.b_start) if span.reversed else (span.b_start, span.b_end)
    return Line(number_text(x(span.a_start)), number_text(y(first)), number_text(x(span.a_end)), number_text(y(last)))


def ticks(start: float, end: float) -> list[float]:
    """Round seconds from ``start`` to ``end``, at most about MOST_TICKS of them."""
    step = next((s for s in STEPS if (end - start) / s <= MOST_TICKS), STEPS[-1])
    first = -(-start // step) * step
    count = int(max(end - first, 0.0) // step) + 1
    return [first + n * step for n in range(min(count, 50))] if first <= end else []


def alt_text(a: str, b: str, spans: Sequence[Span]) -> str:
    """What the picture shows, for people who do not see it."""
    told = f"How much each moment of {a} (across) resembles each moment of {b} (down)."
    if not spans:
        return told + " No segment was found."
    named = [
        f"{timecode(s.a_start)} to {timecode(s.a_end)} matches {timecode(s.b_start)} to {timecode(s.b_end)}"
        + (", backwards" if s.reversed else "")
        for s in spans[:WORDED_SEGMENTS]
    ]
    more = len(spans) - len(named)
    rest = f"; and {more} more" if more else ""
    return f"{told} {len(spans)} found {'segment' if len(spans) == 1 else 'segments'}: {'; '.join(named)}{rest}."

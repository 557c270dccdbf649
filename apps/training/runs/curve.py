"""The curve of a run, read from the file that the worker appends to, and its picture as SVG coordinates."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Point = dict[str, float]

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 12, 32
MAX_DRAWN = 400  # points of one line; more would only make the page heavy


def read_curve(path: Path) -> list[Point]:
    """The points by step; of two with one step the later holds (a resumed run). A torn last line is skipped."""
    points: dict[float, Point] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue  # being written right now
        if not isinstance(found, dict):
            continue
        numbers = {
            name: float(value)
            for name, value in found.items()
            if isinstance(value, int | float) and math.isfinite(value)
        }
        if "step" in numbers:
            points[numbers["step"]] = {**points.get(numbers["step"], {}), **numbers}
    return [points[step] for step in sorted(points)]


@dataclass(frozen=True, slots=True)
class Line:
    """``points``: the attribute of a polyline; ``last``: (x, y, value) of its end."""

    name: str
    label: str
    points: str
    last: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Chart:
    """``ticks``: (y, words) of the value axis; ``steps``: (x, words) of the other; ``summary`` says it in words."""

    title: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]
    steps: tuple[tuple[float, str], ...]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT


def draw(title: str, points: Sequence[Point], names: Sequence[tuple[str, str]]) -> Chart | None:
    """One chart with a line for each (name, label) that has at least one point; None without any."""
    series = {name: [(p["step"], p[name]) for p in points if name in p] for name, _ in names}
    series = {name: _thinned(values) for name, values in series.items() if values}
    if not series:
        return None
    every = [pair for values in series.values() for pair in values]
    first, last = min(x for x, _ in every), max(x for x, _ in every)
    ticks = _nice(min(y for _, y in every), max(y for _, y in every))
    low, high = ticks[0], ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (last - first) if last > first else 0.5
        up = (y - low) / (high - low)
        return round(LEFT + across * (WIDTH - LEFT - RIGHT), 1), round(
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1
        )

    lines = []
    for name, label in names:
        if name in series:
            drawn = [place(x, y) for x, y in series[name]]
            lines.append(Line(name, label, " ".join(f"{x},{y}" for x, y in drawn), (*drawn[-1], series[name][-1][1])))
    said = ", ".join(f"{line.label} {_number(series[line.name][0][1])} to {_number(line.last[2])}" for line in lines)
    return Chart(
        title,
        tuple(lines),
        tuple((place(first, value)[1], _number(value)) for value in ticks),
        tuple((place(x, low)[0], f"{x:.0f}") for x in dict.fromkeys((first, last))),
        f"{title}, step {first:.0f} to {last:.0f}: {said}",
    )


def _thinned(values: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Evenly fewer, the last one kept."""
    stride = -(-len(values) // MAX_DRAWN)
    kept = values[::stride]
    return kept if kept[-1] == values[-1] else [*kept, values[-1]]


def _nice(low: float, high: float, count: int = 4) -> list[float]:
    """Round values around [low, high], at least two."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough - 1e-12)
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(start, max(end, start + 1) + 1)]


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"

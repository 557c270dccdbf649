"""A span that two videos share, as pages need it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """One matched span in both videos, in seconds."""

    a_start: float
    a_end: float
    b_start: float
    b_end: float
    reversed: bool = False


def alignment_json(spans: Sequence[Span]) -> str:
    """JSON for the players that run together: [[a start, a end, b start, b end, reversed], ...]."""
    return json.dumps([[s.a_start, s.a_end, s.b_start, s.b_end, s.reversed] for s in spans])


def number_text(value: float) -> str:
    """For an attribute of an <svg>: a point, whatever the language of the page."""
    return f"{value:.1f}"


def play_url(page_url: str, start: float) -> str:
    """The player at the second in which the span begins."""
    return f"{page_url}?t={int(start)}"

from __future__ import annotations

from apps.duplicates.pictures.spans import Span
from apps.duplicates.pictures.timeline import timeline


def test_both_rows_have_the_scale_of_the_longer_video():
    drawn = timeline([Span(0, 10, 30, 40)], 10.0, 60.0)
    assert (drawn.a_width, drawn.b_width) == ("100.0", "600.0")
    assert (drawn.ribbons[0].b.x, drawn.ribbons[0].b.width) == ("300.0", "100.0")


def test_a_short_span_of_a_long_video_stays_visible():
    assert timeline([Span(0, 1, 0, 1)], 7200.0, 7200.0).ribbons[0].a.width == "2.0"


def test_a_reversed_span_has_a_crossed_ribbon():
    forward, backward = (timeline([Span(0, 10, 0, 10, r)], 10.0, 10.0).ribbons[0].points for r in (False, True))
    assert forward.split()[2:] == backward.split()[:1:-1]


def test_unknown_durations_are_taken_from_the_spans():
    assert timeline([Span(0, 10, 5, 20)], 0.0, 0.0).b_width == "600.0"

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.videos.ranges import NotSatisfiable, requested_span


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=99-", (99, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        ("  Bytes = 5 - 6 ", (5, 7)),
    ],
)
def test_a_single_range_is_understood(header: str, span: tuple[int, int]) -> None:
    assert requested_span(header, 100) == span


@pytest.mark.parametrize(
    "header",
    ["", "bytes=", "bytes=-", "bytes=a-b", "lines=0-5", "bytes=0-1,5-6", "bytes=9-2", "bytes=" + "9" * 40 + "-"],
)
def test_what_is_no_single_range_of_bytes_is_ignored(header: str) -> None:
    assert requested_span(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_the_file_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(NotSatisfiable):
        requested_span(header, 100)


def test_no_range_of_an_empty_file_can_be_satisfied() -> None:
    for header in ("bytes=0-", "bytes=-5"):
        with pytest.raises(NotSatisfiable):
            requested_span(header, 0)


@given(header=st.text(max_size=40) | st.from_regex(r"bytes=\d{0,20}-\d{0,20}"), size=st.integers(0, 10**12))
def test_a_span_always_lies_inside_the_file(header: str, size: int) -> None:
    try:
        span = requested_span(header, size)
    except NotSatisfiable:
        return
    assert span is None or 0 <= span[0] < span[1] <= size

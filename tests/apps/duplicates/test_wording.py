from __future__ import annotations

from apps.duplicates.wording import overall_words, span_words


def test_spans_read_as_timecodes_of_at_least_a_second():
    assert span_words(75.4, 80.0) == "1:15-1:20"
    assert span_words(75.2, 75.9) == "1:15-1:16"


def test_the_verdict_over_all_matches_counts_the_rest():
    assert overall_words(["exact", "contains"]) == "This exact file is in the library. 1 more video matched."
    assert "Nothing in the library" in overall_words([])
